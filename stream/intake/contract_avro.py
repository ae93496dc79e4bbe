"""Alerts and cases in Avro with Confluent's frame: written by a worker, read by commands and the console.

Invariant: pure. A value that is written and read again is the same. It is read with the schema that it was written
with: fields that this version does not have are ignored, and fields that the writer did not have get their defaults.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final, Generic, NamedTuple, TypeVar

import fastavro
import msgspec
from msgspec import inspect

from stream.contract.avro_schemas import avro_schema
from stream.intake.avro_schema import AvroSchema, BodyError
from stream.intake.confluent_format import framed, unframed
from stream.intake.refusal import Refusal, Refused
from stream.intake.schema_cache import RegisteredSchema, SchemaCache, UnusableSchema

_field_of: Final = re.compile(r"`\$\.([^`]+)`|field `(\w+)`").search
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

T = TypeVar("T", bound=msgspec.Struct)
_Conversion = Callable[[Any], Any]


class OutputSchemaIds(NamedTuple):
    """The ids of the schemas of alerts and of cases in the registry."""

    alert: int
    case: int


class ContractWriter(Generic[T]):
    """Writes values of one type.

    Args:
        kind: The type.
        schema_id: The id of its schema in the registry.
    """

    def __init__(self, kind: type[T], schema_id: int) -> None:
        self._schema = fastavro.parse_schema(avro_schema(kind))
        self._convert = _conversion(inspect.type_info(kind), to_avro=True) or _same
        self._schema_id = schema_id

    def encode(self, value: T) -> bytes:
        """Return the frame and the body of a value."""
        body = BytesIO()
        fields = self._convert(msgspec.to_builtins(value, builtin_types=(dt.datetime,)))
        fastavro.schemaless_writer(body, self._schema, fields)
        return framed(self._schema_id, body.getvalue())


class ContractReader(Generic[T]):
    """Reads values of one type.

    Args:
        kind: The type.
        schemas: The schemas that were fetched.
    """

    def __init__(self, kind: type[T], schemas: SchemaCache) -> None:
        self._kind = kind
        self._convert = _conversion(inspect.type_info(kind), to_avro=False) or _same
        self._schemas = schemas

    def decode(self, value: bytes) -> T:
        """Return the value in a frame.

        Raises:
            Refused: There is none.
            SchemaNeeded: Its schema must be fetched first.
        """
        schema_id, body = unframed(value, ())
        schema = self._schemas.get(schema_id)
        if isinstance(schema, UnusableSchema):
            raise Refused(schema.reason, schema.text)
        name = self._kind.__name__
        try:
            return self._value(schema, body)
        except (BodyError, OverflowError) as error:
            why = str(error)
        except msgspec.ValidationError as error:  # its text quotes the value
            found = _field_of(str(error))
            where = f" (look at {found[1] or found[2]})" if found else ""
            why = f"another version may have written it{where}"
        raise Refused(Refusal.UNDECODABLE, f"The value is no Avro record {name} of schema {schema_id}: {why}.")

    def _value(self, schema: RegisteredSchema, body: bytes) -> T:
        if not isinstance(schema, AvroSchema):
            raise BodyError("the schema is not Avro")
        record, fields = schema.read(body)
        if record.name.rpartition(".")[2] != self._kind.__name__:
            raise BodyError(f"it is the record {record.name[:64]}")
        return msgspec.convert(self._convert(fields), self._kind)


def _conversion(kind: inspect.Type, *, to_avro: bool) -> _Conversion | None:
    """Return the conversion between a value as JSON holds it and as Avro does; None if both are the same.

    Avro has records where the contract has arrays of fixed fields. Its times are read as microseconds.
    """
    match kind:
        case inspect.UnionType(types=types):
            (one,) = [each for each in types if not isinstance(each, inspect.NoneType)]
            return _conversion(one, to_avro=to_avro)
        case inspect.ListType(item_type=item):
            inner = _conversion(item, to_avro=to_avro)
            return None if inner is None else _each(inner)
        case inspect.StructType():
            return _fields(kind, to_avro)
        case inspect.DateTimeType():
            return None if to_avro else _instant
    return None


def _fields(kind: inspect.StructType, to_avro: bool) -> _Conversion | None:
    names = [field.encode_name for field in kind.fields]
    found = [(field.encode_name, _conversion(field.type, to_avro=to_avro)) for field in kind.fields]
    changed = [(name, convert) for name, convert in found if convert is not None]
    if not changed and not kind.array_like:
        return None

    def convert(value: Any) -> Any:
        if kind.array_like and isinstance(value, list):
            value = dict(zip(names, value, strict=True))
        if not isinstance(value, dict):
            return value
        for name, conversion in changed:
            if name in value:
                value[name] = conversion(value[name])
        return [value[name] for name in names if name in value] if kind.array_like and not to_avro else value

    return convert


def _each(convert: _Conversion) -> _Conversion:
    return lambda value: [convert(each) for each in value] if isinstance(value, list) else value


def _instant(value: Any) -> Any:
    return _EPOCH + dt.timedelta(microseconds=value) if type(value) is int else value


def _same(value: Any) -> Any:
    return value
