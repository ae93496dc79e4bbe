"""Shows what the mapping makes of the latest records of each topic: their events, or why there are none.

Invariant: it joins no group and writes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import msgspec
from kafka import KafkaConsumer, TopicPartition

from stream.bridge.changes import Ignored
from stream.bridge.mapping import Made
from stream.bridge.source_records import Source
from stream.bridge.start import Bridge
from stream.intake.refusal import Refused
from stream.ops.client import consumer_connection
from stream.ops.fetched_schemas import FetchedSchemas

_TIMEOUT_SECONDS: Final = 15.0
#: A value is shown up to this length.
_SHOWN_CHARS: Final = 2000


class DryRun:
    """The mapping of the latest records.

    Args:
        bridge: What a bridge is made of.
        count: The most records of each topic.

    Attributes:
        missing: Topics that do not exist.
        refused: The number of records that would be dead letters.
    """

    def __init__(self, bridge: Bridge, count: int) -> None:
        self.missing: list[str] = []
        self.refused = 0
        self._bridge = bridge
        self._schemas = FetchedSchemas(bridge.settings, bridge.schemas)
        self._count = count
        self._outcomes: dict[str, Counter[str]] = {}

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield each record beside its events, or beside the reason why it gives none."""
        for topic in self._bridge.mapping.topics:
            outcomes = self._outcomes[topic] = Counter[str]()
            for source in self._latest(topic):
                found = self._outcome(source)
                outcomes.update(_names(found))
                self.refused += isinstance(found, Refused)
                yield _line(source, found)

    def summary(self) -> list[str]:
        """Return one line about each topic."""
        return [
            f"{topic}: {', '.join(f'{count} {name}' for name, count in sorted(its.items())) or 'no records'}"
            for topic, its in self._outcomes.items()
        ]

    def _outcome(self, source: Source) -> list[Made] | Refused | Ignored:
        try:
            return self._schemas.during(lambda: self._bridge.mapping.events(source))
        except (Refused, Ignored) as outcome:
            return outcome

    def _latest(self, topic: str) -> list[Source]:
        """Return the latest records of a topic, in order of partition and offset."""
        consumer = KafkaConsumer(
            **consumer_connection(self._bridge.kafka), isolation_level="read_committed", auto_offset_reset="earliest",
            enable_auto_commit=False, check_crcs=not self._bridge.kafka.mock,
        )  # fmt: skip
        with closing(consumer):
            numbers = sorted(consumer.partitions_for_topic(topic) or ())
            if not numbers:
                self.missing.append(topic)
                return []
            partitions = [TopicPartition(topic, number) for number in numbers]
            beginnings, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
            consumer.assign(partitions)
            each = -(-self._count // len(partitions))
            for tp in partitions:
                consumer.seek(tp, max(beginnings[tp], ends[tp] - each))
            read: list[Source] = []
            deadline = time.monotonic() + _TIMEOUT_SECONDS
            while any(consumer.position(tp) < ends[tp] for tp in partitions) and time.monotonic() < deadline:
                for records in consumer.poll(timeout_ms=200).values():
                    read += map(_source, records)
        return sorted(read, key=lambda source: (source.partition, source.offset))[: self._count]


def _source(record: Any) -> Source:
    return Source(
        record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, tuple(record.headers)
    )


def _names(found: list[Made] | Refused | Ignored) -> list[str]:
    if isinstance(found, list):
        return [made.kind for made in found] or ["record without an event"]
    return [f"{'refused' if isinstance(found, Refused) else 'ignored'} ({found.reason})"]


def _line(source: Source, found: list[Made] | Refused | Ignored) -> dict[str, Any]:
    line: dict[str, Any] = {
        "topic": source.topic, "partition": source.partition, "offset": source.offset,
        "key": _text(source.key), "value": _text(source.value),
    }  # fmt: skip
    if isinstance(found, Refused):
        return line | {"refused": found.reason, "detail": found.detail}
    if isinstance(found, Ignored):
        return line | {"ignored": found.reason}
    return line | {"events": [msgspec.Raw(made.value) for made in found]}


def _text(content: bytes | None) -> Any:
    """Return JSON as it is, if it is short; else text."""
    if content is None:
        return None
    if len(content) <= _SHOWN_CHARS:
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, ValueError, RecursionError):
            pass
    return content[:_SHOWN_CHARS].decode(errors="backslashreplace")
