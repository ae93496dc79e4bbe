"""A broker with an authorizer: workers connect as a user whose rights can be taken and given back.

Invariant: the plaintext listener belongs to an administrator with all rights; workers and commands use the other one.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)

from stream.config import KafkaSettings, Settings
from stream.ops.broker import Broker, free_port
from stream.ops.client import connection
from tests.kafka.authorized import properties, settings_of

_USER: Final = "volteface"
#: The state topics are compacted while they are read.
_CLEANER: Final = "log.cleaner.backoff.ms=500\n"
_ALL: Final = (
    (ResourceType.TOPIC, "*"),
    (ResourceType.GROUP, "*"),
    (ResourceType.TRANSACTIONAL_ID, "*"),
    (ResourceType.CLUSTER, "kafka-cluster"),
)


class RestrictedBroker:
    """A Kafka with an authorizer.

    Args:
        broker: Makes the broker, with these further lines for its properties.

    Attributes:
        broker: The broker.
        administrator: The settings of a client with all rights.
        user: The settings of the workers.
    """

    def __init__(self, version: str) -> None:
        port = free_port()
        self.broker = Broker(more=properties(port, [_USER]) + _CLEANER, version=version)
        self.administrator = KafkaSettings(bootstrap_servers=self.broker.bootstrap_servers)
        self.user = settings_of(port, _USER)

    def give_all_rights(self) -> None:
        """Allow the user everything."""
        self._create([self._rule(*resource, ACLOperation.ALL, ACLPermissionType.ALLOW) for resource in _ALL])

    def take(self, kind: ResourceType, name: str, operation: ACLOperation) -> None:
        """Deny the user one right."""
        self._create([self._rule(kind, name, operation, ACLPermissionType.DENY)])

    def give_back(self, kind: ResourceType, name: str, operation: ACLOperation) -> None:
        """Remove the denial of one right."""
        pattern = ResourcePatternFilter(kind, name, ACLResourcePatternType.LITERAL)
        rule = ACLFilter(f"User:{_USER}", "*", operation, ACLPermissionType.DENY, pattern)
        with closing(KafkaAdminClient(**connection(self.administrator))) as admin:
            ((_, removed, _),) = admin.delete_acls([rule])
        assert removed, f"no denial of {operation.name} on {name} was found"

    def _create(self, rules: list[ACL]) -> None:
        with closing(KafkaAdminClient(**connection(self.administrator))) as admin:
            failed = admin.create_acls(rules)["failed"]
        assert not failed, failed

    @staticmethod
    def _rule(kind: ResourceType, name: str, operation: ACLOperation, permission: ACLPermissionType) -> ACL:
        return ACL(f"User:{_USER}", "*", operation, permission, ResourcePattern(kind, name))


def rights(settings: Settings) -> list[tuple[ResourceType, str, ACLOperation]]:
    """Return rights that a worker needs all the time: each missing one stops or delays it."""
    topics = [(ResourceType.TOPIC, topic, ACLOperation.READ) for topic in settings.read_topics]
    written = (settings.state_topic, settings.alerts_topic, settings.evidence_topic)
    return [
        *topics,
        *((ResourceType.TOPIC, topic, ACLOperation.WRITE) for topic in written),
        (ResourceType.TOPIC, settings.state_topic, ACLOperation.READ),
        (ResourceType.TOPIC, settings.lifecycle_topic, ACLOperation.DESCRIBE),
        (ResourceType.GROUP, settings.app_id, ACLOperation.READ),
        (ResourceType.TRANSACTIONAL_ID, f"{settings.app_id}-0", ACLOperation.WRITE),
    ]
