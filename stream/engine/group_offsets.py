"""How far a group has read the partitions of tasks that do not run.

Invariant: it only reads, and joins no group.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.config import KafkaSettings
from stream.engine.kafka_auth import consumer_connection


class Unread(NamedTuple):
    """The group's offset of a partition, and the first and the next offset of its log."""

    committed: int
    beginning: int
    end: int


async def unread_of(
    kafka: KafkaSettings, group: str, wanted: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], Unread]:
    """Return a group's offsets of partitions, by topic and number."""
    partitions = [TopicPartition(*each) for each in wanted]
    consumer = AIOKafkaConsumer(**consumer_connection(kafka), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(partitions)
        beginnings, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        return {
            (tp.topic, tp.partition): Unread(await consumer.committed(tp) or 0, beginnings[tp], ends[tp])
            for tp in partitions
        }
    finally:
        await consumer.stop()
