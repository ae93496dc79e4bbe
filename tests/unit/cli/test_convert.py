"""The command `convert`: what it prints, and what wrong use says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.unit.cli.conftest import Invoke
from tests.unit.cli.processes import command_line, run

ROW: Final = (
    "SELECT 'review.created' AS type, {0} AS occurred_at, 1 AS seller_id, 2 AS product_id, i AS review_id, "
    "4 AS reviewer_id, 1 AS rating FROM (VALUES (1), (2)) t(i)"
)
INSTANT: Final = "TIMESTAMPTZ '2025-03-01 10:00:00+00'"


def _query(at: str = INSTANT, text: str = ROW) -> None:
    Path("query.sql").write_text(text.format(at))


def test_the_summary_says_how_many_events_of_which_types_and_what_comes_next(invoke: Invoke) -> None:
    _query()
    done = invoke("convert", "--sql", "query.sql", "--out", "events.jsonl")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "2 events from 2025-03-01 to 2025-03-01: 2 review.created",
        "written to events.jsonl; next: volteface replay --input events.jsonl --alerts alerts.jsonl",
    ]
    assert len(Path("events.jsonl").read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        (
            ROW.format("TIMESTAMP '2025-03-01 10:00:00'"),
            "took times without a zone as UTC in 2 rows: if they are local times, write occurred_at AT TIME ZONE "
            "'Europe/Berlin', for example",
        ),
        (
            ROW.format("DATE '2025-03-01'"),
            "took dates as midnight UTC in 2 rows: what happened first on a day is unknown, so give times if you have "
            "them",
        ),
        (
            ROW.format("TIMESTAMPTZ '2025-03-01 00:00:00+00'"),
            "2 rows of 2 have midnight as their time, as dates have: what happened first on a day is unknown, so give "
            "times if you have them",
        ),
        (
            ROW.format(INSTANT).replace("(2)", "(2), (2)"),
            "left out 1 row equal to another row: if they are events of their own, give each row an event_id",
        ),
    ],
)
def test_what_was_assumed_is_said(invoke: Invoke, sql: str, line: str) -> None:
    _query(text=sql.replace("{", "{{"))
    done = invoke("convert", "--sql", "query.sql", "--out", "events.jsonl")
    assert done.exit_code == 0
    assert done.stderr.splitlines()[0] == line


def test_bad_rows_end_the_command_unless_they_may_be_skipped(invoke: Invoke) -> None:
    _query(text=ROW.replace("1 AS rating", "i + 4 AS rating"))
    done = invoke("convert", "--sql", "query.sql", "--out", "events.jsonl")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "query.sql, row 2, rating = 6: it is 6: write a whole number from 1 to 5",
        "nothing was written: correct the query, or give --skip-bad to leave out such rows and count them",
    ]
    done = invoke("convert", "--sql", "query.sql", "--out", "events.jsonl", "--skip-bad")
    assert done.exit_code == 0
    assert done.stderr.splitlines()[0] == (
        "skipped 1 row, bad_value in rating; the first: query.sql, row 2, rating = 6: it is 6: write a whole number "
        "from 1 to 5"
    )


def test_the_result_as_json(invoke: Invoke) -> None:
    _query()
    done = invoke("convert", "--sql", "query.sql", "--out", "events.jsonl.gz", "--json")
    found = json.loads(done.stdout)
    assert found.pop("seconds") >= 0
    assert found == {
        "rows": 2, "events": 2, "types": {"review.created": 2}, "identical": 0, "all_compared": True,
        "times_without_zone": 0, "dates": 0, "midnights": 0, "skipped": [],
        "first": "2025-03-01T10:00:00Z", "last": "2025-03-01T10:00:00Z",
    }  # fmt: skip


def test_events_can_go_to_standard_output(tmp_path: Path) -> None:
    query = tmp_path / "query.sql"
    query.write_text(ROW.format(INSTANT))
    done = run(command_line("convert", "--sql", str(query), "--out", "-"))
    assert [json.loads(line)["review_id"] for line in done.stdout.splitlines()] == ["1", "2"]
    assert done.stderr == b"2 events from 2025-03-01 to 2025-03-01: 2 review.created\n"


def test_variables_reach_the_query_and_the_last_equals_sign_may_be_theirs(invoke: Invoke) -> None:
    _query(text=ROW.replace("1 AS seller_id", "getvariable('seller') AS seller_id"))
    assert invoke("convert", "--sql", "query.sql", "--out", "a.jsonl", "--set", "seller=a=b").exit_code == 0
    assert b'"seller_id":"a=b"' in Path("a.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--out", "events.csv"), "--out takes a name that ends in .jsonl or .jsonl.gz, not 'events.csv'"),
        (("--out", "-", "--json"), "--json prints the result to standard output, where --out - writes the events"),
        (("--out", "a.jsonl", "--set", "=x"), "--set takes NAME=VALUE, such as reviews=dump.csv, not '=x'"),
        (("--out", "a.jsonl", "--set", "a-b=x"), "--set takes NAME=VALUE, such as reviews=dump.csv, not 'a-b=x'"),
        (("--out", "a.jsonl", "--set", "a=x", "--set", "A=y"), "--set gives A twice"),
    ],
)
def test_wrong_use_is_said(invoke: Invoke, arguments: tuple[str, ...], text: str) -> None:
    _query()
    done = invoke("convert", "--sql", "query.sql", *arguments)
    assert done.exit_code == 2
    assert text in " ".join(done.stderr.replace("│", " ").split())
    assert sorted(path.name for path in Path().iterdir()) == ["query.sql"]


def test_a_query_that_cannot_be_run_is_one_line(invoke: Invoke) -> None:
    _query(text="SELECT\n 1 FROM nowhere")
    done = invoke("convert", "--sql", "query.sql", "--out", "events.jsonl")
    assert done.exit_code == 1
    assert done.stderr.startswith("query.sql, line 2: Catalog Error: Table with name nowhere does not exist!")
    assert len(done.stderr.splitlines()) == 1


def test_without_duckdb_the_extra_is_named(tmp_path: Path) -> None:
    query = tmp_path / "query.sql"
    query.write_text(ROW.format(INSTANT))
    program = "import sys; sys.modules['duckdb'] = None; from stream.cli.main import main; main()"
    arguments = ["convert", "--sql", str(query), "--out", str(tmp_path / "a.jsonl")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "convert needs the package duckdb: install volteface[history]\n")


def test_no_other_command_imports_duckdb() -> None:
    program = "import sys; import stream.cli.main; sys.exit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
