"""From plain Avro values to values of the contract: times, decimals, UUIDs.

Invariant: pure. A conversion leaves values of other types as they are: the check of the field's type refuses them.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from stream.intake.field_texts import wrong_instant
from stream.intake.json_format import is_instant
from stream.intake.refusal import Refusal, Refused

#: From a field's name and value to the value of the contract.
Conversion = Callable[[str, Any], Any]

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: The year 3000, in microseconds: the JSON format ends there, too.
_END: Final = 32_503_680_000_000_000
#: The year 2096, in microseconds: until then a float of seconds is exact to the microsecond, and takes half the time.
_EXACT_END: Final = 4_000_000_000_000_000
_UUID_BYTES: Final = 16
_MAX_DECIMAL_BYTES: Final = 32
_MAX_SCALE: Final = 64
#: Microseconds of each unit, with Debezium's names of units that have no logical type of Avro.
_UNITS: Final = {
    "timestamp-millis": (1000, 1),
    "timestamp-micros": (1, 1),
    "timestamp-nanos": (1, 1000),
    "io.debezium.time.Timestamp": (1000, 1),
    "io.debezium.time.MicroTimestamp": (1, 1),
    "io.debezium.time.NanoTimestamp": (1, 1000),
}
_TIMES: Final = frozenset({"occurred_at", "muted_until"})
_HINT: Final = "give it the logical type timestamp-millis or timestamp-micros, or write RFC 3339 text"


def conversion_of(name: str, branches: Sequence[Any]) -> Conversion | None:
    """Return the conversion of a field's values, or None if they need none.

    Args:
        name: The field.
        branches: The definitions of its types: several if it is a union.
    """
    found = [each for each in (_of_branch(name, branch) for branch in branches) if each is not None]
    found.sort(key=lambda each: each is _time)  # it refuses what no other branch has converted
    if len(found) > 1:
        return lambda name, value: _first(found, name, value)
    return found[0] if found else None


def _first(conversions: list[Conversion], name: str, value: Any) -> Any:
    """Apply the conversions until one takes the value: they take different types of values."""
    for each in conversions:
        converted = each(name, value)
        if converted is not value:
            return converted
    return value


def _of_branch(name: str, schema: Any) -> Conversion | None:
    kind = schema["type"] if isinstance(schema, dict) else schema
    given = schema if isinstance(schema, dict) else {}
    if name in _TIMES and kind != "null":
        unit = _UNITS.get(str(given.get("logicalType") or given.get("connect.name")))
        return _time if unit is None or kind not in {"int", "long"} else _instants(*unit)
    if kind in {"bytes", "fixed"} and given.get("logicalType") == "decimal":
        return _decimals(given.get("scale", 0))
    if kind == "fixed" and given.get("logicalType") == "uuid":
        return _uuid
    return _finite if kind in {"float", "double"} else None


def _instants(factor: int, divisor: int) -> Conversion:
    def convert(name: str, value: Any) -> Any:
        if type(value) is not int:
            return value
        micros = value * factor // divisor
        if 0 <= micros < _EXACT_END:
            return dt.datetime.fromtimestamp(micros / 1e6, dt.UTC)
        if not 0 <= micros < _END:
            raise Refused(Refusal.BAD_VALUE, f"{name} is not a time from 1970 to 2999: {value} of its unit.")
        return _EPOCH + dt.timedelta(0, 0, micros)

    return convert


def _time(name: str, value: Any) -> Any:
    """Check a time of a type without a unit."""
    if isinstance(value, int | float):
        raise Refused(Refusal.BAD_VALUE, f"{name} is a number without a unit: {_HINT}.")
    if isinstance(value, str) and not is_instant(value):
        raise Refused(Refusal.BAD_VALUE, wrong_instant(name, value))
    return value


def _decimals(scale: Any) -> Conversion | None:
    if type(scale) is not int or not 0 <= scale <= _MAX_SCALE:
        return None

    def convert(name: str, value: Any) -> Any:
        if not isinstance(value, bytes) or len(value) > _MAX_DECIMAL_BYTES:
            return value
        return int.from_bytes(value, "big", signed=True) / 10**scale

    return convert


def _uuid(name: str, value: Any) -> Any:
    return str(UUID(bytes=value)) if isinstance(value, bytes) and len(value) == _UUID_BYTES else value


def _finite(name: str, value: Any) -> Any:
    """Refuse NaN, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused(Refusal.BAD_VALUE, f"{name} is not a finite number: leave the field out.")
    return value
