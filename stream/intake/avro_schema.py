"""Avro schemas of producers: from a schema's text to a reader of its records.

Invariant: pure. No body, whatever its bytes, can make the reader recurse without an end or repeat without reading: a
schema that refers to itself, is nested deeply, or has arrays of items without bytes is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Final

import fastavro
import msgspec

from stream.intake.avro_values import Conversion, conversion_of
from stream.intake.column_types import avro_types

#: Far more than any event has. fastavro reads with C's stack, which a deeper schema could exhaust.
_MAX_DEPTH: Final = 32
_MAX_NODES: Final = 10_000
#: A union's branch is one byte then.
_MAX_BRANCHES: Final = 64
_NAMED: Final = frozenset({"record", "error", "enum", "fixed"})
_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

_Named = Mapping[str, dict[str, Any]]


class UnusableSchemaError(ValueError):
    """A schema with which no record is read; the message says why, in one clause."""


class BodyError(ValueError):
    """Bytes that are no record of the schema; the message says why, in one clause."""


class AvroRecord:
    """A record type of a schema.

    Attributes:
        name: Its name, with its namespace.
        fields: The names of its fields.
        conversions: By field, from the plain Avro value to one of the contract, where they differ.
        column_types: The types of a row's columns: of its own fields, or of those of the row in a change.
    """

    def __init__(self, definition: dict[str, Any], named: _Named) -> None:
        self.name = str(definition["name"])
        self.fields = frozenset(str(field["name"]) for field in definition["fields"])
        found = [(str(field["name"]), _branches(field["type"], named)) for field in definition["fields"]]
        converted = [(name, conversion_of(name, branches)) for name, branches in found]
        self.conversions: tuple[tuple[str, Conversion], ...] = tuple(
            (name, conversion) for name, conversion in converted if conversion is not None
        )
        self.column_types = avro_types(definition, lambda schema: _branches(schema, named))
        # Without logical types: fastavro would convert the values of all fields, those that no event has included.
        self._schema = fastavro.parse_schema(_Plain(named).of(definition, 0))

    def read(self, body: bytes, start: int) -> dict[str, Any]:
        """Return the fields of a record's bytes.

        Args:
            body: The bytes; the record must end where they end.
            start: Where the record begins.

        Raises:
            BodyError: They are no such record.
        """
        source = BytesIO(body)
        source.seek(start)
        try:
            found: dict[str, Any] = fastavro.schemaless_reader(source, self._schema, None)  # type: ignore[assignment]
        except Exception as error:  # fastavro declares no errors: EOFError, IndexError, UnicodeDecodeError and others
            raise BodyError(f"{type(error).__name__} {error}".strip()) from None
        if source.tell() != len(body):
            raise BodyError(f"{len(body) - source.tell()} bytes follow the record")
        return found


class AvroSchema:
    """A producer's schema: a record, or a union of records.

    Args:
        text: The schema.
        references: The texts of the schemas that it refers to, in an order in which each comes after its own.

    Raises:
        UnusableSchemaError: It cannot be used.
    """

    def __init__(self, text: str, references: Sequence[str] = ()) -> None:
        named: dict[str, dict[str, Any]] = {}
        for each in references:
            _parsed(each, named)
        parsed = _parsed(text, named)
        branches = _branches(parsed, named)
        if len(branches) > _MAX_BRANCHES:
            raise UnusableSchemaError(f"it is a union of more than {_MAX_BRANCHES} types")
        self._is_union = isinstance(parsed, list)
        #: By branch; None for one that is no record.
        self.records = tuple(_record(each, named) for each in branches)
        if not any(self.records):
            raise UnusableSchemaError("it is neither a record nor a union of records")

    def read(self, body: bytes) -> tuple[AvroRecord, dict[str, Any]]:
        """Return the record type and the fields of a body; raise BodyError if it has none."""
        branch = 0
        if self._is_union:
            if not body or body[0] & 0x81 or body[0] >> 1 >= len(self.records):
                raise BodyError("it names no branch of the union")
            branch = body[0] >> 1
        record = self.records[branch]
        if record is None:
            raise BodyError("it is no record")
        return record, record.read(body, int(self._is_union))


def _record(schema: Any, named: _Named) -> AvroRecord | None:
    return AvroRecord(schema, named) if isinstance(schema, dict) and schema.get("type") in {"record", "error"} else None


def _parsed(text: str, named: dict[str, dict[str, Any]]) -> Any:
    """Return a schema whose names are full names, and add its named types to `named`."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UnusableSchemaError(f"its text is not JSON: {error}") from None
    _check_size(document)
    try:
        return fastavro.parse_schema(document, named)
    except Exception as error:  # besides its own errors it raises KeyError, TypeError and others for wrong documents
        raise UnusableSchemaError(f"fastavro cannot parse it: {type(error).__name__} {error}".strip()) from None


def _check_size(document: Any) -> None:
    waiting, nodes = [(document, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        if depth > 4 * _MAX_DEPTH or nodes > _MAX_NODES:
            raise UnusableSchemaError("it is too large or nested too deeply")
        if isinstance(node, dict):
            waiting += [(each, depth + 1) for each in node.values()]
        elif isinstance(node, list):
            waiting += [(each, depth + 1) for each in node]


def _resolved(schema: Any, named: _Named) -> Any:
    """Return the definition if a schema is a name."""
    return named[schema] if isinstance(schema, str) and schema not in _PRIMITIVES else schema


def _branches(schema: Any, named: _Named) -> list[Any]:
    return [_resolved(each, named) for each in (schema if isinstance(schema, list) else [schema])]


class _Plain:
    """Copies a schema without its logical types; each named type is defined where it occurs first.

    Args:
        named: All named types by their full names.
    """

    def __init__(self, named: _Named) -> None:
        self._named = named
        #: The least bytes of a value, by the names of the types that are copied; None while a type is being copied.
        self._sizes: dict[str, int | None] = {}

    def of(self, schema: Any, depth: int) -> Any:
        """Return the copy of a schema; raise UnusableSchemaError."""
        return self._copied(schema, depth)[0]

    def _copied(self, schema: Any, depth: int) -> tuple[Any, int]:
        """Return a copy, and the least number of bytes of a value."""
        if depth > _MAX_DEPTH:
            raise UnusableSchemaError("it is nested too deeply")
        if isinstance(schema, list):
            return [self._copied(each, depth + 1)[0] for each in schema], 1
        if isinstance(schema, str):
            return (schema, 0 if schema == "null" else 1) if schema in _PRIMITIVES else self._of_name(schema, depth)
        kind = schema["type"]
        if kind in _NAMED:
            return self._of_name(str(schema["name"]), depth, schema)
        if kind == "array":
            items, size = self._copied(schema["items"], depth + 1)
            if not size:
                raise UnusableSchemaError("it has an array whose items take no bytes")
            return {"type": "array", "items": items}, 1
        if kind == "map":
            return {"type": "map", "values": self._copied(schema["values"], depth + 1)[0]}, 1
        return self._copied(kind, depth + 1)  # a primitive type with properties

    def _of_name(self, name: str, depth: int, definition: dict[str, Any] | None = None) -> tuple[Any, int]:
        if name in self._sizes:
            size = self._sizes[name]
            if size is None:
                raise UnusableSchemaError(f"its type {name} contains itself")
            return name, size
        definition = definition or self._named[name]
        self._sizes[name] = None
        copy: dict[str, Any] = {"type": definition["type"], "name": name}
        if definition["type"] == "enum":
            copy["symbols"], size = definition["symbols"], 1
        elif definition["type"] == "fixed":
            copy["size"] = size = int(definition["size"])
        else:
            copied = [(field["name"], *self._copied(field["type"], depth + 1)) for field in definition["fields"]]
            copy["fields"] = [{"name": field, "type": kind} for field, kind, _ in copied]
            size = sum(least for _, _, least in copied)
        self._sizes[name] = size
        return copy, size
