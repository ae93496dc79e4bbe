"""From one row of a query to one event of the contract, or to the reason why it is none.

Invariant: pure. Every event has passed the worker's own intake, so `volteface replay` accepts it. Whatever the values
of a row are, the outcome is an event or a BadRow.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from stream.config import Settings
from stream.intake.intake import Intake
from stream.intake.refusal import Refusal, Refused
from stream.offline.history.columns import EVENTS, EventColumns, nearest
from stream.offline.history.row_values import VALUE_OF, BadRow, TimeCounts

#: A rank of event types is below this.
_RANKS: Final = 16
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def rank_of(key: int) -> int:
    """Return the rank of the type of an event with this key."""
    return key % _RANKS


def time_of(key: int) -> str:
    """Return the time of an event with this key, as RFC 3339."""
    return (_EPOCH + key // _RANKS * _MICROSECOND).isoformat().replace("+00:00", "Z")


class RowEvents:
    """Makes events of the rows of one query.

    Args:
        settings: Limits of intake.
        columns: The names of the columns.
        now: Epoch seconds; an event of the future is no event.

    Attributes:
        times: What is known of the times of the rows that are events.
    """

    def __init__(self, settings: Settings, columns: Sequence[str], now: float) -> None:
        self.times = TimeCounts()
        self._columns = columns
        self._now = now
        self._intake = Intake(settings, 1)
        self._plans = {name: _Plan(event, columns) for name, event in EVENTS.items()}
        self._type_place, self._time_place = columns.index("type"), columns.index("occurred_at")

    def event_line(self, row: Sequence[object]) -> tuple[int, bytes]:
        """Return the event of a row as a line, with a key that orders events by time, then by the rank of their types.

        Args:
            row: A value for each column, as DuckDB gives it to Python; None is absent.

        Raises:
            BadRow: The row is no event.
        """
        plan = self._plan(row[self._type_place])
        fields: dict[str, Any] = {"type": plan.event.name}
        for place, column, value_of in plan.parts:
            value = row[place]
            if value is not None:
                fields[column] = value_of(column, value)
        if len(fields) != len(row) - row.count(None) or not plan.required <= fields.keys():
            self._check_presence(plan.event, row, fields)
        line = plan.line(fields)
        try:
            self._intake.check_time(self._intake.read(plan.event.stream, line), self._now)
        except Refused as refused:
            raise _bad_row(refused, dict(zip(self._columns, row, strict=True))) from None
        microseconds = (fields["occurred_at"] - _EPOCH) // _MICROSECOND
        self.times.add(row[self._time_place], microseconds)
        return microseconds * _RANKS + plan.event.rank, line + b"\n"

    def _plan(self, kind: object) -> _Plan:
        plan = self._plans.get(kind) if isinstance(kind, str) else None
        if plan is not None:
            return plan
        if kind is None:
            raise BadRow(Refusal.MISSING_FIELD, "type", None, f"a row needs a type: {', '.join(EVENTS)}")
        meant = nearest(str(kind), tuple(EVENTS))
        hint = f"write {meant}" if meant else f"write one of {', '.join(EVENTS)}"
        raise BadRow(Refusal.UNKNOWN_TYPE, "type", kind, f"there is no such type: {hint}")

    def _check_presence(self, event: EventColumns, row: Sequence[object], fields: Mapping[str, Any]) -> None:
        """Check that what the type needs is there, and that nothing else is."""
        for column in event.required:
            if column not in fields:
                where = "null" if column in self._columns else "not in the query"
                raise BadRow(Refusal.MISSING_FIELD, column, None, f"{event.name} needs a value, and it is {where}")
        for column, value in zip(self._columns, row, strict=True):
            if value is not None and column not in fields:
                raise BadRow(
                    Refusal.BAD_VALUE, column, value, f"{event.name} has no such field: it must be null in such rows"
                )


class _Plan:
    """How rows of one query become events of one type.

    Attributes:
        parts: Place and name of each column that the type takes, and the function that checks its values.
    """

    def __init__(self, event: EventColumns, columns: Sequence[str]) -> None:
        self.event = event
        self.required = frozenset(event.required)
        self.parts = [
            (columns.index(name), name, VALUE_OF[takes]) for name, takes in event.columns.items() if name in columns
        ]
        self._start = msgspec.json.encode({"type": event.name})[:-1]

    def line(self, fields: dict[str, Any]) -> bytes:
        """Return the event as JSON. Without an event_id it gets a digest of its other fields, the same in every run."""
        if "subject_type" in fields:
            fields = fields | {"subject": {"type": fields["subject_type"], "id": fields["subject_id"]}}
            del fields["subject_type"], fields["subject_id"]
        line = msgspec.json.encode(fields)
        if "event_id" in fields:
            return line
        event_id = hashlib.blake2b(line, digest_size=16).hexdigest()
        return b'%b,"event_id":"%b"%b' % (self._start, event_id.encode(), line[len(self._start) :])


def _bad_row(refused: Refused, row: Mapping[str, object]) -> BadRow:
    """Return a refusal as what is wrong with a column. A refusal's text begins with the field."""
    first, _, rest = refused.detail.partition(" ")
    column = first.replace(".", "_")
    if column not in row:
        return BadRow(refused.reason, None, None, refused.detail)
    if rest[:1] in {"'", '"'}:  # the value, which this error has already
        rest = rest[rest.rindex(rest[0]) + 2 :]
    trim = f"; trim({column}) removes it at both ends" if "white space" in rest else ""
    return BadRow(refused.reason, column, row[column], f"it {rest.removesuffix('.')}{trim}")
