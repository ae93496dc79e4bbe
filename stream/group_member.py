"""What a worker and a bridge do alike as members of a Kafka group: join again, end with an error, say what is refused.

Invariant: however many tasks fail, the group is asked for one new assignment, and the log has one line about the end.
"""

from __future__ import annotations

import asyncio
from typing import Any

from stream.access_watch import AccessWatch
from stream.config import KafkaSettings, Settings, SettingsError
from stream.engine.refusals import one_line
from stream.ops import logs


class GroupMember:
    """One process of a group.

    Args:
        app: Its Faust application; what the transport refuses is handed to this object from now on.
        settings, kafka: The settings of the process.
        access_watch: Says what Kafka does not allow.
    """

    def __init__(self, app: Any, settings: Settings, kafka: KafkaSettings, access_watch: AccessWatch) -> None:
        self._app = app
        self._settings = settings
        self._kafka = kafka
        self._access_watch = access_watch
        self._rejoining = asyncio.Lock()
        app.transport.on_refusal = self._refused

    def connected(self) -> bool:
        """Return whether Kafka answers."""
        return bool(self._app.consumer.connected())

    async def rejoin(self) -> None:
        """Ask the group for a new assignment after a second: the cause of the failure may need that long to pass."""
        if self._rejoining.locked():  # one new assignment is enough for all tasks that have failed
            return
        async with self._rejoining:
            await asyncio.sleep(1)
            await self._app.consumer.rejoin()

    async def crash(self, error: Exception) -> None:
        """End the process with exit code 1 and one line in the log, however many tasks have failed."""
        if self._app.crash_reason is None:
            logs.fatal(error)
            await self._app.crash(error)

    async def _refused(self, error: Exception) -> None:
        """End the process for a setting that no broker accepts; log everything else, which the client tries again."""
        line = one_line(error, self._settings, self._kafka, "Read")
        if isinstance(line, SettingsError):
            await self.crash(line)
        else:
            await self._access_watch.report(f"{type(line).__name__}: {line}")
