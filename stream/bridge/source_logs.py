"""Where the bridge continues in the topics that it reads, and whether they are still the topics that it has read.

Invariant: no record is passed over without a message. The id of a topic is kept with the group's offset, so that a
topic that was deleted and created again is noticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import ClassVar, NamedTuple

from aiokafka.structs import OffsetAndMetadata
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec

from stream.config import KafkaSettings
from stream.engine.log_check import Gap, LogError
from stream.ops.client import connection


class SourceLogError(LogError):
    """The group's offsets do not belong to the topics. The text is one line and says what to do."""

    advice: ClassVar[str] = (
        "to read the topic from its beginning, stop all bridges and delete the group's offsets of it "
        "(kafka-consumer-groups.sh --delete-offsets --group GROUP --topic TOPIC): changes that were read before keep "
        "their event ids"
    )


class SourceStart(NamedTuple):
    """Where a task continues in each topic, and the records that expired before they were read."""

    offsets: dict[str, int]
    gaps: list[Gap]


async def start_of(
    kafka: KafkaSettings, group: str, topics: Sequence[str], partition: int, ids: Mapping[str, str]
) -> SourceStart:
    """Return where a task continues.

    Args:
        kafka: How to reach Kafka.
        group: The bridge's group.
        topics: The topics of the task.
        partition: The task's partition number.
        ids: The present ids of the topics, as far as they are known.

    Raises:
        SourceLogError: A topic is not the one that the group has read.
    """
    return await asyncio.to_thread(_start_of, kafka, group, topics, partition, ids)


def _start_of(
    kafka: KafkaSettings, group: str, topics: Sequence[str], partition: int, ids: Mapping[str, str]
) -> SourceStart:
    partitions = [TopicPartition(topic, partition) for topic in topics]
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        committed = admin.list_group_offsets({group: partitions})[group]
        beginnings = _offsets(admin, partitions, OffsetSpec.EARLIEST)
        ends = _offsets(admin, partitions, OffsetSpec.LATEST)
    offsets: dict[str, int] = {}
    gaps: list[Gap] = []
    for tp in partitions:
        found = committed.get(tp)
        if found is None or found.offset < 0:
            offsets[tp.topic] = beginnings[tp]
            continue
        _check(tp, found.offset, str(found.metadata or ""), ends[tp], ids.get(tp.topic))
        offsets[tp.topic] = max(found.offset, beginnings[tp])
        if found.offset < beginnings[tp]:
            gaps.append(Gap(tp.topic, partition, found.offset, beginnings[tp]))
    return SourceStart(offsets, gaps)


def _offsets(
    admin: KafkaAdminClient, partitions: Sequence[TopicPartition], which: OffsetSpec
) -> dict[TopicPartition, int]:
    found = admin.list_partition_offsets(dict.fromkeys(partitions, which))
    return {tp: int(each.offset) for tp, each in found.items()}


def _check(tp: TopicPartition, committed: int, written_id: str, end: int, present_id: str | None) -> None:
    if committed > end:
        raise SourceLogError(
            f"topic {tp.topic}, partition {tp.partition}, ends at offset {end}, but the group has read it up to offset "
            f"{committed}: it was deleted and created again, or lost records"
        )
    check_id(tp.topic, written_id, present_id)


def check_id(topic: str, written: str, present: str | None) -> None:
    """Raise SourceLogError if a topic has another id; an id that is not known is not compared."""
    if written and present and written != present:
        raise SourceLogError(
            f"topic {topic} was deleted and created again: the group has read the one with the id {written}, and now "
            f"its id is {present}"
        )


def committed(offset: int, topic_id: str | None) -> OffsetAndMetadata:
    """Return what is committed for a topic: the next offset, and the topic's id."""
    return OffsetAndMetadata(offset, topic_id or "")
