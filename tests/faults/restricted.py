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

_USER: Final = "volteface"
_PASSWORD: Final = "for-tests-only"
_LISTENERS: Final = """\
listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:@PORT@,CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:@PORT@
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_@USER@="@PASSWORD@";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
# The state topics are compacted while they are read.
log.cleaner.backoff.ms=500
"""
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
        more = _LISTENERS
        for name, value in {"PORT": str(port), "USER": _USER, "PASSWORD": _PASSWORD}.items():
            more = more.replace(f"@{name}@", value)
        self.broker = Broker(more=more, version=version)
        self.administrator = KafkaSettings(bootstrap_servers=self.broker.bootstrap_servers)
        secured = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}
        login = {"sasl_username": _USER, "sasl_password": _PASSWORD}
        self.user = KafkaSettings.model_validate({"bootstrap_servers": f"127.0.0.1:{port}", **secured, **login})

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
