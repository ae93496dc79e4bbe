"""The mapping at work: from a record of a topic to events of the contract, as they are written to the input topics.

Invariant: pure, but for a platform's own function. Every event has passed the checks of the worker's intake. The id of
an event is a digest of what the record is, so that the same record gives the same ids however often it is read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stream.bridge import functions
from stream.bridge.changes import Change, Ignored, read_change
from stream.bridge.mapping_file import LINKS, REVIEWS, Table
from stream.bridge.row import Row
from stream.bridge.source_records import Document, DocumentReader, Source
from stream.bridge.tables import AppendedRows, Fields, LinkRows, ReviewRows, RowMapping
from stream.intake.event_forms import FORMS, EventForm, typed
from stream.intake.field_texts import wrong_instant
from stream.intake.identifiers import check_ids
from stream.intake.json_format import is_instant
from stream.intake.refusal import Refusal, Refused
from stream.intake.schema_cache import SchemaCache

#: The streams whose events the bridge writes, by the type of the event. Those of cases belong to the console.
_FORMS: Final[dict[str, tuple[int, EventForm]]] = {
    name: (stream, form) for stream, forms in enumerate(FORMS[:3]) for name, form in forms.items()
}
_json: Final = msgspec.json.Encoder().encode


class Made(NamedTuple):
    """An event that a record gives.

    Attributes:
        stream: The number of its input stream.
        key, value: Of its record.
        at: Its time, in epoch seconds.
        kind: Its type.
    """

    stream: int
    key: str
    value: bytes
    at: float
    kind: str


class Mapping:
    """Maps the records of all topics.

    Args:
        tables: Of the mapping.
        schemas: The schemas of a registry that were fetched; None without a registry.
        folder: Where the mapping lies, and modules with functions.
        max_event_bytes: The largest event that the worker accepts.
        future_seconds: How far an event's time may be behind the time at which its record was sent.

    Attributes:
        topics: The topics that are read, in the mapping's order.
        unknown_deleters: By topic, the deletions by somebody whom no column names.

    Raises:
        SettingsError: A function cannot be used.
    """

    def __init__(
        self,
        tables: Iterable[Table],
        schemas: SchemaCache | None,
        folder: Path,
        max_event_bytes: int,
        future_seconds: float,
    ) -> None:
        self.unknown_deleters: Counter[str] = Counter()
        self._reader = DocumentReader(schemas)
        self._max_event_bytes = max_event_bytes
        self._future_seconds = future_seconds
        #: By topic.
        self._read: dict[str, Callable[[Source], tuple[list[Fields], bytes]]] = {}
        for table in tables:
            self._read[table.topic] = self._of_table(table, folder)
        self.topics = tuple(self._read)

    def events(self, source: Source) -> list[Made]:
        """Return the events of a record.

        Raises:
            Refused: The record cannot be used.
            Ignored: It gives no event by its nature.
            SchemaNeeded: The record's schema must be fetched first.
        """
        found, identity = self._read[source.topic](source)
        made = [self._made(fields, identity, index) for index, fields in enumerate(found)]
        sent_at = source.timestamp / 1000
        if sent_at > 0 and any(each.at > sent_at + self._future_seconds for each in made):
            raise Refused(Refusal.FUTURE, "The event's time is after the time at which its record was sent to Kafka.")
        return made

    def _of_table(self, table: Table, folder: Path) -> Callable[[Source], tuple[list[Fields], bytes]]:
        if table.function is not None:
            return self._of_function(functions.load_function(table.function, folder))
        rows: RowMapping
        if table.events == REVIEWS:
            rows = ReviewRows(table, lambda: self._count_deleter(table.topic))
        elif table.events == LINKS:
            rows = LinkRows(table)
        else:
            rows = AppendedRows(table)
        read = self._change if table.record == "change" else self._inserted

        def events(source: Source) -> tuple[list[Fields], bytes]:
            change = read(source, self._reader.value(source))
            return rows.events(change), change.identity

        return events

    def _of_function(self, function: functions.Function) -> Callable[[Source], tuple[list[Fields], bytes]]:
        def events(source: Source) -> tuple[list[Fields], bytes]:
            document = self._reader.value(source)
            found = functions.apply(function, source, None if document is None else document.value)
            return [_plain(fields) for fields in found], _place(source)

        return events

    def _count_deleter(self, topic: str) -> None:
        self.unknown_deleters[topic] += 1

    def _change(self, source: Source, document: Document | None) -> Change:
        return read_change(source, document, self._reader)

    def _inserted(self, source: Source, document: Document | None) -> Change:
        """Return a value that is a row itself as an insertion."""
        if document is None:
            raise Ignored("no_value")
        if not isinstance(document.value, dict):
            raise Refused(Refusal.BAD_VALUE, "The value is no object: a row is one.")
        sent_at = dt.datetime.fromtimestamp(max(0, source.timestamp) / 1000, dt.UTC)
        return Change("insert", None, Row(document.value, document.types), sent_at, _place(source))

    def _made(self, fields: Fields, identity: bytes, index: int) -> Made:
        name = fields.get("type")
        if not isinstance(name, str) or name not in _FORMS:
            raise Refused(Refusal.UNKNOWN_TYPE, f"An event's type is not one of {', '.join(_FORMS)}.")
        stream, form = _FORMS[name]
        unknown = fields.keys() - form.known
        if unknown:
            raise Refused(Refusal.BAD_VALUE, f"{name} has no field {min(map(str, unknown))[:64]!r}.")
        if fields.get("event_id") is None:
            fields["event_id"] = hashlib.blake2b(b"%d %b" % (index, identity), digest_size=16).hexdigest()
        event = typed(form, fields)
        check_ids(form.ids, form.ids_of(event))
        value = _json(fields)
        if len(value) > self._max_event_bytes:
            raise Refused(Refusal.TOO_LARGE, f"The event has {len(value)} bytes: at most {self._max_event_bytes}.")
        return Made(stream, event.key, value, event.occurred_at.timestamp(), name)


def _plain(fields: Fields) -> Fields:
    """Return a function's fields without those that are absent, and with types that JSON has.

    Raises:
        Refused: A value is of another type, or a time that workers would refuse.
    """
    try:
        found: Fields = msgspec.to_builtins({name: each for name, each in fields.items() if each is not None})
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused(Refusal.MAPPING_FAILED, f"The function gives a value that JSON does not have: {error}.") from None
    at = found.get("occurred_at")
    if isinstance(at, str) and not is_instant(at):
        raise Refused(Refusal.BAD_VALUE, wrong_instant("occurred_at", at))
    return found


def _place(source: Source) -> bytes:
    return _json([source.topic, source.partition, source.offset])
