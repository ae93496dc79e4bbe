"""Topics: made where they are missing, checked, never shrunk and never deleted."""

from __future__ import annotations

from contextlib import closing
from typing import Final, NamedTuple

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType, NewTopic

from stream.config import KafkaSettings, Settings, SettingsError
from stream.ops.client import connection

#: Dead letters and state rows must hold what an input held and more.
_LARGE_BYTES: Final = "4194304"
_DAY_MS: Final = 24 * 3600 * 1000
#: librdkafka's mock has no other.
MOCK_PARTITIONS: Final = 4


class Made(NamedTuple):
    """Names of the topics that were made, and of those that were there."""

    made: list[str]
    there: list[str]


def create(settings: Settings, kafka: KafkaSettings, partitions: int, replication_factor: int) -> Made:
    """Make what is missing."""
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        existing = set(admin.list_topics())
        wanted = _wanted(settings, partitions, replication_factor)
        missing = [topic for topic in wanted if topic.name not in existing]
        if missing and kafka.mock:
            _create_on_mock(kafka, missing, partitions)
        elif missing:
            # Waits until they can be seen: a worker that starts next checks them.
            admin.create_topics(missing, wait_for_metadata=True)
        return Made([topic.name for topic in missing], [topic.name for topic in wanted if topic.name in existing])


def _create_on_mock(kafka: KafkaSettings, missing: list[NewTopic], partitions: int) -> None:
    """The mock takes no orders for topics, but makes each that a producer asks after."""
    if partitions != MOCK_PARTITIONS:
        raise SettingsError(
            f"--partitions {partitions} cannot be had: the mock broker's topics have {MOCK_PARTITIONS} partitions each"
        )
    with closing(KafkaProducer(**connection(kafka))) as producer:
        for topic in missing:
            producer.partitions_for(topic.name)


def _wanted(settings: Settings, partitions: int, factor: int) -> list[NewTopic]:
    large = {"max.message.bytes": _LARGE_BYTES}
    # A worker that was away for longer has missed what the others told it.
    kept = {"retention.ms": str(30 * _DAY_MS)}
    # Rows that were written anew or deleted are gone for good within the lag and a day, also where little is written:
    # who asked to be forgotten is in some of them. A restore that took longer than the day would miss deletions.
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
    """What is wrong with the topics, a sentence each; empty when all is well."""
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        wanted = [topic.name for topic in _wanted(settings, 1, 1)]
        existing = set(admin.list_topics())
        problems = [
            f"topic {name} is missing: run `volteface topics create`" for name in wanted if name not in existing
        ]
        shared = [name for name in (*settings.read_topics, settings.state_topic) if name in existing]
        counts = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics(shared)} if shared else {}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{name} has {count}" for name, count in sorted(counts.items()))
            problems.append(f"partition counts differ ({told}): inputs, evidence and state need the same number")
        # The mock cannot be asked for a topic's settings: it hangs up.
        ask = settings.state_topic in existing and not kafka.mock
        policy = _cleanup_policy(admin, settings.state_topic) if ask else "compact"
        if policy != "compact":  # `compact,delete` drops rows by age, too
            problems.append(
                f"topic {settings.state_topic} would lose state, cleanup.policy={policy}: set it to compact alone"
            )
        return problems


def _cleanup_policy(admin: KafkaAdminClient, topic: str) -> str:
    # All settings, not only those that were changed: the broker's default counts as well.
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    found = admin.describe_configs([resource], config_filter=ConfigFilterType.ALL)
    return str(found["topic"][topic]["cleanup.policy"]["value"])
