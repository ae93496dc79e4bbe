"""Empties a group's state, so that its workers build it again from the beginning of the inputs.

Invariant: nothing is changed while a worker of the group runs. An interrupted rebuild can be repeated: until it is
done, workers either continue with the old state or refuse to start.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any, Final, NamedTuple

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from stream.config import KafkaSettings, Settings
from stream.ops import topic_reader
from stream.ops.client import connection, consumer_connection
from stream.ops.missing_topics import advice

_ACK_SECONDS: Final = 60


class RebuildError(OSError):
    """The state cannot be emptied now; the message is one line for a person."""


class Rebuilt(NamedTuple):
    """The number of partitions, and of state rows that were deleted."""

    partitions: int
    rows: int


def rebuild(settings: Settings, kafka: KafkaSettings) -> Rebuilt:
    """Empty the state.

    1. Read the state: nothing changes if a topic is missing.
    2. Set the group's offsets to the beginning of the inputs, and to the end of the evidence topic: the tasks send
       their messages again.
    3. Delete all rows of the state topic.

    Raises:
        RebuildError: A worker of the group runs.
        LookupError: A topic is missing.
    """
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        check_stopped(admin, settings)
        offsets = _start_offsets(settings, kafka)
        state = topic_reader.committed_state(settings, kafka)
        admin.alter_group_offsets(settings.app_id, offsets)
    with closing(KafkaProducer(**connection(kafka), acks="all")) as producer:
        sent: list[Any] = [
            producer.send(settings.state_topic, key=key, value=None, partition=partition)
            for partition, rows in state.items()
            for key in rows
        ]
        for future in sent:
            future.get(_ACK_SECONDS)
    return Rebuilt(len(offsets) // len(settings.read_topics), len(sent))


def check_stopped(admin: KafkaAdminClient, settings: Settings) -> None:
    """Raise RebuildError if a worker of the group runs."""
    members = admin.describe_groups([settings.app_id])[settings.app_id]["members"]
    if members:
        running = "1 worker" if len(members) == 1 else f"{len(members)} workers"
        raise RebuildError(
            f"Kafka counts {running} of group {settings.app_id}: stop all workers first. One that was killed counts "
            f"until its session ends: wait {settings.session_timeout_seconds:g} s (VOLTEFACE_SESSION_TIMEOUT_SECONDS), "
            "then try again"
        )


def _start_offsets(settings: Settings, kafka: KafkaSettings) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return the offsets from which the tasks start again."""
    with closing(KafkaConsumer(**consumer_connection(kafka), enable_auto_commit=False)) as consumer:
        partitions = {topic: consumer.partitions_for_topic(topic) for topic in settings.read_topics}
        missing = [topic for topic, found in partitions.items() if not found]
        if missing:
            counts = [len(found) for found in partitions.values() if found]
            raise LookupError(f"topic {missing[0]} does not exist: {advice(counts)}")
        inputs = [TopicPartition(topic, number) for topic in settings.input_topics for number in partitions[topic]]
        evidence = [TopicPartition(settings.evidence_topic, number) for number in partitions[settings.evidence_topic]]
        ends = consumer.end_offsets(evidence)
    offsets = dict.fromkeys(inputs, 0) | {tp: ends[tp] for tp in evidence}
    return {tp: OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()}
