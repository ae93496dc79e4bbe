"""The ids of topics: Kafka gives a topic that was deleted and created again another id.

Invariant: one request serves all tasks of a worker, at most every _FRESH_SECONDS. Where Kafka gives no ids (before 2.8,
the mock, or while it is away) there are none, and nothing is compared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Final
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
    """The present ids of some topics.

    Args:
        kafka: How to reach Kafka.
        topics: The names of the topics.
    """

    def __init__(self, kafka: KafkaSettings, topics: Sequence[str]) -> None:
        self._kafka = kafka
        self._topics = topics
        self._ids: Mapping[str, str] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def present(self) -> Mapping[str, str]:
        """Return the id of each topic that exists, by name; at most _FRESH_SECONDS old."""
        async with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._ids = await asyncio.to_thread(self._read)
                self._read_at = time.monotonic()
            return self._ids

    def _read(self) -> dict[str, str]:
        if self._kafka.mock:
            return {}
        try:
            client = KafkaAdminClient(
                **connection(self._kafka), bootstrap_timeout_ms=_TIMEOUT_MS, request_timeout_ms=_TIMEOUT_MS
            )
            with closing(client) as admin:
                found = {topic["name"]: str(topic["topic_id"]) for topic in admin.describe_topics(list(self._topics))}
        except KafkaError as error:
            log.debug("topic_ids_unknown", error=repr(error))
            return {}
        return {name: topic_id for name, topic_id in found.items() if topic_id != _NO_ID}
