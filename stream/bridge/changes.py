"""From a change record of Debezium to what happened to a row.

Invariant: pure. Records that say nothing about a row (the null after a deletion, the halves of a changed key, messages)
are ignored with a reason. A change has an identity in the database's own log, so that a change that Debezium sends
again, at another offset, is the same change.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from stream.bridge.row import Row
from stream.bridge.source_records import Document, DocumentReader, Source
from stream.intake.refusal import Refusal, Refused

Operation = Literal["insert", "snapshot", "update", "delete"]
_OPERATIONS: Final[dict[str, Operation]] = {"c": "insert", "r": "snapshot", "u": "update", "d": "delete"}
#: The headers of the two halves of a changed primary key.
_NEW_KEY: Final = "__debezium.newkey"
_OLD_KEY: Final = "__debezium.oldkey"
#: The places of a change in the logs of the databases that Debezium reads.
_PLACES: Final = (
    "db", "schema", "table", "txId", "lsn", "file", "pos", "row", "gtid", "scn", "commit_scn", "ssn", "change_lsn",
    "commit_lsn", "event_serial_no",
)  # fmt: skip
#: Those of them that say where a change is; the others only which table or transaction.
_OFFSETS: Final = ("lsn", "pos", "scn", "change_lsn")
_MICROSECONDS: Final = (("ts_us", 1), ("ts_ms", 1000))
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Ignored(Exception):  # noqa: N818  # an outcome, not an error of the program
    """A record that gives no event by its nature.

    Attributes:
        reason: One or two words, a label of the metrics.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Change(NamedTuple):
    """What happened to a row.

    Attributes:
        before: The row before; None if it is not known. It may have the columns of the key alone.
        after: The row after; None for a deletion.
        at: When it was committed; of a row of a snapshot, when it was read.
        identity: What makes the change this one and no other, also if Debezium sends it again.
        old_key: The key before, if the row got another key.
    """

    operation: Operation
    before: Row | None
    after: Row | None
    at: dt.datetime | None
    identity: bytes
    old_key: Mapping[str, Any] | None = None


def read_change(source: Source, document: Document | None, reader: DocumentReader) -> Change:
    """Return the change in a record.

    Args:
        source: The record.
        document: Its value.
        reader: Reads keys.

    Raises:
        Refused: It is no change of a row that can be used.
        Ignored: It says nothing about a row.
        SchemaNeeded: The schema of the key must be fetched first.
    """
    if document is None:
        raise Ignored("no_value")  # follows each deletion, for topics that are compacted
    body = document.value
    if not isinstance(body, dict):
        raise Refused(Refusal.BAD_VALUE, "The value is no object: a change of Debezium is one.")
    headers = dict(source.headers)
    if "op" not in body:
        return _flattened(source, document, reader, _NEW_KEY in headers)
    op = body["op"]
    if op == "t":
        raise Refused(
            Refusal.TRUNCATED,
            "The table was emptied with TRUNCATE, which names no row: the reviews stay as they are. Delete rows with "
            "DELETE, or do without these events (skipped.operations=t, Debezium's default).",
        )
    if op == "m":
        raise Ignored("message")
    if not isinstance(op, str) or op not in _OPERATIONS:
        raise Refused(Refusal.UNKNOWN_TYPE, "The value's op is none of Debezium's: c, r, u, d, t, m.")
    operation = _OPERATIONS[op]
    if operation == "delete" and _NEW_KEY in headers:
        raise Ignored("changed_key")
    place = body.get("source")
    change = Change(
        operation,
        _row(body.get("before"), document),
        _row(body.get("after"), document),
        _committed_at(place),
        _identity(source, operation, place, reader),
    )
    if change.after is None and operation != "delete":
        raise Refused(Refusal.BAD_VALUE, "The value has no row: `after` is missing.")
    if operation == "insert" and (old_key := headers.get(_OLD_KEY)) is not None:
        return change._replace(operation="update", before=None, old_key=_old_key(source, old_key, reader))
    return change


def _row(columns: Any, document: Document) -> Row | None:
    if columns is None:
        return None
    if not isinstance(columns, dict):
        raise Refused(Refusal.BAD_VALUE, "The value's row is no object: is the topic one of Debezium's changes?")
    return Row(columns, document.types)


def _flattened(source: Source, document: Document, reader: DocumentReader, is_changed_key: bool) -> Change:
    """Return the change in a value that Debezium's ExtractNewRecordState has flattened: the row before is lost."""
    columns = document.value
    op = "d" if str(columns.get("__deleted")).lower() == "true" else columns.get("__op")
    if not isinstance(op, str) or op not in _OPERATIONS:
        raise Refused(
            Refusal.UNKNOWN_TYPE,
            "The value is no change of Debezium: it has no `op`. If the connector flattens changes "
            "(ExtractNewRecordState), leave that transform out, or add transforms.unwrap.add.fields=op,source.ts_us "
            "and delete.tombstone.handling.mode=rewrite.",
        )
    row, operation = Row(columns, document.types), _OPERATIONS[op]
    place = {name: columns.get(f"__source_{name}") for name in (*_PLACES, "ts_us", "ts_ms")}
    is_deletion = operation == "delete"
    if is_deletion and is_changed_key:
        raise Ignored("changed_key")
    return Change(
        operation,
        row if is_deletion else None,
        None if is_deletion else row,
        _committed_at(place),
        _identity(source, operation, place, reader),
    )


def _committed_at(place: Any) -> dt.datetime | None:
    if isinstance(place, dict):
        for name, factor in _MICROSECONDS:
            found = place.get(name)
            if type(found) is int and 0 < found * factor < 32_503_680_000_000_000:
                return _EPOCH + dt.timedelta(0, 0, found * factor)
    return None


def _identity(source: Source, operation: Operation, place: Any, reader: DocumentReader) -> bytes:
    """Return a change's identity: of a new row its key, else its place in the database's log, or its offset.

    A snapshot reads rows again that were inserted or read before: they are the same rows.
    """
    key = source.key or b""
    if key and operation in {"insert", "snapshot"}:
        return msgspec.json.encode([source.topic, "row", _plain(reader.key(source), key)])
    if isinstance(place, dict):
        for name in _OFFSETS:
            if place.get(name) is not None:
                found = [place.get(each) for each in _PLACES]
                return msgspec.json.encode([source.topic, operation, found, _plain(reader.key(source), key)])
    return msgspec.json.encode([source.topic, source.partition, source.offset])


def _plain(document: Any, key: bytes) -> Any:
    """Return a key as JSON can hold it: the same whichever converter wrote it, if it can be read."""
    try:
        return msgspec.json.encode(document).decode() if document is not None else key.hex()
    except (TypeError, ValueError):
        return key.hex()


def _old_key(source: Source, old_key: bytes, reader: DocumentReader) -> Mapping[str, Any]:
    """Return the columns of the key before."""
    found = reader.key(source._replace(key=old_key))
    return found if isinstance(found, dict) else {}
