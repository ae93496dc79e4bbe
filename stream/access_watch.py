"""A process's check of its rights in Kafka: before it starts, and when Kafka refuses something to it.

Invariant: a process starts only with all rights. Until then it writes a line for each missing one, and goes on waiting.
A right that is taken away later ends nothing either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog
from kafka.errors import KafkaError

from stream.config import KafkaSettings
from stream.ops import access_rights
from stream.ops.rate_limit import RateLimit
from stream.rights import Right, described

log = structlog.get_logger()

_RETRY_SECONDS: Final = 2


class AccessWatch:
    """Looks for missing rights of a worker or a bridge.

    Args:
        kafka: How to reach Kafka.
        needed: The rights that the process needs.
    """

    def __init__(self, kafka: KafkaSettings, needed: Sequence[Right]) -> None:
        self._kafka = kafka
        self._needed = needed
        self._limit = RateLimit()

    def wait(self) -> None:
        """Return once Kafka's user has all rights; write a line for each missing one, once a minute."""
        while lines := self._missing():
            self._write(lines)
            time.sleep(_RETRY_SECONDS)
        self._limit = RateLimit()  # a right that is taken away again is written at once

    async def report(self, *refusals: str) -> None:
        """Write what is missing while the process runs, once a minute.

        Args:
            refusals: What Kafka has refused: written if no right is missing.
        """
        # Kafka's own answers name no right, and some of them not even the topic.
        self._write(await asyncio.to_thread(self._missing) or refusals)

    def _write(self, lines: Sequence[str]) -> None:
        for line in lines:
            if self._limit.is_due(line):
                log.error("refused_by_kafka", error=line)

    def _missing(self) -> list[str]:
        try:
            return [described(self._kafka, right) for right in access_rights.missing(self._kafka, self._needed)]
        except KafkaError as error:  # Kafka went away meanwhile
            return [f"{type(error).__name__}: {error}"]
