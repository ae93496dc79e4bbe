"""The audit trail: who had people's ids shown or erased, when, on which machine, and why.

Rule of this room: a record is acknowledged by Kafka before anything is done that it tells of; without that nothing is.
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
    """What was to be done could not be written down; the message is one line for a person."""


class Audit(msgspec.Struct, kw_only=True):
    """One record of the audit topic."""

    action: Literal["unmask", "forget"]
    at: dt.datetime
    who: str
    host: str
    pseudonyms: list[str]
    reason: str | None


def record(
    settings: Settings,
    kafka: KafkaSettings,
    action: Literal["unmask", "forget"],
    pseudonyms: list[str],
    reason: str | None,
) -> None:
    """Write down what the present user is about to do; raises AuditError where that was not acknowledged by all."""
    told = Audit(
        action=action,
        at=dt.datetime.now(dt.UTC),
        who=_user(),
        host=socket.gethostname(),
        pseudonyms=pseudonyms,
        reason=reason,
    )
    try:
        with closing(KafkaProducer(**connection(kafka), acks="all", max_block_ms=1000 * _SECONDS)) as producer:
            sent: Any = producer.send(settings.audit_topic, value=msgspec.json.encode(told))
            sent.get(_SECONDS)
    except KafkaError as error:
        raise AuditError(
            f"nothing is done, for topic {settings.audit_topic} did not take the record of it ({error}): "
            "see `volteface topics check`"
        ) from None


def _user() -> str:
    """The operating system's own word: the environment's `USER` is whatever somebody writes there."""
    if os.name != "posix":
        return os.getlogin()
    import pwd  # noqa: PLC0415  # not on every system

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user often has no name
        return str(os.getuid())
