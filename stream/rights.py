"""A right in Kafka (an ACL), the client's errors about rights, and the one line that names a missing one.

Invariant: such a line names the right, Kafka's user, the resource, and the command that grants the right.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from aiokafka import errors

from stream.causes import causes
from stream.config import KafkaSettings

ResourceType = Literal["topic", "group", "transactional-id", "cluster"]
Operation = Literal["Read", "Write", "Describe", "DescribeConfigs", "Create"]

#: aiokafka's errors about rights.
REFUSALS: Final = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
    errors.ClusterAuthorizationFailedError,
)


class Right(NamedTuple):
    """One operation on one resource. The name of a transactional id is a prefix, that of the cluster is empty."""

    operation: Operation
    resource: ResourceType
    name: str


class MissingRightsError(OSError):
    """Kafka's user lacks rights; each line of the message names one, and what to do.

    Args:
        kafka: How to reach Kafka.
        rights: The rights that are missing; none if Kafka does not say which.
    """

    def __init__(self, kafka: KafkaSettings, *rights: Right) -> None:
        super().__init__("\n".join(described(kafka, right) for right in rights) or _unnamed(kafka))


def refusal_of(error: BaseException | None) -> BaseException | None:
    """Return Kafka's refusal of a right that an error is, or follows from; None if there is none."""
    return next((cause for cause in causes(error) if isinstance(cause, REFUSALS)), None)


def principal(kafka: KafkaSettings) -> str:
    """Return the user as Kafka's ACLs name it."""
    if kafka.uses_tokens:
        return f"the user of the token of {kafka.sasl_oauth_client_id}"
    if kafka.security_protocol.startswith("SASL_"):
        return f"User:{kafka.sasl_username}"
    if kafka.security_protocol == "SSL" and kafka.ssl_certfile:
        return f"the user of the certificate {kafka.ssl_certfile}"
    return "User:ANONYMOUS"


def _unnamed(kafka: KafkaSettings) -> str:
    return (
        f"{principal(kafka)} lacks a right on a topic that Kafka does not name: compare its rights "
        "(`kafka-acls.sh --list`) with the access rights in docs/operations.md"
    )


def described(kafka: KafkaSettings, right: Right) -> str:
    """Return the line about a missing right."""
    user = principal(kafka)
    grantee = user if user.startswith("User:") else "User:NAME"
    resource = f"--{right.resource} {right.name}".rstrip()
    if right.resource == "transactional-id":
        resource += " --resource-pattern-type prefixed"
    return (
        f"{user} lacks the right {right.operation} on {right.resource} {right.name}".rstrip()
        + f": run `kafka-acls.sh --add --allow-principal {grantee} --operation {right.operation} {resource}`, "
        "see the access rights in docs/operations.md"
    )
