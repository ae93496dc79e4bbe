"""The records that a task sends: alerts, dead letters, and messages to other tasks.

Invariant: this module decides how a record looks; the task decides when it is sent, and the checkpoint store how.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.contract.cases import Case, Position
from stream.core.messages.wire import APP_ID_HEADER, Message, encode_message
from stream.engine.output_encoder import OutputEncoder
from stream.engine.record_limits import RecordLimits
from stream.intake.dead_letters import DeadLetter, fitted, outgoing
from stream.intake.refusal import Refusal, Refused

#: What VOLTEFACE_APP_ID may be.
_APP_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,100}")


class Record(NamedTuple):
    """A record for a topic other than the state topic; without a partition, the key decides it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    partition: int | None = None


def app_id_header(settings: Settings) -> tuple[str, bytes]:
    """Return the header that marks messages of this application: other applications may share the evidence topic."""
    return APP_ID_HEADER, settings.app_id.encode()


def check_foreign(headers: Iterable[tuple[str, bytes | None]]) -> None:
    """Check that a record of the evidence topic, which is not of this application, is a message of another one.

    Raises:
        Refused: No application sent it.
    """
    app_ids = [value for name, value in headers if name == APP_ID_HEADER]
    if not app_ids:
        raise Refused(
            Refusal.MISSING_FIELD,
            f"The record has no header {APP_ID_HEADER}: only workers and `volteface forget` may write to this topic.",
        )
    if any(value is None or not _APP_ID.fullmatch(value) for value in app_ids):
        raise Refused(
            Refusal.BAD_VALUE,
            f"The header {APP_ID_HEADER} is no VOLTEFACE_APP_ID: only workers and `volteface forget` may write to this "
            "topic.",
        )


def alert_record(settings: Settings, encoder: OutputEncoder, alert: Alert) -> Record:
    """Return an alert's record, keyed by its subject."""
    return Record(settings.alerts_topic, alert.subject.id.encode(), encoder.alert(alert), [])


def case_record(
    settings: Settings, encoder: OutputEncoder, case_id: str, case: Case | None, position: Position
) -> Record:
    """Return a case's record, keyed by its id; without a value for a case that was forgotten."""
    value = None if case is None else encoder.case(msgspec.structs.replace(case, position=position))
    return Record(settings.cases_topic, case_id.encode(), value, [])


def dead_letter_of(topic: str, partition: int, record: Any, refused: Refused) -> DeadLetter:
    """Return the dead letter of a fetched record that could not be used."""
    return DeadLetter(
        topic=topic, partition=partition, offset=record.offset, key=record.key, value=record.value,
        headers=tuple(record.headers), reason=refused.reason, detail=refused.detail,
    )  # fmt: skip


def dead_letter_record(settings: Settings, letter: DeadLetter, limits: RecordLimits) -> Record:
    """Return a dead letter's record, without the parts that do not fit into its topic."""
    topic = settings.dead_letter_topic(letter.topic)
    key, value, headers = outgoing(fitted(letter, limits.max_bytes(topic)), limits.needs_keys(topic))
    return Record(topic, key, value, list(headers))


def message_records(settings: Settings, message: Message, partitions: int) -> list[Record]:
    """Return a message's records: one for its recipient, or one for every task."""
    value = encode_message(message)
    tasks = range(partitions) if message.recipient is None else (message.recipient,)
    return [Record(settings.evidence_topic, None, value, [app_id_header(settings)], task) for task in tasks]
