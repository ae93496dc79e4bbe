"""Conversions: order, identical rows, bad rows, equal bytes, and nothing half."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stream.config import Settings
from stream.intake.intake import Intake
from stream.offline.history import convert as module
from stream.offline.history.columns import COLUMNS
from stream.offline.history.convert import BadRows, Conversion, convert
from stream.offline.history.query import QueryError
from stream.offline.replay import replay
from stream.ops.event_files import head, stream_of

SETTINGS: Final = Settings()
NOW: Final = 1_800_000_000.0
#: A good row.
ROW: Final = (
    "SELECT 'review.created' AS type, TIMESTAMPTZ '2025-03-01 10:00:00+00' AS occurred_at, 's1' AS seller_id, "
    "'p1' AS product_id, 'r' || i AS review_id, 'u1' AS reviewer_id, 1 AS rating"
)
Run = Callable[..., Conversion]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Convert queries, which are given as texts, to events.jsonl."""
    monkeypatch.chdir(tmp_path)

    def converted(*queries: str, out: str = "events.jsonl", **arguments: Any) -> Conversion:
        paths = [Path(f"{number}.sql") for number, _ in enumerate(queries, 1)]
        for path, query in zip(paths, queries, strict=True):
            path.write_text(query)
        return convert(SETTINGS, paths, {}, Path(out), NOW, **arguments)

    return converted


def events() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("events.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize("run_bytes", [1, 1 << 20])
def test_events_of_all_queries_are_in_order_of_time_then_type_then_row(run: Run, run_bytes: int) -> None:
    edited = (
        "SELECT 'review.edited' AS type, {0} AS occurred_at, 's1' AS seller_id, 'p1' AS product_id, 'r1' AS review_id, "
        "'u1' AS reviewer_id, {1} AS rating"
    )
    at = "TIMESTAMPTZ '2025-03-01 10:00:00+00'"
    done = run(
        f"{edited.format(at, 5)} UNION ALL {edited.format(at, 4)}",
        f"{edited.format(f'{at} - INTERVAL 1 MICROSECOND', 3)}",
        f"{ROW} FROM range(1, 3) t(i)",
        run_bytes=run_bytes,
    )
    found = [(each["type"][7:], each["review_id"], each["rating"]) for each in events()]
    assert found == [
        ("edited", "r1", 3),
        ("created", "r1", 1),
        ("created", "r2", 1),
        ("edited", "r1", 5),
        ("edited", "r1", 4),
    ]
    assert (done.rows, done.events, done.types) == (5, 5, {"review.created": 2, "review.edited": 3})
    assert (done.first, done.last) == ("2025-03-01T09:59:59.999999Z", "2025-03-01T10:00:00Z")


def test_a_replay_accepts_every_event(run: Run) -> None:
    done = run(f"{ROW} FROM range(50) t(i)", out="events.jsonl.gz")
    result = replay(SETTINGS, "events.jsonl.gz", 1, lambda alert: None)
    assert (result.events, result.dead, result.unknown_fields, result.duplicates) == (done.events, 0, 0, 0)


def test_identical_rows_are_one_event_and_are_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    later = ROW.replace("10:00:00", "10:00:01")
    query = f"{ROW} FROM (VALUES (1), (2), (1), (1)) t(i) UNION ALL {later} FROM (VALUES (1)) t(i)"
    done = run(query)
    assert (done.rows, done.events, done.identical, done.all_compared) == (5, 3, 2, True)
    with_ids = f"SELECT *, 'e' || row_number() OVER () AS event_id FROM ({query})"
    assert (run(with_ids).events, run(with_ids).identical) == (5, 0)
    monkeypatch.setattr(module, "_MAX_COMPARED", 1)
    assert run(f"{ROW} FROM (VALUES (1), (2), (2)) t(i)").all_compared is False


def test_times_that_were_completed_are_counted(run: Run) -> None:
    def at(expression: str) -> str:
        return ROW.replace("TIMESTAMPTZ '2025-03-01 10:00:00+00'", expression)

    done = run(f"{ROW} FROM range(2) t(i)", f"{at('TIMESTAMP ' + repr('2025-03-02 10:00:00'))} FROM range(3) t(i)",
               f"{at('DATE ' + repr('2025-03-03'))} FROM range(4) t(i)")  # fmt: skip
    assert (done.times_without_zone, done.dates, done.midnights) == (3, 4, 4)


BAD: Final = f"{ROW.replace('1 AS rating', 'i AS rating')} FROM range(1, 21) t(i)"


def test_bad_rows_are_listed_up_to_ten_and_nothing_is_written(run: Run) -> None:
    with pytest.raises(BadRows) as caught:
        run(f"{ROW} FROM range(3) t(i)", BAD)
    assert len(caught.value.texts) == 10
    assert caught.value.texts[0] == "2.sql, row 6, rating = 6: it is 6: write a whole number from 1 to 5"
    assert not Path("events.jsonl").exists()
    with pytest.raises(BadRows) as caught:
        run(BAD.replace("21", "8"))
    assert len(caught.value.texts) == 2


def test_bad_rows_can_be_left_out_and_are_counted_by_reason_and_column(run: Run) -> None:
    without = f"{ROW.replace(repr('s1'), 'NULL')} FROM range(2) t(i)"
    done = run(BAD, without, skip_bad=True)
    assert (done.rows, done.events) == (22, 5)
    assert [(each.reason, each.column, each.count) for each in done.skipped] == [
        ("bad_value", "rating", 15), ("missing_field", "seller_id", 2),
    ]  # fmt: skip
    assert done.skipped[0].text == "1.sql, row 6, rating = 6: it is 6: write a whole number from 1 to 5"
    with pytest.raises(BadRows, match="needs a value"):
        run(without, skip_bad=True)


def test_wrong_columns_are_all_named(run: Run) -> None:
    with pytest.raises(QueryError) as caught:
        run("SELECT 1 AS typ, now() AS occurred_at, 1.5::DOUBLE AS seller_id")
    assert str(caught.value).splitlines() == [
        "1.sql: the query has no column type",
        "1.sql: this column is no field of an event: typ; if typ is the type, write typ AS type; leave out others with "
        "SELECT * EXCLUDE (typ)",
        "1.sql: column seller_id is DOUBLE: an id must not be rounded: write CAST(seller_id AS BIGINT)",
    ]


def test_no_rows_are_an_error(run: Run) -> None:
    with pytest.raises(QueryError, match="the result has no rows"):
        run(f"{ROW} FROM range(0) t(i)")


def test_two_runs_give_the_same_bytes(run: Run) -> None:
    grouped = "SELECT k AS i FROM (SELECT hash(i) % 5000 AS k FROM range(100000) r(i)) GROUP BY k"
    query = f"{ROW} FROM ({grouped}) JOIN range(5000) u(k) ON u.k = i"  # DuckDB promises no order of such rows
    contents = []
    for number in range(2):
        run(query, out=f"{number}.jsonl.gz")
        contents.append(Path(f"{number}.jsonl.gz").read_bytes())
    assert contents[0] == contents[1] and len(gzip.decompress(contents[0])) > 10_000


def test_tables_of_all_kinds_of_files(run: Run) -> None:
    rows = f"{ROW} FROM range(5) t(i)"
    formats = {
        "a.csv": "",
        "a.csv.gz": "",
        "a.tsv": "DELIMITER '\t'",
        "a.json": "",
        "a.jsonl.gz": "FORMAT json",
        "a.parquet": "",
    }
    results = set()
    for name, options in formats.items():
        made = f"COPY ({rows}) TO '{name}' ({options})" if options else f"COPY ({rows}) TO '{name}'"
        run(f"{made}; FROM '{name}'")
        results.add(Path("events.jsonl").read_bytes())
    assert len(results) == 1


def test_an_error_while_it_writes_leaves_the_old_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("events.jsonl").write_text("old")

    def no_space(writer: object, lines: object) -> Any:
        yield b"half\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module._Writer, "lines", no_space)
    with pytest.raises(OSError, match="No space left"):
        run(f"{ROW} FROM range(5) t(i)")
    assert Path("events.jsonl").read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["1.sql", "events.jsonl"]


#: Values of all types of SQL that DuckDB has.
_EXPRESSIONS: Final = [
    "NULL", "''", "'a'", "'a b'", "1", "-1", "5::UTINYINT", "170141183460469231731687303715884105727", "1.5",
     "1.0::DECIMAL(9,0)",
    "'nan'::DOUBLE", "'-inf'::FLOAT", "2::DOUBLE", "true", "uuid()", "'author'", "'refund'::ENUM('refund', 'x')",
     "'EUR'",
    "now()", "'infinity'::TIMESTAMP", "'-infinity'::TIMESTAMPTZ", "'infinity'::DATE", "'290000-01-01'::TIMESTAMP",
    "'0044-03-15 (BC)'::DATE", "'2025-03-01'::DATE", "'2025-03-01 10:00:00'::TIMESTAMP_NS", "'1969-01-01'::TIMESTAMP_S",
    "'10:00'::TIME", "'10:00'::TIMETZ", "INTERVAL 1 DAY", "[1]", "[]", "{'a': 1}", "map {'a': 1}", "'x'::BLOB",
     "'101'::BIT",
    "'\"a\"'::JSON", "1::BIGNUM", "'x'::VARIANT", "union_value(a := 1)", "'2025-03-01T10:00:00Z'", "'2025-03-01'",
     "'review.created'",
    "'seller'", "'\u2003'", "chr(0)", "'a@b.org'", "repeat('x', 200)",
]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "expression"), list(itertools.product(["seller_id", "rating", "occurred_at"], _EXPRESSIONS))
)
def test_every_type_of_sql_gives_an_event_or_a_named_error(run: Run, column: str, expression: str) -> None:
    _event_or_error(run, {column: expression})


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(values=st.dictionaries(st.sampled_from(list(COLUMNS)), st.sampled_from(_EXPRESSIONS), max_size=4))
def test_any_values_in_any_columns_give_an_event_or_a_named_error(run: Run, values: dict[str, str]) -> None:
    _event_or_error(run, values)


def _event_or_error(run: Run, values: dict[str, str]) -> None:
    """Convert a good row with these values in place of its own, or in further columns."""
    columns = [name for name in _PRESENT if name not in values] + [
        f"{value} AS {name}" for name, value in values.items()
    ]
    row = f"SELECT {', '.join(columns)} FROM ({ROW} FROM range(1) t(i))"
    try:
        run(row)
    except (QueryError, BadRows) as error:
        assert any(name in str(error) for name in COLUMNS)
        assert "Error:" not in str(error), "no error of DuckDB: the columns and rows are checked"
        return
    (line,) = Path("events.jsonl").read_bytes().splitlines()
    Intake(SETTINGS, 1).read(stream_of(head(line).type), line)


_PRESENT: Final = ("type", "occurred_at", "seller_id", "product_id", "review_id", "reviewer_id", "rating")
