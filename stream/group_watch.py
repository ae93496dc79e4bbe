"""The worker's look at its group when tasks lack partitions: who has them.

Invariant: it only reads, and writes one line for each assignment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from stream.config import KafkaSettings, Settings
from stream.engine.assigned_tasks import AssignedTasks
from stream.engine.group_members import Member, members_of

log = structlog.get_logger()

#: The longest time that the line waits for Kafka's answer.
_ANSWER_SECONDS: Final = 5
#: The most members that the line names.
_MAX_NAMED: Final = 5


class GroupWatch:
    """Reports the partitions that a worker's tasks lack.

    Args:
        settings, kafka: All settings.
    """

    def __init__(self, settings: Settings, kafka: KafkaSettings) -> None:
        self._settings = settings
        self._kafka = kafka

    async def report(self, tasks: AssignedTasks) -> bool:
        """Write which partitions are missing, and who has them.

        Returns:
            Whether it is known that no member has them: the group has then assigned by old metadata.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                members = await members_of(self._kafka, self._settings.app_id)
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            members, unknown = [], f": Kafka did not say which ({type(error).__name__})"
        else:
            unknown = ": Kafka did not say which, because the group changes"
        missing = {(topic, number) for topic, numbers in tasks.missing.items() for number in numbers}
        held = any(member.assigned & missing for member in members)
        nobody = bool(members) and not held
        blamed = self._others(members) or [member for member in members if member.assigned & missing]
        who = "; no member of the group has them" if nobody else "; another member of the group has them"
        log.error(
            "partitions_missing",
            tasks=sorted(tasks.incomplete),
            missing=tasks.missing,
            reason=f"these tasks do not run: they lack partitions of {_listed(tasks.missing)}{who}"
            + (f": {_listed(map(_named, blamed[:_MAX_NAMED]))}" if blamed else "" if nobody else unknown),
            advice=f"give consumers that are no workers another group id than {self._settings.app_id}; the tasks go on "
            "from their last checkpoint when the partitions are assigned to this worker again",
        )
        return nobody

    def _others(self, members: Sequence[Member]) -> list[Member]:
        """Return the members that are no workers and read topics of the tasks."""
        topics = frozenset(self._settings.read_topics)
        return [member for member in members if member.settings is None and member.subscribed & topics]


def _named(member: Member) -> str:
    return f"client {member.client} on host {member.host}"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)
