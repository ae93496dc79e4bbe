"""What a task sends, as records: alerts, dead letters, and what tasks tell each other.

Rule of this room: how a record looks is decided here, when it goes out by the task, and how by the ledger.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from stream.alerts import Alert
from stream.config import Settings
from stream.core import reports
from stream.intake.dead_letters import DeadLetter, outgoing
from stream.intake.partition import partition_of
from stream.intake.refusal import Refused

_alert_json = msgspec.json.Encoder().encode


class Record(NamedTuple):
    """A record for a topic other than the state's."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    #: None: as the key says.
    partition: int | None = None


class Checkpoint(NamedTuple):
    """All that moves together: state rows, alerts, dead letters and reports, the offsets of the streams."""

    rows: list[tuple[bytes, bytes | None]]
    records: list[Record]
    offsets: list[int]


def signature(settings: Settings) -> tuple[str, bytes]:
    """The header by which an application knows its own reports."""
    return reports.SIGNATURE, settings.app_id.encode()


def of_alert(settings: Settings, alert: Alert) -> Record:
    """An alert, by whom it is about."""
    return Record(settings.alerts_topic, alert.subject.id.encode(), _alert_json(alert), [])


def of_refused(settings: Settings, topic: str, partition: int, record: Any, refused: Refused) -> Record:
    """A dead letter: the record as it came, and why it could not be used."""
    letter = DeadLetter(
        topic=topic, partition=partition, offset=record.offset, key=record.key, value=record.value,
        headers=tuple(record.headers), reason=refused.reason, detail=refused.detail,
    )  # fmt: skip
    key, value, headers = outgoing(letter)
    # What came with neither Kafka takes, aiokafka only where its place is known.
    place = 0 if key is None and value is None else None
    return Record(settings.dead_letter_topic(topic), key, value, list(headers), place)


def of_report(settings: Settings, report: reports.Report, partitions: int) -> list[Record]:
    """A report: for the partition of whom it is about, or for all."""
    value, key = reports.encode(report), None if report.about is None else report.about.encode()
    readers = range(partitions) if key is None else (partition_of(key, partitions),)
    return [Record(settings.evidence_topic, key, value, [signature(settings)], reader) for reader in readers]
