"""What is wrong around the bridge: the topics that it reads, its group, and how far it is behind.

Invariant: it changes nothing. Whether the mapping can be used is the bridge's own check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing

from kafka import KafkaAdminClient

from stream.config import KafkaSettings, Settings
from stream.doctor.diagnosis import Diagnosis
from stream.doctor.kafka_checks import members_of, of_lag
from stream.engine.group_offsets import unread_of
from stream.ops.bridge_topics import bridge_group
from stream.ops.client import connection


def check_sources(sources: Sequence[str], _: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    """Check the topics that the bridge reads."""
    counts = _partition_counts(sources, kafka)
    for topic in sources:
        count = counts.get(topic, 0)
        if not count:
            yield Diagnosis(
                "source_topics", "warning", topic,
                f"source topic {topic} does not exist, so the bridge reads nothing from it.",
                "A connector makes it at the first record: check whether the connector runs, and the mapping's topic.",
            )  # fmt: skip
        elif count > 1:
            yield Diagnosis(
                "source_topics", "warning", topic,
                f"source topic {topic} has {count} partitions: while a backlog is read, they are at different times, "
                "and events come late.",
                "Give it one partition (topic.creation.default.partitions=1 at the connector), or let the bridge read "
                "the backlog before the workers start.",
            )  # fmt: skip
        else:
            yield Diagnosis("source_topics", "ok", topic, f"source topic {topic} is there, with one partition.")


def check_bridge_group(sources: Sequence[str], settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    """Check whether bridges run, and how far they are behind."""
    name = bridge_group(settings)
    members = members_of(kafka, name)
    if not members:
        yield Diagnosis("bridge", "warning", name, f"group {name} has no member.", "Start `volteface bridge`.")
    partitions = [
        (topic, number) for topic, count in _partition_counts(sources, kafka).items() for number in range(count)
    ]
    if partitions:
        unread = asyncio.run(unread_of(kafka, name, partitions))
        yield from of_lag(
            "bridge", name, members, unread.values(), "If the number does not fall, read the bridge's log."
        )


def _partition_counts(sources: Sequence[str], kafka: KafkaSettings) -> dict[str, int]:
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        return {each["name"]: len(each["partitions"]) for each in admin.describe_topics(list(sources))}
