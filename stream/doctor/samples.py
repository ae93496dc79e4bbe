"""Reads a few records from the end of each partition of an input topic.

Invariant: it joins no group and commits nothing. The number of records is bounded, however many partitions there are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from stream.config import KafkaSettings
from stream.intake.dead_letters import Headers
from stream.ops.client import consumer_connection

#: About this many records of a topic are read, and at least _LEAST of each partition.
_RECORDS: Final = 2000
_LEAST: Final = 5
_MAX_PARTITIONS: Final = 400
#: A topic that does not answer for this long is judged by what has come.
_TIMEOUT_SECONDS: Final = 15.0


class Sampled(NamedTuple):
    """One record; `appended_at` is its timestamp in epoch seconds."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    appended_at: float


class TopicSample(NamedTuple):
    """The latest records of a topic.

    Attributes:
        topic: The topic.
        partitions: The number of its partitions.
        records: In order of partition and offset.
    """

    topic: str
    partitions: int
    records: list[Sampled]


def sample(kafka: KafkaSettings, topics: Sequence[str]) -> list[TopicSample]:
    """Return the latest committed records of the topics that exist."""
    consumer = KafkaConsumer(
        **consumer_connection(kafka), isolation_level="read_committed", auto_offset_reset="earliest",
        enable_auto_commit=False, check_crcs=not kafka.mock,
    )  # fmt: skip
    with closing(consumer):
        found = {topic: sorted(consumer.partitions_for_topic(topic) or ()) for topic in topics}
        return [
            TopicSample(topic, len(numbers), _latest(consumer, topic, numbers[:_MAX_PARTITIONS]))
            for topic, numbers in found.items()
            if numbers
        ]


def _latest(consumer: KafkaConsumer, topic: str, numbers: Sequence[int]) -> list[Sampled]:
    partitions = [TopicPartition(topic, number) for number in numbers]
    beginnings, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    each = max(_LEAST, _RECORDS // len(partitions))
    consumer.assign(partitions)
    for tp in partitions:
        consumer.seek(tp, max(beginnings[tp], ends[tp] - each))
    read: list[Sampled] = []
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while any(consumer.position(tp) < ends[tp] for tp in partitions) and time.monotonic() < deadline:
        for tp, records in consumer.poll(timeout_ms=200).items():
            read += (_sampled(record) for record in records if record.offset < ends[tp])
    return sorted(read)


def _sampled(record: Any) -> Sampled:
    return Sampled(
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple(record.headers),
        record.timestamp / 1000,
    )
