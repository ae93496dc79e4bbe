"""Says what is wrong with the value of an event's field, and what the field takes.

Invariant: pure, and only for values that are refused. What a field takes is read from its type, so text and check
cannot differ. No text repeats an id: only words of closed lists, numbers and times are quoted.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import inspect

from stream.contract.events import Event

_INSTANT: Final = "write RFC 3339 in UTC, for example 2025-03-01T10:00:00Z"
#: A quoted word or time is cut to this.
_MAX_QUOTED_CHARS: Final = 40
_EPOCH = re.compile(r"-?[0-9]+(?:\.[0-9]*)?").fullmatch
_NO_OFFSET = re.compile(r"[0-9-]{10}[ Tt][0-9:.]+").fullmatch
_DATE = re.compile(r"[0-9-]{10}").fullmatch


def wrong_field(kind: type[Event], document: dict[str, Any]) -> str:
    """Return one sentence about the first field of a document that its event type does not take.

    Args:
        kind: The event type.
        document: The fields, all of them known to the type.
    """
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if name in document:
            try:
                msgspec.convert(document[name], field.type)
            except msgspec.ValidationError as error:
                return f"{name} {_text(inspect.type_info(field.type), document[name], str(error))}."
    return "The fields do not fit together."


def wrong_instant(name: str, value: str) -> str:
    """Return one sentence about a field that is no RFC 3339 time with an offset, from 1970 to 2999."""
    return f"{name} {_instant_text(value)}."


def _instant_text(value: str) -> str:
    shown = _quoted(value)
    if _EPOCH(value):
        return f"{shown} is a number in quotes: {_INSTANT}"
    if _DATE(value):
        return f"{shown} is a date without a time: {_INSTANT}"
    if _NO_OFFSET(value):
        return f"{shown} has no offset from UTC: {_INSTANT}"
    if value[10:11] == " ":
        return f"{shown} is a database's text, not RFC 3339: {_INSTANT}"
    return f"{shown} is not a time of RFC 3339 with an offset, from 1970 to 2999: {_INSTANT}"


def _text(wanted: inspect.Type, value: object, error: str) -> str:
    if isinstance(wanted, inspect.UnionType):
        wanted = next(each for each in wanted.types if not isinstance(each, inspect.NoneType))
        absent = "leave it out"
    else:
        absent = "it needs a value"
    return f"is null: {absent}" if value is None else _text_of_value(wanted, value, error)


def _text_of_value(wanted: inspect.Type, value: object, error: str) -> str:
    found = _found(value)
    match wanted:
        case inspect.DateTimeType():
            return f"is {found}: {_INSTANT}" if not isinstance(value, str) else _instant_text(value)
        case inspect.LiteralType(values=values):
            shown = _quoted(value) + " is" if isinstance(value, str) else f"is {found},"
            return f"{shown} not one of {', '.join(map(str, values))}"
        case inspect.StrType():
            return _wrong_text(wanted, value, found)
        case inspect.BoolType():
            return f"is {found}: write true or false"
        case inspect.IntType(ge=least, le=most) | inspect.FloatType(ge=least, le=most):
            whole = "a whole number" if isinstance(wanted, inspect.IntType) else "a number"
            shown = f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else found
            return f"is {shown}: write {whole} from {least:g} to {most:g}"
    return f"cannot be used: {error}"  # a type that no event has today


def _wrong_text(wanted: inspect.StrType, value: object, found: str) -> str:
    if not isinstance(value, str):
        return f"is {found}: write it as text, in quotes"
    if wanted.pattern is not None:
        return f"{_quoted(value)} is not three capital letters such as EUR"
    if not value:
        return "is empty"
    return f"has {len(value)} characters: at most {wanted.max_length} are taken"


def _found(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, bytes):
        return "bytes"
    return "an array" if isinstance(value, list) else "an object"


def _quoted(value: str) -> str:
    return repr(value if len(value) <= _MAX_QUOTED_CHARS else value[: _MAX_QUOTED_CHARS - 1] + "…")
