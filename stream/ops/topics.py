"""Creates topics, and compares the existing ones with their contract (`topic_contract`).

Invariant: a topic is never shrunk, never deleted, and never given another configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import AuthorizationError, TopicAuthorizationFailedError

from stream.config import KafkaSettings, Settings, SettingsError
from stream.ops import partition_counts, topic_contract
from stream.ops.client import connection
from stream.ops.missing_topics import advice
from stream.ops.topic_contract import TopicContract, in_sync_replicas
from stream.rights import MissingRightsError, Right, described

#: librdkafka's mock has no other number.
MOCK_PARTITIONS: Final = 4
#: With so many replicas one broker can be away without an acknowledged record being at risk.
_SAFE_REPLICAS: Final = 3


class PartitionsError(OSError):
    """The topics of a group do not have equal partition counts; the message says which, and what to do."""


class TopicsError(OSError):
    """Records would be lost or refused on these topics; each line of the message is one problem."""


class CreatedTopics(NamedTuple):
    """Names of the topics that were created, and of those that existed."""

    made: list[str]
    there: list[str]


class TopicProblem(NamedTuple):
    """What is wrong with a topic.

    Attributes:
        topic: The topic.
        text: One sentence: what was found, what follows from it, and what to do.
        is_error: Whether records would be lost or refused. A worker then does not start.
    """

    topic: str
    text: str
    is_error: bool


def create(
    settings: Settings,
    kafka: KafkaSettings,
    partitions: int,
    replicas: int | None = None,
    sources: Sequence[str] = (),
) -> CreatedTopics:
    """Create the missing topics.

    Args:
        settings, kafka: All settings.
        partitions: The number of partitions of inputs, evidence, alerts and state.
        replicas: The replication factor; None for three, or for the number of brokers if there are fewer.
        sources: The topics that a bridge reads, whose dead letters need topics.

    Raises:
        PartitionsError: The topics would not have equal partition counts; nothing is created.
        MissingRightsError: Kafka's user may not create topics.
    """
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        wanted = topic_contract.topics(settings, sources)
        existing = _existing(admin, wanted)
        _check_counts(settings, _shared_counts(settings, existing), partitions)
        missing = [topic for topic in wanted if topic.name not in existing]
        if missing and kafka.mock:
            _create_on_mock(kafka, missing, partitions)
        elif missing:
            factor = min(_SAFE_REPLICAS, _brokers(admin)) if replicas is None else replicas
            try:
                # Waits until the topics are visible: a worker that starts next checks them.
                admin.create_topics([_new(topic, partitions, factor) for topic in missing], wait_for_metadata=True)
            except AuthorizationError:
                raise MissingRightsError(kafka, Right("Create", "cluster", "")) from None
        return CreatedTopics(
            [topic.name for topic in missing], [topic.name for topic in wanted if topic.name in existing]
        )


def _new(topic: TopicContract, partitions: int, replicas: int) -> NewTopic:
    configs = topic.created | {"min.insync.replicas": str(in_sync_replicas(replicas))}
    return NewTopic(topic.name, topic.partitions or partitions, replicas, topic_configs=configs)


def _existing(admin: KafkaAdminClient, wanted: Iterable[TopicContract]) -> dict[str, list[dict[str, Any]]]:
    """Return the partitions of each topic that exists."""
    return _without_errors(_described(admin, wanted))


def _described(admin: KafkaAdminClient, wanted: Iterable[TopicContract]) -> list[dict[str, Any]]:
    return list(admin.describe_topics([topic.name for topic in wanted]))


def _without_errors(topics: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {topic["name"]: topic["partitions"] for topic in topics if not topic["error_code"]}


def _why_absent(kafka: KafkaSettings, topic: dict[str, Any], counts: Iterable[int]) -> str:
    """Return why Kafka describes no such topic: without the right it does not say whether the topic exists."""
    name = topic["name"]
    if topic["error_code"] == TopicAuthorizationFailedError.errno:
        return f"topic {name} cannot be checked: {described(kafka, Right('Describe', 'topic', name))}"
    return f"topic {name} is missing: {advice(counts)}"


def _brokers(admin: KafkaAdminClient) -> int:
    return len(admin.describe_cluster()["brokers"])


def _shared_counts(settings: Settings, existing: Mapping[str, list[dict[str, Any]]]) -> dict[str, int]:
    """Return the partition count of each existing topic that needs the same count as the others."""
    shared = (*settings.read_topics, settings.state_topic)
    return {name: len(existing[name]) for name in shared if name in existing}


def _check_counts(settings: Settings, counts: dict[str, int], partitions: int) -> None:
    """Check that the existing topics have equal counts, and that topics to be made get the same."""
    problem = _count_problem(counts)
    if problem is not None:
        raise PartitionsError(problem.text)
    missing = {*settings.read_topics, settings.state_topic} - counts.keys()
    difference = partition_counts.difference(counts | dict.fromkeys(missing, partitions))
    if difference is not None:
        (count,) = set(counts.values())
        raise PartitionsError(
            f"with --partitions {partitions} {difference.text}. Run `volteface topics create --partitions {count}`, or "
            "delete the existing topics while they are empty"
        )


def _count_problem(counts: Mapping[str, int]) -> TopicProblem | None:
    """Return what is wrong with the partition counts of topics that need the same; None if they are equal."""
    found = partition_counts.difference(counts)
    if found is None:
        return None
    return TopicProblem(found.topic, f"{found.text}. {partition_counts.repair(counts)}", is_error=True)


def _create_on_mock(kafka: KafkaSettings, missing: list[TopicContract], partitions: int) -> None:
    """The mock has no request that creates a topic, but creates each topic whose metadata a producer asks for."""
    if partitions != MOCK_PARTITIONS:
        raise SettingsError(
            f"--partitions {partitions} is not possible: the mock's topics have {MOCK_PARTITIONS} partitions each"
        )
    with closing(KafkaProducer(**connection(kafka))) as producer:
        for topic in missing:
            producer.partitions_for(topic.name)


def check(settings: Settings, kafka: KafkaSettings, sources: Sequence[str] = ()) -> list[TopicProblem]:
    """Return what is wrong with the topics, errors first; with the topics that a bridge reads, their dead letters'."""
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        wanted = topic_contract.topics(settings, sources)
        described_topics = _described(admin, wanted)
        existing = _without_errors(described_topics)
        counts = _shared_counts(settings, existing)
        problems = [
            TopicProblem(topic["name"], _why_absent(kafka, topic, counts.values()), is_error=True)
            for topic in described_topics
            if topic["name"] not in existing
        ]
        problem = _count_problem(counts)
        if problem is not None:
            problems.append(problem)
        if existing and not kafka.mock:  # the mock closes the connection when it is asked for a topic's configuration
            problems += _of_existing(wanted, existing, _configs(admin, existing), _brokers(admin))
        return sorted(problems, key=lambda problem: not problem.is_error)


def refuse_errors(problems: Iterable[TopicProblem]) -> None:
    """Raise TopicsError if at least one problem is an error."""
    errors = [problem.text for problem in problems if problem.is_error]
    if errors:
        raise TopicsError("\n".join(errors))


class Inputs(NamedTuple):
    """The existing input topics: what is wrong with them, and the largest batch that all take, None if unknown."""

    problems: list[TopicProblem]
    max_batch_bytes: int | None


def inputs(settings: Settings, kafka: KafkaSettings) -> Inputs:
    """Compare the existing input topics with their contract, as far as Kafka's user may read their configuration."""
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        wanted = [topic for topic in topic_contract.topics(settings) if topic.name in settings.input_topics]
        existing = _existing(admin, wanted)
        problem = _count_problem({name: len(partitions) for name, partitions in existing.items()})
        problems = [] if problem is None else [problem]
        configs: dict[str, dict[str, str]] = {}
        if existing and not kafka.mock:
            configs = _configs(admin, existing)
            problems += _of_existing(wanted, existing, configs, _brokers(admin))
        sizes = [int(found["max.message.bytes"]) for found in configs.values() if "max.message.bytes" in found]
        return Inputs(problems, min(sizes, default=None))


def _of_existing(
    wanted: Iterable[TopicContract],
    existing: Mapping[str, list[dict[str, Any]]],
    configs: Mapping[str, Mapping[str, str]],
    brokers: int,
) -> list[TopicProblem]:
    """Return the problems of the configuration and the replication of the topics that exist."""
    problems: list[TopicProblem] = []
    for topic in wanted:
        if topic.name in existing:
            problems += configuration_problems(topic, configs[topic.name])
            replicas = min(len(partition["replica_nodes"]) for partition in existing[topic.name])
            problems += replication_problems(topic.name, configs[topic.name], replicas, brokers)
    return problems


def _configs(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    # All configurations, not only changed ones: the broker's defaults count, too.
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found = admin.describe_configs(resources, config_filter=ConfigFilterType.ALL)["topic"]
    return {name: {config: str(entry["value"]) for config, entry in found[name].items()} for name in names}


def configuration_problems(topic: TopicContract, configs: Mapping[str, str]) -> list[TopicProblem]:
    """Return the problems of one topic's configuration."""
    return [
        TopicProblem(
            topic.name,
            f"topic {topic.name} has {each.config}={configs[each.config]}: {each.otherwise}. "
            + _alter(topic.name, each.config, each.created),
            each.is_error,
        )
        for each in topic.unfulfilled(configs)
    ]


def replication_problems(name: str, configs: Mapping[str, str], replicas: int, brokers: int) -> list[TopicProblem]:
    """Return the problems of one topic's replication."""
    least = int(configs.get("min.insync.replicas", 1))
    if least > replicas:
        found, is_error = f"min.insync.replicas={least} but {replicas} replicas: Kafka can refuse every record", True
    elif replicas == 1:
        found = f"1 replica although there are {brokers} brokers: its records are lost with that broker's disk"
        text = f"topic {name} has {found}. Give it 3 with kafka-reassign-partitions.sh"
        return [TopicProblem(name, text, is_error=False)] if brokers > 1 else []
    elif least == replicas:
        found, is_error = (
            f"min.insync.replicas={least} and {replicas} replicas: without one broker all writes wait",
            False,
        )
    elif replicas >= _SAFE_REPLICAS and least == 1:
        found, is_error = (
            f"min.insync.replicas=1: an acknowledged record may be lost with one of {replicas} replicas",
            False,
        )
    else:
        return []
    text = f"topic {name} has {found}. " + _alter(name, "min.insync.replicas", str(in_sync_replicas(replicas)))
    return [TopicProblem(name, text, is_error)]


def _alter(name: str, config: str, value: str) -> str:
    return f"Run `kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {config}={value}`"
