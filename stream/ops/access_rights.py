"""The rights (Kafka's ACLs) that the worker and each command need, and those that are missing.

Invariant: `needed` is the only list of rights. Kafka itself reports which operations its user may do, so a check
changes nothing. What Kafka does not report is not missing: operations on the cluster, and single ones on a
transactional id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Final, Literal

from kafka import KafkaAdminClient
from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType
from kafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
)

from stream.config import KafkaSettings, Settings
from stream.ops import topic_contract
from stream.ops.client import connection
from stream.rights import MissingRightsError, Operation, Right

Command = Literal[
    "worker", "feed", "alerts", "cases", "verdict", "console",
    "watchlist", "state digest", "state rebuild", "state adopt", "dlq list", "dlq replay",
    "topics check", "topics create", "unmask", "forget",
]  # fmt: skip

#: Names of the operations in Kafka's answers.
_REPORTED: Final[dict[str, str]] = {
    "Read": "READ",
    "Write": "WRITE",
    "Describe": "DESCRIBE",
    "DescribeConfigs": "DESCRIBE_CONFIGS",
    "Create": "CREATE",
}


def needed(settings: Settings, command: Command) -> list[Right]:
    """Return the rights that a command needs, the fewest possible: Read and Write include Describe."""
    return list(dict.fromkeys(_NEEDED[command](settings)))


def missing(kafka: KafkaSettings, rights: Sequence[Right]) -> list[Right]:
    """Return those of the rights that Kafka's user does not have."""
    if kafka.mock:
        return []
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        lacking = _of_topics(admin, [right for right in rights if right.resource == "topic"])
        for right in rights:
            if right.resource == "group":
                lacking += _of_group(admin, right)
            elif right.resource == "transactional-id":
                lacking += _of_transactional_id(admin, right)
        return lacking


def check(settings: Settings, kafka: KafkaSettings, command: Command) -> None:
    """Raise MissingRightsError if Kafka's user lacks rights that a command needs."""
    lacking = missing(kafka, needed(settings, command))
    if lacking:
        raise MissingRightsError(kafka, *lacking)


def _of_topics(admin: KafkaAdminClient, rights: Sequence[Right]) -> list[Right]:
    if not rights:
        return []
    found = {topic["name"]: topic for topic in admin.describe_topics(sorted({right.name for right in rights}))}
    hidden = {name for name, topic in found.items() if topic["error_code"] == TopicAuthorizationFailedError.errno}
    asked = sorted({right.name for right in rights if right.operation == "DescribeConfigs"} & hidden)
    configured = _with_configs(admin, asked)
    return [
        right
        for right in rights
        if (_is_lacking(right, found[right.name]) if right.name not in hidden else right not in configured)
    ]


def _with_configs(admin: KafkaAdminClient, topics: Iterable[str]) -> set[Right]:
    """Return the right DescribeConfigs on those of the topics that it is granted on.

    Without Describe, which Read and Write include, Kafka reports no operation of a topic, but it shows the topic's
    configuration all the same.
    """
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    if not resources:
        return set()
    found = admin.describe_configs(resources, config_filter=ConfigFilterType.ALL)["topic"]
    return {Right("DescribeConfigs", "topic", name) for name, configs in found.items() if configs}


def _is_lacking(right: Right, topic: dict[str, object]) -> bool:
    granted = topic.get("authorized_operations")
    return isinstance(granted, Iterable) and _REPORTED[right.operation] not in granted


def _of_group(admin: KafkaAdminClient, right: Right) -> list[Right]:
    try:
        group = admin.describe_groups([right.name])[right.name]
    except GroupAuthorizationFailedError:
        return [right]
    except KafkaError:  # the coordinator is not there yet
        return []
    if GroupAuthorizationFailedError.__name__ in str(group["error"]):
        return [right]
    granted = group.get("authorized_operations")
    return [right] if granted is not None and _REPORTED[right.operation] not in granted else []


def _of_transactional_id(admin: KafkaAdminClient, right: Right) -> list[Right]:
    """Kafka does not report the operations on a transactional id, but refuses to describe it if none is allowed."""
    try:
        admin.describe_transactions([f"{right.name}0"])
    except TransactionalIdAuthorizationFailedError:
        return [right]
    except KafkaError:  # there was no transaction yet, or an old Kafka cannot describe one
        pass
    return []


def _inputs(settings: Settings, operation: Operation) -> list[Right]:
    return [Right(operation, "topic", name) for name in settings.input_topics]


def _letters(settings: Settings, topics: Iterable[str]) -> list[Right]:
    return [Right("Read", "topic", settings.dead_letter_topic(name)) for name in topics]


def _all_topics(settings: Settings, *operations: Operation) -> list[Right]:
    return [
        Right(operation, "topic", topic.name) for topic in topic_contract.topics(settings) for operation in operations
    ]


def _worker(settings: Settings) -> list[Right]:
    written = (
        *(settings.evidence_topic, settings.state_topic, settings.alerts_topic, settings.cases_topic),
        *map(settings.dead_letter_topic, settings.read_topics),
    )
    return [
        *(Right("Read", "topic", name) for name in (*settings.read_topics, settings.state_topic)),
        *(Right("Write", "topic", name) for name in written),
        Right("Describe", "topic", settings.audit_topic),
        *_all_topics(settings, "DescribeConfigs"),
        Right("Read", "group", settings.app_id),
        Right("Write", "transactional-id", f"{settings.app_id}-"),
    ]


def _rebuild(settings: Settings) -> list[Right]:
    return [
        *(Right("Read", "topic", name) for name in (*settings.read_topics, settings.state_topic)),
        Right("Write", "topic", settings.state_topic),
        Right("Read", "group", settings.app_id),
    ]


_NEEDED: Final[dict[Command, Callable[[Settings], list[Right]]]] = {
    "worker": _worker,
    "feed": lambda settings: _inputs(settings, "Write"),
    "alerts": lambda settings: [Right("Read", "topic", settings.alerts_topic)],
    "cases": lambda settings: [Right("Read", "topic", settings.cases_topic)],
    "verdict": lambda settings: [
        Right("Read", "topic", settings.cases_topic),
        Right("Write", "topic", settings.verdicts_topic),
    ],
    "console": lambda settings: [
        *(
            Right("Read", "topic", name)
            for name in (settings.cases_topic, settings.alerts_topic, settings.verdicts_topic)
        ),
        Right("Write", "topic", settings.verdicts_topic),
        Right("Write", "topic", settings.audit_topic),
    ],
    "watchlist": lambda settings: [Right("Read", "topic", settings.state_topic)],
    "state digest": lambda settings: [Right("Read", "topic", settings.state_topic)],
    "state rebuild": _rebuild,
    "state adopt": lambda settings: [
        *(Right(operation, "topic", settings.state_topic) for operation in ("Read", "Write")),
        Right("Read", "group", settings.app_id),
        Right("Write", "transactional-id", f"{settings.app_id}-"),
    ],
    "dlq list": lambda settings: _letters(settings, settings.read_topics),
    "dlq replay": lambda settings: [
        *_letters(settings, settings.input_topics),
        *_inputs(settings, "Write"),
        *(Right("Write", "topic", settings.dead_letter_topic(name)) for name in settings.input_topics),
        Right("Write", "transactional-id", f"{settings.app_id}-"),
    ],
    "topics check": lambda settings: _all_topics(settings, "Describe", "DescribeConfigs"),
    "topics create": lambda settings: [*_all_topics(settings, "Describe"), Right("Create", "cluster", "")],
    "unmask": lambda settings: [
        *(Right("Read", "topic", name) for name in settings.marketplace_topics),
        Right("Write", "topic", settings.audit_topic),
    ],
    "forget": lambda settings: [
        Right("Read", "topic", settings.state_topic),
        Right("Write", "topic", settings.audit_topic),
        Right("Write", "topic", settings.evidence_topic),
    ],
}
