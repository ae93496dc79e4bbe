"""The audit trail: who unmasked or erased ids, or read a staff member's case, when, on which machine, and why.

Invariant: Kafka acknowledges the audit record before the action starts. Without the acknowledgement there is no action.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from contextlib import closing
from typing import Any, Final, Literal

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError

from stream.config import KafkaSettings, Settings
from stream.ops.client import connection

_SECONDS: Final = 10


class AuditError(OSError):
    """The audit record could not be written; the message is one line for a person."""


Action = Literal["unmask", "forget", "read_case"]


class Audit(msgspec.Struct, kw_only=True):
    """One record of the audit topic."""

    action: Action
    at: dt.datetime
    who: str
    host: str
    pseudonyms: list[str]
    reason: str | None


def record(
    settings: Settings,
    kafka: KafkaSettings,
    action: Action,
    pseudonyms: list[str],
    reason: str | None,
    who: str | None = None,
) -> None:
    """Write the record of an action that somebody is about to take: by default the operating system's user.

    Raises:
        AuditError: Kafka did not acknowledge the record.
    """
    entry = Audit(
        action=action,
        at=dt.datetime.now(dt.UTC),
        who=user() if who is None else who,
        host=socket.gethostname(),
        pseudonyms=pseudonyms,
        reason=reason,
    )
    try:
        with closing(
            KafkaProducer(
                **connection(kafka), acks="all", max_block_ms=1000 * _SECONDS, bootstrap_timeout_ms=1000 * _SECONDS
            )
        ) as producer:
            sent: Any = producer.send(settings.audit_topic, value=msgspec.json.encode(entry))
            sent.get(_SECONDS)
    except KafkaError as error:
        raise AuditError(
            f"nothing was done, because topic {settings.audit_topic} did not accept the audit record ({error}): "
            "see `volteface topics check`"
        ) from None


def user() -> str:
    """Return the present user's name from the operating system: anybody can set the environment's `USER`."""
    if os.name != "posix":
        return os.getlogin()
    import pwd  # noqa: PLC0415  # not on every system

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user often has no name
        return str(os.getuid())
