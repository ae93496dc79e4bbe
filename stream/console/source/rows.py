"""The rows of the read model: its tables, and how cases and events become rows.

Invariant: no state of its own. A change of the tables changes SCHEMA_VERSION.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from typing import Any, Final, NamedTuple, get_args

import msgspec

from stream.contract.alerts import Alert, Ring, Severity
from stream.contract.cases import Case
from stream.contract.events import CaseEvent, Verdicts
from stream.core.cases.alerts import in_force

#: Changes with the tables: a file with another version is thrown away.
SCHEMA_VERSION: Final = 7
_SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)
SCHEMA: Final = """
CREATE TABLE origin (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE positions (
    topic TEXT, partition INTEGER, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE cases (
    case_id TEXT PRIMARY KEY, subject_type TEXT NOT NULL, subject_id TEXT NOT NULL, state TEXT NOT NULL,
    severity INTEGER NOT NULL, kind TEXT NOT NULL, assignee TEXT,
    due_at REAL, updated_at REAL NOT NULL, written_at REAL NOT NULL, priority REAL NOT NULL, verdict TEXT,
    is_waiting INTEGER NOT NULL, waits_for_second INTEGER NOT NULL
);
-- What lists are narrowed by stands behind the order, so that a list is found in its index alone.
CREATE INDEX cases_by_priority ON cases (
    is_waiting, priority DESC, due_at, case_id, kind, severity, assignee, subject_type, state
);
CREATE INDEX cases_by_due ON cases (
    is_waiting, due_at IS NULL, due_at, priority DESC, case_id, kind, severity, assignee, subject_type, state
);
CREATE INDEX all_by_priority ON cases (priority DESC, due_at, case_id, kind, severity, assignee, subject_type, state);
CREATE INDEX states_by_update ON cases (state, updated_at DESC, case_id, kind, severity, assignee, subject_type);
CREATE INDEX cases_by_update ON cases (updated_at DESC, case_id);
CREATE INDEX cases_for_second ON cases (waits_for_second, priority DESC) WHERE waits_for_second = 1;
CREATE INDEX cases_of_subjects ON cases (subject_id);
CREATE INDEX cases_by_verdict ON cases (verdict);
CREATE TABLE documents (case_id TEXT PRIMARY KEY, document BLOB NOT NULL);
CREATE TABLE ids (id TEXT, case_id TEXT, PRIMARY KEY (id, case_id)) WITHOUT ROWID;
CREATE INDEX ids_of_cases ON ids (case_id);
-- The sellers and staff that a ring's case names: members, at present or of the latest alert, and connectors.
CREATE TABLE ring_subjects (
    subject_type TEXT, subject_id TEXT, case_id TEXT, PRIMARY KEY (subject_type, subject_id, case_id)
) WITHOUT ROWID;
CREATE INDEX ring_subjects_of_cases ON ring_subjects (case_id);
CREATE TABLE events (
    event_id TEXT PRIMARY KEY, case_id TEXT NOT NULL, partition INTEGER NOT NULL, record_offset INTEGER NOT NULL,
    recorded_at REAL NOT NULL, document BLOB NOT NULL
);
CREATE INDEX events_of_cases ON events (case_id, recorded_at);
-- The first alert of each finding.
CREATE TABLE findings (finding_id TEXT PRIMARY KEY, raised_at REAL NOT NULL);
CREATE INDEX findings_by_time ON findings (raised_at);
"""
TABLES: Final = ("origin", "positions", "cases", "documents", "ids", "ring_subjects", "events", "findings")
_event = msgspec.json.Decoder(Verdicts)


class RecordedEvent(NamedTuple):
    """An event of a case, as it is in the log.

    Attributes:
        partition, offset: Where it is in the verdicts topic.
        recorded_at: The time of its record.
    """

    event: CaseEvent
    partition: int
    offset: int
    recorded_at: dt.datetime


class Changes(NamedTuple):
    """What a batch of records changes.

    Attributes:
        cases: The latest value of each case by id, with the time of its record; None: the case is forgotten.
        events: Events of analysts.
        alerts: Alerts.
        positions: By topic and partition, the offset after the last record that was read.
    """

    cases: dict[str, tuple[Case, float] | None]
    events: list[RecordedEvent]
    alerts: list[Alert]
    positions: dict[tuple[str, int], int]


def write_rows(connection: sqlite3.Connection, changes: Changes) -> None:
    """Write what a batch changes, within a transaction of the caller."""
    names = [(name,) for name in changes.cases]
    forgotten = [(name,) for name, found in changes.cases.items() if found is None]
    for table in ("ids", "ring_subjects"):
        connection.executemany(f"DELETE FROM {table} WHERE case_id = ?", names)
    for table in ("cases", "documents", "events"):
        connection.executemany(f"DELETE FROM {table} WHERE case_id = ?", forgotten)
    kept = [found for found in changes.cases.values() if found is not None]
    connection.executemany(
        f"INSERT OR REPLACE INTO cases VALUES ({', '.join('?' * 14)})",
        (case_row(case, written_at) for case, written_at in kept),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO documents VALUES (?, ?)",
        ((case.case_id, msgspec.json.encode(case)) for case, _ in kept),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO ids VALUES (?, ?)",
        ((name, case.case_id) for case, _ in kept for name in ids_of(case)),
    )
    connection.executemany(
        "INSERT INTO ring_subjects VALUES (?, ?, ?)",
        ((*subject, case.case_id) for case, _ in kept for subject in ring_subjects(case)),
    )
    connection.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)", map(event_row, changes.events))
    connection.executemany(
        "INSERT OR IGNORE INTO findings VALUES (?, ?)",
        ((alert.finding_id or alert.alert_id, alert.raised_at.timestamp()) for alert in changes.alerts),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
        ((topic, partition, offset) for (topic, partition), offset in changes.positions.items()),
    )


def case_row(case: Case, written_at: float) -> tuple[Any, ...]:
    """Return the row of a case; `written_at` is the time of its record, in epoch seconds."""
    verdict = in_force(case)
    return (
        case.case_id,
        case.subject.type,
        case.subject.id,
        case.state,
        _SEVERITIES.index(case.severity),
        case.kind,
        case.assignee,
        None if case.due_at is None else case.due_at.timestamp(),
        case.updated_at.timestamp(),
        written_at,
        case.priority,
        None if verdict is None else verdict.verdict,
        case.state in {"open", "appealed"},
        case.waits_for_second,
    )


def ids_of(case: Case) -> set[str]:
    """Return the ids that lead to a case in a search."""
    found = {case.subject.id, *(alert.alert_id for alert in case.alerts), *(link.id for link in case.linked)}
    for review in case.evidence.reviews:
        found |= {review.review_id, review.product_id, *review.looked_up_by}
    found |= {one.reviewer_id for one in case.extorted}
    for ring in _rings(case):
        found |= {*(member.seller_id for member in ring.members), *(one.id for one in ring.connectors)}
    return found


def ring_subjects(case: Case) -> set[tuple[str, str]]:
    """Return the subjects that a ring's case names, as type and id; none for other cases."""
    members = {("seller", member.seller_id) for ring in _rings(case) for member in ring.members}
    staff = {("staff", one.id) for ring in _rings(case) for one in ring.connectors if one.type == "staff"}
    return members | staff


def _rings(case: Case) -> list[Ring]:
    """Return the ring at present, and that of the latest alert."""
    return [ring for ring in (case.ring, case.evidence.ring) if ring is not None]


def event_row(found: RecordedEvent) -> tuple[Any, ...]:
    """Return the row of an event."""
    event = found.event
    at = found.recorded_at.timestamp()
    return (event.event_id, event.case_id, found.partition, found.offset, at, msgspec.json.encode(event))


def recorded(row: sqlite3.Row) -> RecordedEvent:
    """Return the event of a row."""
    at = dt.datetime.fromtimestamp(row["recorded_at"], dt.UTC)
    return RecordedEvent(_event.decode(row["document"]), row["partition"], row["record_offset"], at)
