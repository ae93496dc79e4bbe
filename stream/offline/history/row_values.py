"""The values of a row: from what DuckDB gives to Python to what an event holds.

Invariant: pure. Whatever a value is, the outcome is a value that JSON can hold, or a BadRow.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NoReturn, get_type_hints
from uuid import UUID

from stream.contract.events import CaseSubject
from stream.intake.refusal import Refusal
from stream.offline.history.columns import Takes

_DAY_MICROSECONDS: Final = 86_400_000_000
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


#: The function that checks a value of a column, with the column's name.
VALUE_OF: Final[dict[Takes, Callable[[str, object], Any]]] = {
    Takes.TEXT: _text, Takes.WORD: _word, Takes.NUMBER: _number, Takes.TRUTH: _truth, Takes.TIME: _time,
}  # fmt: skip


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)[: 2 * _MAX_SHOWN_CHARS]
    return text if len(text) <= _MAX_SHOWN_CHARS else text[: _MAX_SHOWN_CHARS - 1] + "…"
