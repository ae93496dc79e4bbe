"""Values of columns as Debezium writes them under each of its modes, and the values that are refused."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.bridge.column_values import ColumnReader
from stream.bridge.source_records import DocumentReader
from stream.intake.column_types import ColumnType
from stream.intake.refusal import Refused
from stream.intake.schema_cache import SchemaCache
from stream.offline.history.columns import Takes
from tests.unit.bridge.samples import FOLDER, records

READER = ColumnReader()
_UTC = dt.UTC
_FILES = sorted(path.stem for path in FOLDER.glob("kinds-*.jsonl"))


def _column(name: str, row: int, column: str, takes: Takes) -> Any:
    """Return a column of a sample's row as the contract takes it."""
    reader = DocumentReader(SchemaCache())
    for source in records(name):
        document = reader.value(source)
        assert document is not None
        after = document.value["after"]
        if after["id"] == row:
            return READER.read(takes, column, after[column], document.types.get(column))
    raise AssertionError(f"{name} has no row {row}")


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("row", [1, 11])
def test_times_are_the_same_under_every_precision_mode(name: str, row: int) -> None:
    expected = dt.datetime(2025, 3, 1, 10, 0, 0, 123456, _UTC)
    to_millis = dt.datetime(2025, 3, 1, 10, 0, 0, 123000, _UTC)
    assert _column(name, row, "at", Takes.TIME) == expected
    assert _column(name, row, "at_ms", Takes.TIME) == to_millis
    assert _column(name, row, "local_at", Takes.TIME) in {expected, to_millis}  # `connect` has milliseconds alone
    assert _column(name, row, "local_ms", Takes.TIME) == to_millis
    assert _column(name, row, "day", Takes.TIME) == dt.datetime(2025, 3, 1, tzinfo=_UTC)


@pytest.mark.parametrize(
    "name", ["kinds-string", "kinds-double", "kinds-precise-schemas", "kinds-time-connect", "kinds-time-isostring"]
)
def test_decimals_are_numbers_under_every_mode_that_says_their_scale(name: str) -> None:
    assert _column(name, 1, "price", Takes.NUMBER) == 19.9
    assert _column(name, 2, "price", Takes.NUMBER) == -0.01
    assert _column(name, 1, "weight", Takes.NUMBER) == 1.5


def test_a_decimal_as_bytes_without_a_scale_is_refused_with_the_setting_that_repairs_it() -> None:
    """Its variable counterpart has its scale beside it."""
    assert _column("kinds-precise", 1, "weight", Takes.NUMBER) == 1.5
    with pytest.raises(
        Refused, match=r"Column price is text, no number; is it a decimal\? .*decimal.handling.mode=string"
    ):
        _column("kinds-precise", 1, "price", Takes.NUMBER)


@pytest.mark.parametrize("row", [2, 3, 12, 13])
@pytest.mark.parametrize("name", _FILES)
def test_times_before_1970_and_infinite_times_are_refused(name: str, row: int) -> None:
    """An infinite time without a zone is a number of the year 2262 or so: a worker refuses it as one of the future."""
    for column in ("at", "at_ms", "day", *(("local_at", "local_ms") if row in {2, 12} else ())):
        with pytest.raises(Refused, match=f"^bad_value: Column {column} is "):
            _column(name, row, column, Takes.TIME)


@pytest.mark.parametrize(
    ("takes", "value", "expected"),
    [
        (Takes.TEXT, "s1", "s1"), (Takes.TEXT, 17, "17"), (Takes.TEXT, 17.0, "17"), (Takes.TEXT, 2**53, str(2**53)),
        (Takes.NUMBER, 4, 4), (Takes.NUMBER, "4", 4), (Takes.NUMBER, "4.0", 4), (Takes.NUMBER, 12.5, 12.5),
        (Takes.NUMBER, {"scale": 2, "value": "B8Y="}, 19.9),
        (Takes.TRUTH, True, True), (Takes.TRUTH, 0, False), (Takes.TRUTH, "t", True), (Takes.TRUTH, "false", False),
        (Takes.TIME, 1740823200, dt.datetime(2025, 3, 1, 10, tzinfo=_UTC)),
        (Takes.TIME, 1740823200000, dt.datetime(2025, 3, 1, 10, tzinfo=_UTC)),
        (Takes.TIME, 20148, dt.datetime(2025, 3, 1, tzinfo=_UTC)),
        (Takes.TIME, "2025-03-01T12:00:00+02:00", dt.datetime(2025, 3, 1, 10, tzinfo=_UTC)),
        (Takes.TIME, "2025-03-01 12:00:00.5+02", dt.datetime(2025, 3, 1, 10, 0, 0, 500000, _UTC)),
        (Takes.TIME, "2025-03-01 10:00:00", dt.datetime(2025, 3, 1, 10, tzinfo=_UTC)),
        (Takes.TIME, "2025-03-01T10:00:00.123456789Z", dt.datetime(2025, 3, 1, 10, 0, 0, 123456, _UTC)),
    ],
)  # fmt: skip
def test_a_value_is_taken(takes: Takes, value: Any, expected: Any) -> None:
    assert READER.read(takes, "c", value, None) == expected


@pytest.mark.parametrize(
    ("takes", "value"),
    [
        (Takes.TEXT, 1.5), (Takes.TEXT, True), (Takes.TEXT, ["a"]), (Takes.TEXT, {"a": 1}), (Takes.WORD, 3),
        (Takes.NUMBER, True), (Takes.NUMBER, "four"), (Takes.NUMBER, "NaN"), (Takes.NUMBER, "1e999999999"),
        (Takes.NUMBER, {"scale": 99999, "value": "B8Y="}), (Takes.NUMBER, {"scale": 1, "value": "!"}),
        (Takes.NUMBER, 2**53 + 1), (Takes.TRUTH, 2), (Takes.TRUTH, "yes"),
        (Takes.TIME, True), (Takes.TIME, "soon"), (Takes.TIME, "2025-02-30T10:00:00Z"), (Takes.TIME, -1),
        (Takes.TIME, 1.5), (Takes.TIME, 2**70), (Takes.TIME, "9999-12-31T23:59:59-14:00"),
    ],
)  # fmt: skip
def test_a_value_is_refused_with_the_columns_name(takes: Takes, value: Any) -> None:
    with pytest.raises(Refused, match=r"^bad_value: Column c is "):
        READER.read(takes, "c", value, None)


def test_a_time_without_a_zone_is_in_the_zone_of_the_table() -> None:
    berlin = ColumnReader("Europe/Berlin")
    winter, summer = dt.datetime(2025, 3, 1, 9, tzinfo=_UTC), dt.datetime(2025, 7, 1, 8, tzinfo=_UTC)
    # Debezium's number of a time without a zone is that of the same clock in UTC.
    assert berlin.read(Takes.TIME, "c", 1740823200000000, ColumnType("io.debezium.time.MicroTimestamp")) == winter
    assert berlin.read(Takes.TIME, "c", 1751364000000, None) == summer
    assert berlin.read(Takes.TIME, "c", "2025-07-01 10:00:00", None) == summer
    assert berlin.read(Takes.TIME, "c", "2025-07-01T10:00:00Z", None) == summer + dt.timedelta(hours=2)
    instant = berlin.read(Takes.TIME, "c", 1751364000000, ColumnType("timestamp-millis"))
    assert instant == summer + dt.timedelta(hours=2)


@given(at=st.datetimes(dt.datetime(1973, 3, 4), dt.datetime(2280, 1, 1), timezones=st.just(_UTC)))
def test_the_size_of_a_number_tells_its_unit(at: dt.datetime) -> None:
    micros = (at - dt.datetime(1970, 1, 1, tzinfo=_UTC)) // dt.timedelta(microseconds=1)
    seconds = at.replace(microsecond=0)
    assert READER.read(Takes.TIME, "c", micros, None) == at
    assert READER.read(Takes.TIME, "c", micros * 1000, None) == at
    assert READER.read(Takes.TIME, "c", micros // 1000, None) == at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert READER.read(Takes.TIME, "c", micros // 1_000_000, None) == seconds


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["scale", "value"]), inner),
    max_leaves=5,
)
_TYPES = st.none() | st.builds(
    ColumnType,
    st.sampled_from(
        ["io.debezium.time.Date", "io.debezium.time.NanoTimestamp", "timestamp-millis", "decimal", "other"]
    ),
    st.none() | st.integers(-5, 200),
)


@given(takes=st.sampled_from(Takes), value=_VALUES.filter(lambda value: value is not None), column_type=_TYPES)
def test_any_value_is_taken_or_refused(takes: Takes, value: Any, column_type: ColumnType | None) -> None:
    try:
        found = READER.read(takes, "c", value, column_type)
    except Refused as refused:
        assert refused.detail.startswith("Column c is ")
    else:
        json.dumps(found, default=str)
