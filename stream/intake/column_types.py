"""The types of a row's columns that JSON does not have, from the schema that a record carries or names.

Invariant: pure. A type is only known if there is a schema: Connect's JSON envelope, or Avro. Of a change of a row, the
types are those of the row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

#: The fields of Debezium's changes that hold rows. Both have the same columns.
_HALVES: Final = ("after", "before")


class ColumnType(NamedTuple):
    """The type of a column's values beyond that of JSON.

    Attributes:
        name: The name that Debezium, Kafka Connect or Avro gives it, for example `io.debezium.time.MicroTimestamp`.
        scale: The decimals of a number that is sent as bytes; None if it is another type.
    """

    name: str
    scale: int | None = None


#: By the column's name; of the columns whose type is known.
Types = Mapping[str, ColumnType]


def connect_types(schema: Any) -> Types:
    """Return the types of a row's columns from the schema in Connect's JSON envelope."""
    fields = _fields(schema)
    for half in _HALVES:
        row = next((each for each in fields if each.get("field") == half), None)
        if row is not None:
            fields = _fields(row)
            break
    found: dict[str, ColumnType] = {}
    for each in fields:
        name = each.get("name")
        if isinstance(name, str):
            found[str(each.get("field"))] = ColumnType(name, _scale(each.get("parameters")))
    return found


def _fields(schema: Any) -> list[dict[str, Any]]:
    fields = schema.get("fields") if isinstance(schema, dict) else None
    return [each for each in fields if isinstance(each, dict)] if isinstance(fields, list) else []


def _scale(parameters: Any) -> int | None:
    text = parameters.get("scale") if isinstance(parameters, dict) else None
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 4 else None


def avro_types(definition: Mapping[str, Any], branches: Callable[[Any], Sequence[Any]]) -> Types:
    """Return the types of a row's columns from the definition of an Avro record.

    Args:
        definition: The record.
        branches: From a type to the definitions of its branches.
    """
    fields = {str(field["name"]): branches(field["type"]) for field in definition["fields"]}
    for half in _HALVES:
        row = next((each for each in fields.get(half, ()) if _is_record(each)), None)
        if row is not None:
            fields = {str(field["name"]): branches(field["type"]) for field in row["fields"]}
            break
    found = {name: _of_branches(its) for name, its in fields.items()}
    return {name: each for name, each in found.items() if each is not None}


def _is_record(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "record"


def _of_branches(branches: Iterable[Any]) -> ColumnType | None:
    for each in branches:
        if isinstance(each, dict):
            name, scale = each.get("logicalType") or each.get("connect.name"), each.get("scale", 0)
            if isinstance(name, str):
                return ColumnType(name, scale if name == "decimal" and type(scale) is int else None)
    return None
