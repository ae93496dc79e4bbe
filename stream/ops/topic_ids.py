"""The ids of topics and their numbers of partitions: Kafka gives a topic that was created again another id.

Invariant: one request serves all tasks of a worker, at most every _FRESH_SECONDS. Where Kafka gives no ids (before 2.8,
the mock, a topic that its user may not describe, or while it is away) there are none, and nothing is compared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, Final
from uuid import UUID

import structlog
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from stream.config import KafkaSettings
from stream.ops.client import connection

log = structlog.get_logger()

_FRESH_SECONDS: Final = 20
#: While Kafka is away tasks wait this long for an answer.
_TIMEOUT_MS: Final = 5_000
_NO_ID: Final = str(UUID(int=0))


class TopicIds:
    """The present ids of some topics, and their numbers of partitions.

    Args:
        kafka: How to reach Kafka.
        topics: The names of the topics.
        counted: Further topics that may be created again: only their numbers of partitions are returned.
    """

    def __init__(self, kafka: KafkaSettings, topics: Sequence[str], counted: Sequence[str] = ()) -> None:
        self._kafka = kafka
        self._topics = topics
        self._counted = counted
        self._ids: Mapping[str, str] = {}
        self._counts: Mapping[str, int] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def present(self) -> Mapping[str, str]:
        """Return the id of each topic that exists, by name; at most _FRESH_SECONDS old."""
        await self._refresh()
        return self._ids

    async def partition_counts(self) -> Mapping[str, int]:
        """Return the number of partitions of each topic that exists, by name; at most _FRESH_SECONDS old."""
        await self._refresh()
        return self._counts

    async def _refresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                found = await asyncio.to_thread(self._read)
                # Of a topic that it may not describe the client gives an error, and None as its id.
                known = [topic for topic in found if not topic["error_code"]]
                ids = {each["name"]: each["topic_id"] for each in known if each["name"] in self._topics}
                texts = {name: str(topic_id) for name, topic_id in ids.items() if topic_id is not None}
                self._ids = {name: topic_id for name, topic_id in texts.items() if topic_id != _NO_ID}
                self._counts = {topic["name"]: len(topic["partitions"]) for topic in known}
                self._read_at = time.monotonic()

    def _read(self) -> list[dict[str, Any]]:
        if self._kafka.mock:
            return []
        try:
            client = KafkaAdminClient(
                **connection(self._kafka), bootstrap_timeout_ms=_TIMEOUT_MS, request_timeout_ms=_TIMEOUT_MS
            )
            with closing(client) as admin:
                return list(admin.describe_topics([*self._topics, *self._counted]))
        except KafkaError as error:
            log.debug("topic_ids_unknown", error=repr(error))
            return []
