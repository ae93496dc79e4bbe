"""Writes `schemas/avro/`: the marketplace's events as Avro schemas, generated from the types of the contract.

Invariant: `tests/contract/test_avro_schemas.py` compares the files with what this module makes of the types.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect

from stream.contract.events import STREAMS, VERDICTS, Event

FOLDER: Final = Path(__file__).parents[1] / "schemas" / "avro"
#: Not the verdicts: their topic is always JSON.
EVENTS: Final = tuple(
    kind for number, kinds in enumerate(STREAMS.values()) if number != VERDICTS for kind in kinds
)  # fmt: skip


def path_of(kind: type[Event]) -> Path:
    """Return the file of an event type's schema."""
    return FOLDER / f"{kind.__struct_config__.tag}.v1.avsc"


def avro_schema(kind: type[Event]) -> dict[str, Any]:
    """Return the Avro schema of an event type."""
    return {
        "type": "record",
        "name": kind.__name__,
        "namespace": "volteface.v1",
        "doc": str(kind.__doc__).partition("\n")[0],
        "fields": [_field(field) for field in msgspec.structs.fields(kind)],
    }


def _field(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    kind = _type(inspect.type_info(field.type))
    if field.required:
        return {"name": field.encode_name, "type": kind}
    return {"name": field.encode_name, "type": ["null", kind], "default": None}


def _type(kind: inspect.Type) -> Any:
    match kind:
        case inspect.UnionType(types=types):
            (one,) = [each for each in types if not isinstance(each, inspect.NoneType)]
            return _type(one)
        case inspect.DateTimeType():
            return {"type": "long", "logicalType": "timestamp-micros"}
        case inspect.StrType() | inspect.LiteralType():  # not an enum: a new word would be a new schema
            return "string"
        case inspect.IntType():
            return "int"
        case inspect.FloatType():
            return "double"
        case inspect.BoolType():
            return "boolean"
    raise TypeError(f"Avro has no type for {kind}")


def text_of(kind: type[Event]) -> str:
    """Return the text of an event type's file."""
    return json.dumps(avro_schema(kind), indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in EVENTS:
        path_of(each).write_text(text_of(each), encoding="utf-8")
