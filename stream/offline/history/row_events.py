"""From one row of a query to one event of the contract, or to the reason why it is none.

Invariant: pure. Every event has passed the worker's own intake, so `volteface replay` accepts it. Whatever the values
of a row are, the outcome is an event or a BadRow.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NoReturn, get_type_hints
from uuid import UUID

import msgspec

from stream.config import Settings
from stream.contract.events import CaseSubject
from stream.intake.intake import Intake
from stream.intake.refusal import Refusal, Refused
from stream.offline.history.columns import EVENTS, EventColumns, Takes, nearest

#: A rank of event types is below this.
_RANKS: Final = 16
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY_MICROSECONDS: Final = 86_400_000_000
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_YEARS: Final = range(1970, 3000)  # those of `json_format.INSTANT`
#: Numbers above it lose digits in JSON.
_MAX_NUMBER: Final = 2**53
_MAX_SHOWN_CHARS: Final = 40
_SUBJECT_TYPES: Final[tuple[str, ...]] = get_type_hints(CaseSubject)["type"].__args__
#: RFC 3339, and as databases write times: a space for the T, an offset of hours, no offset, no seconds, no time.
_time_text = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)(?:(?<=\.[0-9]{6})[0-9]{1,3})?"
    r" ?([Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
).fullmatch


class BadRow(Exception):  # noqa: N818  # an outcome, not an error of the program
    """A row that is no event; the only exception that a row can cause.

    Attributes:
        column: The column that is wrong; None if it is the whole row.
        value: Its value as text, cut; empty if there is none, or if it may be personal data.
        text: What is wrong, and what to write instead.
    """

    def __init__(self, reason: Refusal, column: str | None, value: object, text: str) -> None:
        self.reason = reason
        self.column = column
        self.value = "" if value is None or reason is Refusal.PERSONAL_DATA else _shown(value)
        self.text = text
        super().__init__(reason, column, text)

    def __str__(self) -> str:
        value = f" = {self.value}" if self.value else ""
        return f"{self.column}{value}: {self.text}" if self.column else self.text


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


class TimeCounts:
    """Counts what is doubtful about times.

    Attributes:
        without_zone: Rows whose time has no zone; it was taken as UTC.
        dates: Rows whose time is a date; it was taken as its midnight in UTC.
        midnights: Rows whose time is midnight in UTC, dates included: times that were dates once are midnight, too.
    """

    def __init__(self) -> None:
        self.without_zone = self.dates = self.midnights = 0

    def add(self, value: object, microseconds: int) -> None:
        """Count a value of `occurred_at` that is this time, in microseconds since 1970."""
        self.midnights += microseconds % _DAY_MICROSECONDS == 0
        if isinstance(value, dt.datetime):
            self.without_zone += value.tzinfo is None
        elif isinstance(value, dt.date):
            self.dates += 1
        elif (found := _time_text(str(value))) is not None:
            self.dates += found[2] is None
            self.without_zone += found[2] is not None and found[3] is None


class _Plan:
    """How rows of one query become events of one type.

    Attributes:
        parts: Place and name of each column that the type takes, and the function that checks its values.
    """

    def __init__(self, event: EventColumns, columns: Sequence[str]) -> None:
        self.event = event
        self.required = frozenset(event.required)
        self.parts = [
            (columns.index(name), name, _VALUES[takes]) for name, takes in event.columns.items() if name in columns
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


def _text(column: str, value: object) -> str:
    if isinstance(value, str):
        return value or _refuse_empty(column)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        return str(value)
    kind = "BIGINT" if isinstance(value, float | Decimal) else "VARCHAR"
    raise BadRow(Refusal.BAD_VALUE, column, value, f"it is no text and no whole number: write CAST({column} AS {kind})")


def _refuse_empty(column: str) -> NoReturn:
    raise BadRow(
        Refusal.BAD_VALUE, column, None, f"it is an empty text; if that means absent, write nullif({column}, '')"
    )


def _word(column: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadRow(Refusal.BAD_VALUE, column, value, "it is no text: write a word of the contract")
    if column == "subject_type" and value not in _SUBJECT_TYPES:
        raise BadRow(Refusal.BAD_VALUE, column, value, f"write one of {', '.join(_SUBJECT_TYPES)}")
    return value or _refuse_empty(column)


def _truth(column: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadRow(Refusal.BAD_VALUE, column, value, f"write true or false, or CAST({column} AS BOOLEAN)")
    return value


def _number(column: str, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise BadRow(Refusal.BAD_VALUE, column, value, f"it is no number: write CAST({column} AS INTEGER)")
    is_finite = value.is_finite() if isinstance(value, Decimal) else isinstance(value, int) or math.isfinite(value)
    if not is_finite or not -_MAX_NUMBER <= value <= _MAX_NUMBER:
        raise BadRow(Refusal.BAD_VALUE, column, value, "such a number cannot be used: write null where it is unknown")
    return int(value) if value == int(value) else float(value)


def _time(column: str, value: object) -> dt.datetime:
    at = value
    try:
        if isinstance(value, str):
            at = _read_time(value)
        if isinstance(at, dt.datetime):
            at = at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at.astimezone(dt.UTC)
        elif isinstance(at, dt.date):
            at = dt.datetime.combine(at, dt.time(), dt.UTC)
    except (ValueError, OverflowError):
        at = None
    if isinstance(at, dt.datetime) and at.year in _YEARS:
        return at
    raise BadRow(Refusal.BAD_VALUE, column, value, _time_hint(column, value, at))


def _read_time(text: str) -> dt.datetime | None:
    found = _time_text(text)
    if found is None:
        return None
    offset = "+00:00" if found[3] in {"Z", "z", "UTC"} else found[3] or ""
    return dt.datetime.fromisoformat("T".join(filter(None, found.group(1, 2))) + offset)


def _time_hint(column: str, value: object, at: object) -> str:
    if isinstance(value, dt.date) or isinstance(at, dt.datetime):
        return "it is not from 1970 to 2999: write null, or leave the row out"
    if isinstance(value, int | float | Decimal):
        return f"it is a number: write to_timestamp({column}) if it is seconds since 1970"
    example = "it is no time such as 2025-03-01T10:00:00Z"
    return f"{example}: write strptime({column}, '%d.%m.%Y %H:%M'), with the format that it has"


_VALUES: Final[dict[Takes, Callable[[str, object], Any]]] = {
    Takes.TEXT: _text, Takes.WORD: _word, Takes.NUMBER: _number, Takes.TRUTH: _truth, Takes.TIME: _time,
}  # fmt: skip


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


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)[: 2 * _MAX_SHOWN_CHARS]
    return text if len(text) <= _MAX_SHOWN_CHARS else text[: _MAX_SHOWN_CHARS - 1] + "…"
