"""Creates and checks topics.

Invariant: a topic is never shrunk and never deleted.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final, NamedTuple

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType, NewTopic

from stream.config import KafkaSettings, Settings, SettingsError
from stream.ops.client import connection

#: A dead letter or a state row may be larger than the record that it comes from.
_LARGE_BYTES: Final = "4194304"
_DAY_MS: Final = 24 * 3600 * 1000
#: librdkafka's mock has no other number.
MOCK_PARTITIONS: Final = 4


class PartitionsError(OSError):
    """The topics of a group do not have equal partition counts; the message says which, and what to do."""


class Made(NamedTuple):
    """Names of the topics that were created, and of those that existed."""

    made: list[str]
    there: list[str]


def create(settings: Settings, kafka: KafkaSettings, partitions: int, replication_factor: int) -> Made:
    """Create the missing topics.

    Raises:
        PartitionsError: The topics would not have equal partition counts; nothing is created.
    """
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        existing = set(admin.list_topics())
        _check_counts(settings, _partition_counts(settings, admin, existing), partitions)
        wanted = _wanted(settings, partitions, replication_factor)
        missing = [topic for topic in wanted if topic.name not in existing]
        if missing and kafka.mock:
            _create_on_mock(kafka, missing, partitions)
        elif missing:
            # Waits until the topics are visible: a worker that starts next checks them.
            admin.create_topics(missing, wait_for_metadata=True)
        return Made([topic.name for topic in missing], [topic.name for topic in wanted if topic.name in existing])


def _partition_counts(settings: Settings, admin: KafkaAdminClient, existing: set[str]) -> dict[str, int]:
    """Return the partition count of each existing topic that needs the same count as the others."""
    shared = [name for name in (*settings.read_topics, settings.state_topic) if name in existing]
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(shared)} if shared else {}


def _check_counts(settings: Settings, counts: dict[str, int], partitions: int) -> None:
    """Check that the existing topics have equal counts, and that topics to be made get the same."""
    described = ", ".join(f"{name} has {count}" for name, count in sorted(counts.items()))
    if len(set(counts.values())) > 1:
        most = max(counts.values())
        small = [name for name, count in sorted(counts.items()) if count < most]
        grow = " and ".join(f"kafka-topics.sh --alter --topic {name} --partitions {most}" for name in small)
        raise PartitionsError(
            f"partition counts differ ({described}): inputs, evidence and state need the same number. A topic that "
            f"Kafka created by itself has the broker's default. While {' and '.join(small)} is empty, run {grow}; a "
            "topic with events must be made again and fed again"
        )
    missing = {*settings.read_topics, settings.state_topic} - counts.keys()
    if counts and missing and partitions not in counts.values():
        (count,) = set(counts.values())
        raise PartitionsError(
            f"--partitions {partitions} would make topics of another size ({described}): inputs, evidence and state "
            f"need the same number. Run `volteface topics create --partitions {count}`, or delete the existing topics "
            "while they are empty"
        )


def _create_on_mock(kafka: KafkaSettings, missing: list[NewTopic], partitions: int) -> None:
    """The mock has no request that creates a topic, but creates each topic whose metadata a producer asks for."""
    if partitions != MOCK_PARTITIONS:
        raise SettingsError(
            f"--partitions {partitions} is not possible: the mock's topics have {MOCK_PARTITIONS} partitions each"
        )
    with closing(KafkaProducer(**connection(kafka))) as producer:
        for topic in missing:
            producer.partitions_for(topic.name)


def _wanted(settings: Settings, partitions: int, factor: int) -> list[NewTopic]:
    large = {"max.message.bytes": _LARGE_BYTES}
    # A worker that was down for longer than this has missed messages of other tasks.
    kept = {"retention.ms": str(30 * _DAY_MS)}
    # Replaced and deleted rows disappear within the compaction lag and a day, even if little is written: some of them
    # hold ids of reviewers who asked for erasure. A restore that takes longer than the day would miss deletions.
    soon = {"max.compaction.lag.ms": str(7 * _DAY_MS), "delete.retention.ms": str(_DAY_MS)}
    compacted = large | soon | {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
    return [
        *(NewTopic(name, partitions, factor) for name in settings.input_topics),
        *(NewTopic(settings.dead_letter_topic(name), 1, factor, topic_configs=large) for name in settings.read_topics),
        NewTopic(settings.evidence_topic, partitions, factor, topic_configs=kept),
        NewTopic(settings.alerts_topic, partitions, factor),
        NewTopic(settings.audit_topic, 1, factor, topic_configs={"retention.ms": "-1"}),
        NewTopic(settings.state_topic, partitions, factor, topic_configs=compacted),
    ]


def check(settings: Settings, kafka: KafkaSettings) -> list[str]:
    """Return what is wrong with the topics, one sentence for each problem."""
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        wanted = [topic.name for topic in _wanted(settings, 1, 1)]
        existing = set(admin.list_topics())
        problems = [
            f"topic {name} is missing: run `volteface topics create`" for name in wanted if name not in existing
        ]
        counts = _partition_counts(settings, admin, existing)
        if len(set(counts.values())) > 1:
            described = ", ".join(f"{name} has {count}" for name, count in sorted(counts.items()))
            problems.append(f"partition counts differ ({described}): inputs, evidence and state need the same number")
        # The mock closes the connection when it is asked for a topic's settings.
        ask = settings.state_topic in existing and not kafka.mock
        policy = _cleanup_policy(admin, settings.state_topic) if ask else "compact"
        if policy != "compact":  # `compact,delete` also deletes rows by age
            problems.append(
                f"topic {settings.state_topic} would lose state, cleanup.policy={policy}: set it to compact alone"
            )
        return problems


def _cleanup_policy(admin: KafkaAdminClient, topic: str) -> str:
    # All settings, not only changed ones: the broker's default counts too.
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    found = admin.describe_configs([resource], config_filter=ConfigFilterType.ALL)
    return str(found["topic"][topic]["cleanup.policy"]["value"])
