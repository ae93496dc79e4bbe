"""The types of the contract as Avro schemas: what `schemas/avro/` holds, and what a worker registers.

Invariant: derived from the types alone. A field that may be absent has a default, and words of a closed list are plain
strings: so a version with another field or another word reads what this one wrote, and the other way round.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
from msgspec import inspect

_NAMESPACE: Final = "volteface.v1"
#: The largest number of Avro's `int`; larger ones are `long`.
_MAX_INT: Final = 2**31 - 1
#: A closed list of words is no enum: a new word would be a new schema.
_PRIMITIVES: Final[dict[type[inspect.Type], str]] = {
    inspect.StrType: "string",
    inspect.LiteralType: "string",
    inspect.FloatType: "double",
    inspect.BoolType: "boolean",
}


def schema_text(kind: type[msgspec.Struct]) -> str:
    """Return the text of a type's schema file."""
    return json.dumps(avro_schema(kind), indent=2) + "\n"


def avro_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the Avro schema of a type.

    Raises:
        TypeError: It has a field that Avro cannot hold.
    """
    return dict(_record(kind, set()))


def _record(kind: type[msgspec.Struct], known: set[str]) -> dict[str, Any]:
    """Return a record with its namespace; each record in it is defined where it occurs first."""
    known.add(kind.__name__)
    return {
        "type": "record",
        "name": kind.__name__,
        "namespace": _NAMESPACE,
        "doc": str(kind.__doc__).partition("\n")[0],
        "fields": [_field(field, known) for field in msgspec.structs.fields(kind)],
    }


def _field(field: msgspec.structs.FieldInfo, known: set[str]) -> dict[str, Any]:
    described = {"name": field.encode_name, "type": _type(inspect.type_info(field.type), known)}
    if field.required:
        return described
    factory = field.default_factory
    return described | {"default": field.default if factory is msgspec.NODEFAULT else factory()}


def _type(kind: inspect.Type, known: set[str]) -> Any:
    found: Any = _PRIMITIVES.get(type(kind))
    match kind:
        case inspect.UnionType(types=types):
            (one,) = [each for each in types if not isinstance(each, inspect.NoneType)]
            found = ["null", _type(one, known)]
        case inspect.StructType(cls=cls):
            found = cls.__name__ if cls.__name__ in known else _record(cls, known)
        case inspect.ListType(item_type=item):
            found = {"type": "array", "items": _type(item, known)}
        case inspect.DictType(value_type=value):
            found = {"type": "map", "values": _type(value, known)}
        case inspect.DateTimeType():
            found = {"type": "long", "logicalType": "timestamp-micros"}
        case inspect.IntType(le=most):
            found = "int" if most is not None and most <= _MAX_INT else "long"
    if found is None:
        raise TypeError(f"Avro has no type for {kind}")
    return found
