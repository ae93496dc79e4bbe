"""Runs a file of SQL with DuckDB and gives the rows of its last statement, in batches.

Invariant: no batch is kept, DuckDB writes what does not fit into memory into a temporary folder, and nothing is fetched
from a network. One thread: the same files give the same rows in the same order. The time zone is UTC on every machine.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

_BATCH_ROWS: Final = 2048
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
}
_ROWS: Final = duckdb.ExpectedResultType.QUERY_RESULT
_line = re.compile(r"\n\nLINE ([0-9]+): ").search
_variable = re.compile(r"\bgetvariable\s*\(\s*'([^']+)'\s*\)", re.IGNORECASE).findall
_MAX_MESSAGE_CHARS: Final = 600

Row = tuple[Any, ...]


class QueryError(Exception):
    """A file of SQL that gives no rows; the text names the file, the line if it is known, and the reason."""


@dataclass(frozen=True)
class QueryRows:
    """The rows of a query.

    Attributes:
        columns: Name and SQL type of each column.
        batches: The rows; an iteration may raise QueryError.
    """

    columns: list[tuple[str, str]]
    batches: Iterator[list[Row]]


@contextmanager
def query_rows(path: Path, variables: Mapping[str, str]) -> Iterator[QueryRows]:
    """Run a file of SQL.

    Args:
        path: The file. Its last statement gives the rows; relative paths in it begin at the current folder.
        variables: Texts by name, which SQL reads with getvariable('name').

    Raises:
        QueryError: The file cannot be run.
    """
    sql = _text_of(path)
    with ExitStack() as stack:
        # In the system's temporary folder, as all other temporary files: TMPDIR moves them.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="volteface-convert-"))
        connection = stack.enter_context(duckdb.connect(":memory:", config=_CONFIG | {"temp_directory": folder}))
        connection.execute("SET TimeZone = 'UTC'")
        for name, value in variables.items():
            connection.execute(f'SET VARIABLE "{name}" = $1', [value])
        with _errors(path, sql, 0, variables):
            statements = connection.extract_statements(sql)
        _check_last(path, statements)
        lines_before = 0
        for statement in statements:
            with _errors(path, sql, lines_before, variables):
                connection.execute(statement.query)  # as text: in a statement DuckDB counts lines from the file
            start, lines_before = lines_before, lines_before + statement.query.count("\n")
        if not connection.description:
            raise QueryError(_no_rows(path))
        columns = [(str(name), str(kind)) for name, kind, *_ in connection.description]
        yield QueryRows(columns, _batches(connection, path, sql, start, variables))


def _batches(
    connection: duckdb.DuckDBPyConnection, path: Path, sql: str, lines_before: int, variables: Mapping[str, str]
) -> Iterator[list[Row]]:
    while True:
        with _errors(path, sql, lines_before, variables):
            batch = connection.fetchmany(_BATCH_ROWS)
        if not batch:
            return
        yield batch


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise QueryError(f"{path} is not UTF-8 (byte {error.start}): it must be a text file with SQL") from None


def _check_last(path: Path, statements: list[Any]) -> None:
    """Check that the last statement may give rows. A PIVOT is several statements, of which the last one does."""
    last = statements[-1] if statements else None
    if last is None or (last.expected_result_type != [_ROWS] and last.type != duckdb.StatementType.MULTI):
        raise QueryError(_no_rows(path))


def _no_rows(path: Path) -> str:
    return f"{path} gives no rows: its last statement must be a SELECT"


@contextmanager
def _errors(path: Path, sql: str, lines_before: int, variables: Mapping[str, str]) -> Iterator[None]:
    """Raise an error of DuckDB with the file, and with its line where DuckDB knows it."""
    try:
        yield
    except duckdb.Error as error:
        message = str(error)
        found = _line(message)
        where = f"{path}, line {lines_before + int(found[1])}" if found else f"{path}"
        raise QueryError(f"{where}: {_advice(message)}{_missing(sql, variables)}") from None


def _advice(message: str) -> str:
    """Return DuckDB's message as one line, without its picture of the place, with advice of ours."""
    if "requires the extension httpfs" in message:
        address = message.removeprefix("File ").partition(" ")[0]
        return f"{address} is in a network, and nothing is fetched from there: download the file first"
    text = re.sub(r"\s*\n\s*", " ", message.partition("\n\nLINE ")[0]).strip()
    text = text if len(text) <= _MAX_MESSAGE_CHARS else text[: _MAX_MESSAGE_CHARS - 1] + "…"
    if "No files found" in message:
        text += f"; relative paths begin at the current folder, {Path.cwd()}"
    return text


def _missing(sql: str, variables: Mapping[str, str]) -> str:
    """Name the variables that the SQL reads and nobody has set: for DuckDB these are null, and its error is another."""
    given = {name.lower() for name in variables}
    names = [name for name in dict.fromkeys(_variable(sql)) if name.lower() not in given]
    return f" (not set: {', '.join(names)}; give --set {names[0]}=VALUE)" if names else ""
