"""Files of SQL: which statements give rows, and what an error says."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from stream.offline.history.query import QueryError, query_rows


def rows(path: Path, sql: str, **variables: str) -> list[tuple[object, ...]]:
    path.write_text(sql)
    with query_rows(path, variables) as result:
        return [row for batch in result.batches for row in batch]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("query.sql")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a",
        "-- why\nSELECT 1 AS a; -- that is all\n/* end */",
        "VALUES (1)",
        "FROM (VALUES (1))",
        "WITH x AS (SELECT 1) FROM x",
        "CREATE TABLE t AS SELECT 1; TABLE t;",
        "SET memory_limit = '1GB'; CREATE MACRO f(x) AS x + 0; SELECT f(1)",
        "PIVOT (SELECT 'a' AS name, 1 AS value) ON name USING sum(value)",
        "\ufeffSELECT 1",
    ],
)
def test_the_last_statement_gives_the_rows(path: Path, sql: str) -> None:
    assert rows(path, sql) == [(1,)]


@pytest.mark.parametrize(
    "sql", ["", "-- nothing", "CREATE TABLE t (a INTEGER)", "SELECT 1; SET threads = 1", "COPY (SELECT 1) TO 'x.csv'"]
)
def test_a_file_without_rows_is_one_line(path: Path, sql: str) -> None:
    with pytest.raises(QueryError) as caught:
        rows(path, sql)
    assert str(caught.value) == "query.sql gives no rows: its last statement must be a SELECT"


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT 1;\n\nSELEC 2", 'query.sql, line 3: Parser Error: syntax error at or near "SELEC"'),
        ("SELECT 1;\n\n-- b\nSELECT\n b\nFROM (SELECT 1 AS a)", "query.sql, line 5: Binder Error: Referenced column "
         '"b" not found in FROM clause! Candidate bindings: "a"'),
        ("FROM 'no.csv'",
         "query.sql: IO Error: No files found that match the pattern \"no.csv\"; relative paths begin at "
         "the current folder, {0}"),
        ("FROM 'https://example.org/a.csv'",
         "query.sql: https://example.org/a.csv is in a network, and nothing is fetched "
         "from there: download the file first"),
        ("SELECT *\nFROM\n read_parquet('s3://bucket/a.parquet')", "query.sql, line 3: s3://bucket/a.parquet is in a "
         "network, and nothing is fetched from there: download the file first"),
        ("SELECT * FROM read_csv(getvariable('table'))",
         "query.sql, line 1: Parser Error: \"read_csv\" cannot take NULL "
         "list as parameter (not set: table; give --set table=VALUE)"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_and_reason(path: Path, sql: str, text: str) -> None:
    with pytest.raises(QueryError) as caught:
        rows(path, sql)
    assert str(caught.value) == text.format(Path.cwd())


def test_an_error_while_rows_are_read_is_one_line_too(path: Path) -> None:
    sql = "SELECT 1;\nSELECT CAST(if(i < 5000, '1', 'x') AS INTEGER) FROM range(9000) t(i)"
    with pytest.raises(
        QueryError, match=r"^query\.sql(, line 2)?: Conversion Error: Could not convert string 'x'"
    ) as caught:
        rows(path, sql)
    assert "\n" not in str(caught.value)


def test_a_damaged_table_is_named_with_its_line(path: Path) -> None:
    Path("a.csv").write_text("a,b\n" + "1,2\n" * 30_000 + "1,2,3,4\n")
    with pytest.raises(QueryError, match=r"CSV Error on Line: 30002"):
        rows(path, "FROM read_csv('a.csv')")


def test_bytes_that_are_no_text_are_named(path: Path) -> None:
    path.write_bytes(b"SELECT '\xe9'")
    with (
        pytest.raises(QueryError, match=r"^query\.sql is not UTF-8 \(byte 8\): it must be a text file with SQL$"),
        query_rows(path, {}),
    ):
        pass


def test_variables_are_texts_whatever_is_in_them(path: Path) -> None:
    sql = "SELECT getvariable('A'), getvariable('b')"
    assert rows(path, sql, a="it's", b='"; DROP TABLE x') == [("it's", '"; DROP TABLE x')]


def test_times_do_not_depend_on_the_zone_of_the_machine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    sql = "SELECT CAST(TIMESTAMP '2025-03-01 10:00:00' AS TIMESTAMPTZ)"
    ((found,),) = rows(path, sql)
    assert str(found) == "2025-03-01 10:00:00+00:00"


def test_an_extension_is_not_fetched(path: Path) -> None:
    assert rows(
        path, "SELECT current_setting('autoinstall_known_extensions'), current_setting('autoload_known_extensions')"
    ) == [(False, False)]


def test_temporary_files_are_in_the_temporary_folder_and_removed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    ((folder,),) = rows(path, "SELECT current_setting('temp_directory')")
    assert Path(str(folder)).parent == tmp_path / "temporary"
    spilled = "SET memory_limit = '60MB'; SELECT i, hash(i), repeat('x', 100) FROM range(1000000) t(i) ORDER BY hash(i)"
    assert len(rows(path, spilled)) == 1_000_000
    assert sorted(each.name for each in tmp_path.iterdir()) == ["query.sql", "temporary"]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_rows_come_in_the_order_of_the_files_in_every_run(path: Path) -> None:
    Path("a.csv").write_text("a\n" + "".join(f"{number}\n" for number in range(20_000)))
    found = rows(path, "SELECT a FROM 'a.csv' WHERE a % 3 = 0")
    assert found == [(number,) for number in range(0, 20_000, 3)]
