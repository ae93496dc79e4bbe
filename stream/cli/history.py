"""The command `convert`."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stream import config
from stream.cli.input_file import check_input, check_output
from stream.cli.option_values import shortened
from stream.cli.output import fail, messages, print_json, say, warn

if TYPE_CHECKING:
    from stream.offline.history.convert import BadRows, Conversion

_NO_ORDER: Final = "what happened first on a day is unknown, so give times if you have them"
#: The share of times at midnight above which a person is asked: in any other table one in 86,400 is.
_MIDNIGHTS: Final = 0.01
_assignment = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL).fullmatch


def convert(
    sql: Annotated[list[Path], typer.Option(metavar="FILE", help="SQL whose last SELECT gives events; repeatable")],
    out_file: Annotated[str, typer.Option("--out", help="a .jsonl or .jsonl.gz file, or - for standard output")],
    variables: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="a text that SQL reads with getvariable('NAME'); repeatable"),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="leave out rows that are no events, and count them")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Turn your own tables (CSV, JSON, Parquet) into a file of events, with a query in SQL."""
    out = None if out_file == "-" else Path(out_file)
    if out is None and as_json:
        raise typer.BadParameter("--json prints the result to standard output, where --out - writes the events")
    for path in sql:
        check_input(path)
    if out is not None:
        check_output(out, *sql)
        if out.suffixes[-2:] != [".jsonl", ".gz"] and out.suffix != ".jsonl" and (out.is_file() or not out.exists()):
            raise typer.BadParameter(f"--out takes a name that ends in .jsonl or .jsonl.gz, not {shortened(out_file)}")
    given = _variables(variables or [])
    try:
        from stream.offline.history.convert import BadRows
        from stream.offline.history.convert import convert as run
        from stream.offline.history.query import QueryError
    except ModuleNotFoundError as error:
        fail(f"convert needs the package {error.name}: install volteface[history]")
    settings, _ = config.load()
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} rows"), TimeElapsedColumn())
    try:
        # Without a terminal the bar would only repeat the last line.
        with Progress(*columns, console=messages, disable=not messages.is_terminal) as progress:
            bar = progress.add_task("convert", total=None)
            done = run(
                settings, sql, given, out, time.time(),
                skip_bad=skip_bad, on_rows=lambda rows: progress.update(bar, completed=rows),
            )  # fmt: skip
    except QueryError as error:
        fail(str(error))
    except BadRows as error:
        _fail_of_rows(error)
    if as_json:
        print_json(done)
    _warn(done)
    if not as_json:
        _say(done, out)


def _variables(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        match = _assignment(text)
        if match is None:
            raise typer.BadParameter(f"--set takes NAME=VALUE, such as reviews=dump.csv, not {shortened(text)}")
        if match[1].lower() in map(str.lower, found):
            raise typer.BadParameter(f"--set gives {match[1]} twice")
        found[match[1]] = match[2]
    return found


def _fail_of_rows(error: BadRows) -> None:
    for text in error.texts:
        say(text, "red")
    fail("nothing was written: correct the query, or give --skip-bad to leave out such rows and count them")


def _warn(done: Conversion) -> None:
    """Print what a person must know to trust the file."""
    for each in done.skipped:
        where = f" in {each.column}" if each.column else ""
        warn(f"skipped {_rows(each.count)}, {each.reason}{where}; the first: {each.text}")
    if done.identical:
        warn(
            f"left out {_rows(done.identical)} equal to another row: if they are events of their own, give each row "
            "an event_id"
        )
    if not done.all_compared:
        warn("too many events of one type have the same time: not all of them were compared for equal rows")
    if done.times_without_zone:
        warn(
            f"took times without a zone as UTC in {_rows(done.times_without_zone)}: if they are local times, write "
            "occurred_at AT TIME ZONE 'Europe/Berlin', for example"
        )
    if done.dates:
        warn(f"took dates as midnight UTC in {_rows(done.dates)}: {_NO_ORDER}")
    elif done.midnights > done.rows * _MIDNIGHTS:
        warn(f"{_rows(done.midnights)} of {done.rows:,} have midnight as their time, as dates have: {_NO_ORDER}")


def _say(done: Conversion, out: Path | None) -> None:
    types = ", ".join(f"{count:,} {name}" for name, count in done.types.items())
    say(f"{done.events:,} events from {done.first[:10]} to {done.last[:10]}: {types}")
    if out is not None:
        say(f"written to {out}; next: volteface replay --input {out} --alerts alerts.jsonl")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
