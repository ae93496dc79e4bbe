"""The contract of the topics: what is created fulfils it, and each difference is an error or a warning."""

from __future__ import annotations

import pytest

from stream.config import Settings
from stream.engine import record_limits, transactional_writer
from stream.ops import topic_contract
from stream.ops.topic_contract import TopicContract, in_sync_replicas
from stream.ops.topics import configuration_problems, replication_problems

_DAY_MS = 24 * 3600 * 1000
#: A topic that somebody made without any configuration, on Kafka 4.2.
_DEFAULTS = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "retention.ms": str(7 * _DAY_MS),
    "retention.bytes": "-1",
    "message.timestamp.type": "CreateTime",
    "max.compaction.lag.ms": str(2**63 - 1),
    "delete.retention.ms": str(_DAY_MS),
    "min.cleanable.dirty.ratio": "0.5",
    "min.insync.replicas": "1",
    "unclean.leader.election.enable": "false",
}


def _contract(name: str, settings: Settings | None = None) -> TopicContract:
    (found,) = (topic for topic in topic_contract.topics(settings or Settings()) if topic.name == name)
    return found


def test_what_is_created_fulfils_the_contract() -> None:
    for settings in (Settings(), Settings(max_event_bytes=900_000)):
        for topic in topic_contract.topics(settings):
            assert configuration_problems(topic, _DEFAULTS | topic.created) == []


def test_every_topic_of_the_settings_has_one_contract() -> None:
    settings = Settings()
    names = [topic.name for topic in topic_contract.topics(settings)]
    inputs = [*settings.read_topics, *map(settings.dead_letter_topic, settings.read_topics)]
    written = [settings.alerts_topic, settings.cases_topic, settings.audit_topic, settings.state_topic]
    assert sorted(names) == sorted([*inputs, *written])


@pytest.mark.parametrize(
    ("topic", "config", "value", "is_error"),
    [
        ("reviews.lifecycle.v1", "cleanup.policy", "compact", True),
        ("reviews.access.v1", "cleanup.policy", "compact,delete", True),
        ("reviews.outreach.v1", "retention.ms", str(364 * _DAY_MS), False),
        ("reviews.outreach.v1", "retention.ms", "1000", True),
        ("reviews.outreach.v1", "retention.ms", "3600000", True),  # an hour, without the allowed lateness
        ("reviews.outreach.v1", "retention.ms", "3700000", False),
        ("reviews.outreach.v1", "retention.bytes", "1000000", True),
        ("reviews.outreach.v1", "retention.bytes", "1000000000", False),
        ("reviews.outreach.v1", "max.message.bytes", "1000", True),
        ("reviews.outreach.v1", "max.message.bytes", "65536", False),
        ("reviews.outreach.v1", "message.timestamp.type", "CreateTime", False),
        ("reviews.access.v1", "unclean.leader.election.enable", "true", False),
        ("integrity.evidence.v1", "unclean.leader.election.enable", "true", False),
        ("integrity.alerts.v1", "unclean.leader.election.enable", "true", False),
        ("integrity.audit.v1", "unclean.leader.election.enable", "true", False),
        ("dlq.reviews.lifecycle.v1", "unclean.leader.election.enable", "true", False),
        ("volteface-state", "unclean.leader.election.enable", "true", False),
        ("integrity.evidence.v1", "cleanup.policy", "compact", True),
        ("integrity.evidence.v1", "retention.ms", str(29 * _DAY_MS), False),
        ("integrity.evidence.v1", "retention.ms", "1000", True),
        ("integrity.evidence.v1", "max.message.bytes", "1000000", True),
        ("integrity.alerts.v1", "cleanup.policy", "compact", True),
        ("integrity.alerts.v1", "retention.ms", str(7 * _DAY_MS), False),
        ("integrity.alerts.v1", "max.message.bytes", "1000000", True),
        ("integrity.audit.v1", "retention.ms", str(3650 * _DAY_MS), False),
        ("integrity.alerts.v1", "retention.ms", "1000", True),
        ("integrity.audit.v1", "retention.ms", "1000", True),
        ("dlq.reviews.lifecycle.v1", "retention.bytes", "1000", True),
        ("integrity.audit.v1", "cleanup.policy", "compact", True),
        ("dlq.reviews.lifecycle.v1", "cleanup.policy", "compact", True),
        ("dlq.reviews.lifecycle.v1", "max.message.bytes", "1048588", False),
        ("dlq.reviews.lifecycle.v1", "max.message.bytes", "6000", False),
        ("dlq.reviews.lifecycle.v1", "retention.ms", str(6 * _DAY_MS), False),
        ("volteface-state", "cleanup.policy", "delete", True),
        ("volteface-state", "cleanup.policy", "compact,delete", True),
        ("volteface-state", "max.message.bytes", "1000000", True),
        ("volteface-state", "max.message.bytes", "1048588", False),
        ("volteface-state", "max.compaction.lag.ms", str(2**63 - 1), False),
        ("volteface-state", "delete.retention.ms", "1000", False),
        ("volteface-state", "min.cleanable.dirty.ratio", "0.9", False),
    ],
)
def test_each_difference_is_one_line_that_says_what_to_do(topic: str, config: str, value: str, is_error: bool) -> None:
    contract = _contract(topic)
    (problem,) = configuration_problems(contract, _DEFAULTS | contract.created | {config: value})
    assert problem.is_error is is_error
    assert problem.text.startswith(f"topic {topic} has {config}={value}: ")
    repair = f"--entity-type topics --entity-name {topic} --add-config {config}={contract.created[config]}`"
    assert problem.text.endswith(repair)
    assert "\n" not in problem.text


def test_topics_that_somebody_else_made_give_warnings_only_but_for_the_compacted_ones() -> None:
    settings = Settings()
    compacted = {settings.state_topic, settings.cases_topic}
    for topic in topic_contract.topics(settings):
        problems = configuration_problems(topic, _DEFAULTS)
        assert [each.is_error for each in problems].count(True) == (topic.name in compacted)


def test_unlimited_retention_is_long_enough_and_makes_the_kind_of_time_irrelevant() -> None:
    contract = _contract("reviews.lifecycle.v1")
    configs = contract.created | {"retention.ms": "-1", "message.timestamp.type": "CreateTime"}
    assert configuration_problems(contract, configs) == []


def test_a_configuration_that_kafka_does_not_report_is_not_checked() -> None:
    assert configuration_problems(_contract("volteface-state"), {"cleanup.policy": "compact"}) == []


@pytest.mark.parametrize(
    ("replicas", "least", "brokers", "expected"),
    [
        (1, 1, 1, None),
        (1, 1, 3, False),
        (1, 2, 1, True),
        (3, 4, 3, True),
        (2, 1, 2, None),
        (2, 2, 2, False),
        (3, 3, 3, False),
        (3, 1, 3, False),
        (3, 2, 3, None),
    ],
)
def test_replicas_and_in_sync_replicas_fit(replicas: int, least: int, brokers: int, expected: bool | None) -> None:
    problems = replication_problems("t", {"min.insync.replicas": str(least)}, replicas, brokers)
    assert [problem.is_error for problem in problems] == ([] if expected is None else [expected])


def test_created_in_sync_replicas_fulfil_the_contract() -> None:
    for replicas in range(1, 6):
        configs = {"min.insync.replicas": str(in_sync_replicas(replicas))}
        assert replication_problems("t", configs, replicas, replicas) == []


def test_the_sizes_are_those_of_the_checkpoints() -> None:
    assert topic_contract.BATCH_BYTES == transactional_writer._BATCH_BYTES
    assert topic_contract.RECORD_BYTES == record_limits.MAX_RECORD_BYTES
