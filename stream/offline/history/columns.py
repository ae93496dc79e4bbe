"""The columns that a query may give: the fields of the contract by name, and the SQL types that each takes.

Invariant: pure, and derived from the types of `contract/events.py`. What can be known from names and types is an error
before the first row is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import inspect

from stream.contract.events import STREAMS, CaseSubject, Event


class Takes(StrEnum):
    """What a column holds."""

    TEXT = "text"  # ids and free text
    WORD = "word"  # one of a closed list
    NUMBER = "number"
    TRUTH = "truth"
    TIME = "time"


@dataclass(frozen=True)
class EventColumns:
    """The columns of one event type.

    Attributes:
        name: The value of the column `type`.
        rank: Of two events with one time the one with the lower rank comes first: a creation before an edit.
        columns: All columns but `type`, in the order of the type's fields.
        required: Those that must have a value; not `event_id`, which can be derived.
    """

    name: str
    stream: int
    rank: int
    columns: Mapping[str, Takes]
    required: tuple[str, ...]


def _takes(type_: Any) -> Takes:
    info = inspect.type_info(type_)
    if isinstance(info, inspect.UnionType):
        info = next(each for each in info.types if not isinstance(each, inspect.NoneType))
    match info:
        case inspect.DateTimeType():
            return Takes.TIME
        case inspect.BoolType():
            return Takes.TRUTH
        case inspect.IntType() | inspect.FloatType():
            return Takes.NUMBER
        case inspect.StrType(pattern=None):
            return Takes.TEXT
        case inspect.LiteralType() | inspect.StrType():
            return Takes.WORD
    raise TypeError(f"{type_}: no column has this type")


def _event_columns(kind: type[Event], stream: int, rank: int) -> EventColumns:
    columns: dict[str, Takes] = {}
    required: list[str] = []
    for field in msgspec.structs.fields(kind):
        parts = {field.name: field.type}
        if field.type is CaseSubject:
            parts = {f"{field.name}_{part.name}": part.type for part in msgspec.structs.fields(CaseSubject)}
        columns |= {name: _takes(type_) for name, type_ in parts.items()}
        if field.required and field.name != "event_id":
            required += parts
    return EventColumns(str(kind.__struct_config__.tag), stream, rank, columns, tuple(required))


_KINDS: Final = [(stream, kind) for stream, kinds in enumerate(STREAMS.values()) for kind in kinds]
#: By the value of the column `type`.
EVENTS: Final[dict[str, EventColumns]] = {
    found.name: found for found in (_event_columns(kind, stream, rank) for rank, (stream, kind) in enumerate(_KINDS))
}
#: Every column that a query may give.
COLUMNS: Final[dict[str, Takes]] = {"type": Takes.WORD} | {
    name: takes for event in EVENTS.values() for name, takes in event.columns.items()
}
_NEEDED: Final = ("type", "occurred_at")

_WHOLE = re.compile(r"U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|DECIMAL\([0-9]+,0\)").fullmatch
_NESTED = re.compile(r"(?:STRUCT|MAP|UNION)\(.*|.*\]", re.DOTALL).fullmatch
_TIMES: Final = ("TIMESTAMP", "DATE")
_FAMILIES: Final = {
    "VARCHAR": "text", "UUID": "uuid", "BOOLEAN": "truth", "FLOAT": "float", "DOUBLE": "float", '"NULL"': "null",
    "JSON": "json",
}  # fmt: skip
_TAKEN: Final[dict[Takes, frozenset[str]]] = {
    Takes.TEXT: frozenset({"text", "uuid", "whole", "null"}),
    Takes.WORD: frozenset({"text", "null"}),
    Takes.NUMBER: frozenset({"whole", "decimal", "float", "null"}),
    Takes.TRUTH: frozenset({"truth", "null"}),
    Takes.TIME: frozenset({"time", "text", "null"}),
}
_MAX_SHOWN_CHARS: Final = 60


def _family(sql_type: str) -> str:
    if sql_type in _FAMILIES:
        return _FAMILIES[sql_type]
    if _WHOLE(sql_type):
        return "whole"
    if _NESTED(sql_type):
        return "nested"
    for start, family in (("DECIMAL", "decimal"), ("ENUM", "text"), *((each, "time") for each in _TIMES)):
        if sql_type.startswith(start):
            return family
    return "other"


def column_errors(columns: Sequence[tuple[str, str]]) -> list[str]:
    """Return what is wrong with the columns of a query; empty if nothing is.

    Args:
        columns: Name and SQL type of each column, as DuckDB writes the type.
    """
    names = [name for name, _ in columns]
    errors = [f"the query has no column {name}" for name in _NEEDED if name not in names]
    unknown = [name for name in dict.fromkeys(names) if name not in COLUMNS]
    if unknown:
        errors.append(_unknown_text(unknown))
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1 and name in COLUMNS]
    errors += [f"column {name} is there {names.count(name)} times: give each column once" for name in twice]
    for name, sql_type in columns:
        takes = COLUMNS.get(name)
        if takes is not None and _family(sql_type) not in _TAKEN[takes]:
            shown = sql_type if len(sql_type) <= _MAX_SHOWN_CHARS else sql_type[: _MAX_SHOWN_CHARS - 1] + "…"
            errors.append(f"column {name} is {shown}: {_type_hint(name, takes, _family(sql_type))}")
    return errors


def nearest(word: str, words: Sequence[str]) -> str | None:
    """Return the word that a person may have meant."""
    found = get_close_matches(re.sub(r"\W", "_", word.lower()), words, 1, 0.6)
    return found[0] if found else None


def _unknown_text(unknown: Sequence[str]) -> str:
    """Say which columns are no fields, which fields are meant perhaps, and how to leave the columns out."""
    likely = [(name, field) for name in unknown if (field := nearest(name, tuple(COLUMNS)))]
    meant = "".join(f"; if {_sql(name)} is the {field}, write {_sql(name)} AS {field}" for name, field in likely)
    many = "this column is no field" if len(unknown) == 1 else "these columns are no fields"
    listed = ", ".join(map(_sql, unknown))
    return f"{many} of an event: {listed}{meant}; leave out others with SELECT * EXCLUDE ({listed})"


def _sql(name: str) -> str:
    """Return a name as SQL takes it."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def _type_hint(name: str, takes: Takes, family: str) -> str:
    """Say what to write in place of a column whose type is not taken."""
    if family in {"nested", "json"}:
        return _HINTS[family].format(name)
    rounded = family in {"float", "decimal"}
    if takes is Takes.TEXT:
        return _HINTS["rounded id" if rounded else "id"].format(name)
    return _HINTS["epoch" if takes is Takes.TIME and (rounded or family == "whole") else takes].format(name)


_HINTS: Final[dict[str, str]] = {
    "nested": "take one value of it, for example {0}.id or {0}[1]",
    "json": "JSON texts have quotes: write ->> in place of ->, or {0} ->> '$'",
    "id": "write CAST({0} AS VARCHAR)",
    "rounded id": "an id must not be rounded: write CAST({0} AS BIGINT)",
    "epoch": "write to_timestamp({0}) if it is seconds since 1970, to_timestamp({0} / 1000) if milliseconds",
    Takes.WORD: "write its words as text, for example CASE {0} WHEN 1 THEN 'one' WHEN 2 THEN 'two' END",
    Takes.NUMBER: "write CAST({0} AS INTEGER), or AS DOUBLE of replace({0}, ',', '.') for decimal commas",
    Takes.TRUTH: "write CAST({0} AS BOOLEAN)",
    Takes.TIME: "write CAST({0} AS TIMESTAMP)",
}
