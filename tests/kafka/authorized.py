"""A real Kafka with an authorizer: users with passwords, who may do nothing that was not granted to them.

Invariant: connections without a password are the administrator's (the broker's own, and those that grant rights).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

from stream.config import KafkaSettings
from stream.ops.broker import Broker, free_port
from stream.ops.client import connection
from stream.rights import Right

PASSWORD: Final = "secret"
_USERS: Final = 30

_PROPERTIES: Final = """\
listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:@PORT@,CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:@PORT@
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=\\
  org.apache.kafka.common.security.plain.PlainLoginModule required @USERS@;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=false
"""

_OPERATIONS: Final = {
    "Read": ACLOperation.READ,
    "Write": ACLOperation.WRITE,
    "Describe": ACLOperation.DESCRIBE,
    "DescribeConfigs": ACLOperation.DESCRIBE_CONFIGS,
    "Create": ACLOperation.CREATE,
}
_RESOURCES: Final = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.CLUSTER,
}


def properties(port: int, users: Iterable[str]) -> str:
    """Return the broker's properties for an authorizer, and a port on which these users log in with PASSWORD."""
    logins = " ".join(f'user_{user}="{PASSWORD}"' for user in users)
    return _PROPERTIES.replace("@PORT@", str(port)).replace("@USERS@", logins)


def settings_of(port: int, user: str) -> KafkaSettings:
    """Return the settings of a user of that port."""
    return KafkaSettings.model_validate(
        {
            "bootstrap_servers": f"127.0.0.1:{port}",
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_username": user,
            "sasl_password": PASSWORD,
        }
    )


class Authorized(NamedTuple):
    """The administrator's settings, and the port for everybody else."""

    admin: KafkaSettings
    port: int

    def settings(self, user: str) -> KafkaSettings:
        """Return the settings of a user: one of u0, u1, ..."""
        return settings_of(self.port, user)

    def grant(self, user: str, rights: Iterable[Right]) -> None:
        """Grant rights to a user."""
        with KafkaAdminClient(**connection(self.admin)) as admin:
            done = admin.create_acls([_acl(user, right) for right in rights])
            assert not done["failed"], done

    def revoke(self, user: str, right: Right) -> None:
        """Take a right from a user."""
        with KafkaAdminClient(**connection(self.admin)) as admin:
            admin.delete_acls([_acl(user, right)])


def _acl(user: str, right: Right) -> ACL:
    if right.resource == "cluster":
        pattern = ResourcePattern(ResourceType.CLUSTER, "kafka-cluster")
    elif right.resource == "transactional-id":
        pattern = ResourcePattern(ResourceType.TRANSACTIONAL_ID, right.name, ACLResourcePatternType.PREFIXED)
    else:
        pattern = ResourcePattern(_RESOURCES[right.resource], right.name)
    return ACL(f"User:{user}", "*", _OPERATIONS[right.operation], ACLPermissionType.ALLOW, pattern)


@contextmanager
def authorized_broker() -> Iterator[Authorized]:
    """Start a Kafka with an authorizer."""
    port = free_port()
    with Broker(more=properties(port, (f"u{number}" for number in range(_USERS)))) as broker:
        yield Authorized(KafkaSettings(bootstrap_servers=broker.bootstrap_servers), port)
