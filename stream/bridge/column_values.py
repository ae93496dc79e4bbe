"""From the value of a column, as Debezium or a producer writes it, to a value of the contract.

Invariant: pure. Whatever a value is, the outcome is a value of the contract's type, or a Refused that names the column.
No text repeats an id.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from stream.intake.column_types import ColumnType
from stream.intake.refusal import Refusal, Refused
from stream.offline.history.columns import Takes

#: What Debezium writes for a large value that an update did not change, in texts and in bytes.
UNAVAILABLE: Final = "__debezium_unavailable_value"
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: The year 3000, in microseconds: the JSON format ends there, too.
_END: Final = 32_503_680_000_000_000
_DAY: Final = 86_400_000_000
#: Microseconds of each unit.
_UNITS: Final[dict[str, tuple[int, int]]] = {
    "io.debezium.time.Date": (_DAY, 1),
    "io.debezium.time.Timestamp": (1000, 1),
    "io.debezium.time.MicroTimestamp": (1, 1),
    "io.debezium.time.NanoTimestamp": (1, 1000),
    "org.apache.kafka.connect.data.Date": (_DAY, 1),
    "org.apache.kafka.connect.data.Timestamp": (1000, 1),
    "date": (_DAY, 1),
    "timestamp-millis": (1000, 1),
    "timestamp-micros": (1, 1),
    "timestamp-nanos": (1, 1000),
    "local-timestamp-millis": (1000, 1),
    "local-timestamp-micros": (1, 1),
}
#: Without a type the size of a number tells its unit: these ranges of times from 1973 to 2286 do not overlap.
_BY_SIZE: Final = ((10**5, (_DAY, 1)), (10**11, (1_000_000, 1)), (10**14, (1000, 1)), (10**17, (1, 1)))
_NANOSECONDS: Final = (1, 1000)
#: RFC 3339, and as databases write it: a space for the T, an offset of hours, no offset, a date alone.
_time_text = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?)[0-9]*)?"
    r" ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
).fullmatch
_TRUTHS: Final = {"true": True, "false": False, "t": True, "f": False}
#: Larger numbers lose digits in JSON.
_MAX_NUMBER: Final = 2**53
_MAX_DECIMAL_BYTES: Final = 32
_MAX_DECIMAL_CHARS: Final = 64
_MAX_SCALE: Final = 64
_DECIMAL_MODE: Final = "set the connector's decimal.handling.mode=string"


class ColumnReader:
    """Reads the columns of one table.

    Args:
        time_zone: The zone of times without an offset; UTC by default.
    """

    def __init__(self, time_zone: str = "UTC") -> None:
        self._zone = None if time_zone == "UTC" else ZoneInfo(time_zone)
        self._readers: dict[Takes, Callable[[str, Any, ColumnType | None], Any]] = {
            Takes.TEXT: _text, Takes.WORD: _word, Takes.NUMBER: _number, Takes.TRUTH: _truth, Takes.TIME: self._time,
        }  # fmt: skip

    def read(self, takes: Takes, column: str, value: Any, column_type: ColumnType | None) -> Any:
        """Return the value that the contract takes.

        Args:
            takes: What the contract's field holds.
            column: The column's name, for the reason of a refusal.
            value: The value; it is not null.
            column_type: What is known of its type.

        Raises:
            Refused: It is no such value.
        """
        return self._readers[takes](column, value, column_type)

    def _time(self, column: str, value: Any, column_type: ColumnType | None) -> dt.datetime:
        if isinstance(value, str):
            return self._time_of_text(column, value)
        if isinstance(value, dt.datetime):
            return value if value.tzinfo is not None else self._local(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise Refused(
                Refusal.BAD_VALUE,
                f"Column {column} is {_kind(value)}, no time: it takes RFC 3339, or a whole number since 1970 "
                "(days, seconds, milliseconds, microseconds or nanoseconds).",
            )
        unit = _UNITS.get(column_type.name) if column_type is not None else None
        if unit is None:
            unit = next((each for most, each in _BY_SIZE if abs(value) < most), _NANOSECONDS)
        micros = value * unit[0] // unit[1]
        if not 0 <= micros < _END:
            raise Refused(Refusal.BAD_VALUE, f"Column {column} is not a time from 1970 to 2999.")
        at = _EPOCH + dt.timedelta(0, 0, micros)
        # Debezium sends a time without a zone as if it were in UTC.
        return at if self._zone is None or _has_zone(column_type) else self._local(at)

    def _time_of_text(self, column: str, text: str) -> dt.datetime:
        found = _time_text(text)
        if found is None:
            return _refuse_time(column)
        date, clock, zone = found.groups()
        try:
            at = dt.datetime.fromisoformat(f"{date}T{clock or '00:00:00'}{zone or ''}")
            if zone is None:
                at = self._local(at)
            elif zone not in {"Z", "z"}:
                at = at.astimezone(dt.UTC)
        except (ValueError, OverflowError):
            return _refuse_time(column)
        return at if 1970 <= at.year < 3000 else _refuse_time(column)

    def _local(self, at: dt.datetime) -> dt.datetime:
        """Return a time of the table's zone in UTC."""
        return at.replace(tzinfo=self._zone or dt.UTC).astimezone(dt.UTC)


def _refuse_time(column: str) -> dt.datetime:
    raise Refused(Refusal.BAD_VALUE, f"Column {column} is text, but no time from 1970 to 2999 in RFC 3339.")


def _has_zone(column_type: ColumnType | None) -> bool:
    """Return whether a number's type is an instant by definition."""
    return column_type is not None and column_type.name.startswith("timestamp-")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float | Decimal):
        return "a number"
    if isinstance(value, bytes):
        return "bytes"
    return "an array" if isinstance(value, list) else "an object"


def _text(column: str, value: Any, column_type: ColumnType | None) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, UUID):
        return str(value)
    number = _decimal(value, column_type)
    if number is not None and _is_whole(number):
        return str(int(number))
    raise Refused(Refusal.BAD_VALUE, f"Column {column} is {_kind(value)}: an id is text or a whole number.")


def _is_whole(number: Decimal) -> bool:
    return number.is_finite() and number.copy_abs() <= _MAX_NUMBER and number == number.to_integral_value()


def _word(column: str, value: Any, column_type: ColumnType | None) -> str:
    if isinstance(value, str):
        return value
    raise Refused(Refusal.BAD_VALUE, f"Column {column} is {_kind(value)}: map its values in [table.values].")


def _number(column: str, value: Any, column_type: ColumnType | None) -> int | float:
    if type(value) is int and -_MAX_NUMBER <= value <= _MAX_NUMBER and column_type is None:
        return value
    number = _decimal(value, column_type)
    if number is None:
        hint = f"; is it a decimal? {_DECIMAL_MODE}" if isinstance(value, str) else ""
        raise Refused(Refusal.BAD_VALUE, f"Column {column} is {_kind(value)}, no number{hint}.")
    if not number.is_finite() or number.copy_abs() > _MAX_NUMBER:
        raise Refused(Refusal.BAD_VALUE, f"Column {column} is not a number up to 2^53.")
    return int(number) if _is_whole(number) else float(number)


def _decimal(value: Any, column_type: ColumnType | None) -> Decimal | None:
    """Return a number in one of the forms in which Debezium sends it; None if it is none."""
    scale = None if column_type is None else column_type.scale
    if isinstance(value, dict) and type(value.get("scale")) is int:  # VariableScaleDecimal
        scale, value = value["scale"], value.get("value")
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else Decimal("NaN")
    if isinstance(value, int | Decimal):
        return None if isinstance(value, bool) else Decimal(value)
    return _decimal_of_text(value) if scale is None else _scaled(value, scale)


def _decimal_of_text(value: Any) -> Decimal | None:
    if not isinstance(value, str) or not value.isascii() or len(value) > _MAX_DECIMAL_CHARS:
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def _scaled(value: Any, scale: int) -> Decimal | None:
    """Return the number that these bytes hold, in JSON as base64."""
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except ValueError:
            return None
    if not isinstance(value, bytes) or len(value) > _MAX_DECIMAL_BYTES or not 0 <= scale <= _MAX_SCALE:
        return None
    return Decimal(int.from_bytes(value, "big", signed=True)).scaleb(-scale)


def _truth(column: str, value: Any, column_type: ColumnType | None) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    found = _TRUTHS.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise Refused(Refusal.BAD_VALUE, f"Column {column} is {_kind(value)}: it takes true or false.")
    return found
