"""How commands print: results to standard output, everything else to standard error.

Invariant: texts from outside, such as ids, are printed literally: no markup, no emoji codes, no control characters. A
line of JSON is written whole, in UTF-8 and at once. Nothing that happens to the output ends in a stack trace.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

import msgspec
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from stream.texts import literal

#: How long a command may take to end after a signal, for example while nobody reads its output.
_STOP_SECONDS: Final = 5
_INTERRUPTED: Final = 130

messages = Console(stderr=True, markup=False, emoji=False, highlight=False)
results = Console(markup=False, emoji=False, highlight=False)


class _Line:
    """Whether a line is being written, and whether a signal came meanwhile."""

    def __init__(self) -> None:
        self.is_open = False
        self.interrupted = False


class _Stop:
    """What a signal calls in place of raising KeyboardInterrupt; None if it raises."""

    def __init__(self) -> None:
        self.call: Callable[[], object] | None = None


_line = _Line()
_stop = _Stop()


def prepare_output() -> None:
    """Let signals end the command between two lines, and let no character of a text be an error."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_stop)
    signal.signal(signal.SIGALRM, _on_overdue)
    if sys.stdout is None:  # closed by the caller: descriptor 1 must not become a connection to Kafka
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # open until the end
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _on_stop(number: int, frame: FrameType | None) -> None:
    signal.alarm(_STOP_SECONDS)
    if _line.is_open:
        _line.interrupted = True
    elif _stop.call is not None:
        _stop.call()
    else:
        raise KeyboardInterrupt


def _on_overdue(number: int, frame: FrameType | None) -> None:
    os._exit(_INTERRUPTED)


def finish_output() -> None:
    """Write what is buffered. If that is not possible, drop it: Python would try again, and print a stack trace."""
    try:
        sys.__stdout__.flush()  # type: ignore[union-attr]  # None is an AttributeError
    except AttributeError:
        pass
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@contextmanager
def stopped_by(call: Callable[[], object]) -> Iterator[None]:
    """Let a signal make this call: code that cannot take an exception between any two instructions needs it."""
    _stop.call = call
    try:
        yield
    finally:
        _stop.call = None


@contextmanager
def _whole_line() -> Iterator[None]:
    """Put off signals until a line is written."""
    _line.is_open = True
    try:
        yield
    finally:
        _line.is_open = False
    if _line.interrupted:
        raise KeyboardInterrupt


def print_json(value: object) -> None:
    """Print a result as one line of JSON, in UTF-8 whatever the locale is, so that a reader has it at once."""
    line = msgspec.json.encode(value) + b"\n"
    sys.stdout.flush()
    with _whole_line():
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def print_fields(fields: Sequence[str], style: str = "", indent: int = 0) -> None:
    """Print short texts one after the other. A line ends between two texts, never within one."""
    first, *more = _filled(fields, "  ", results.width - indent - 2)
    for line in (first, *(f"  {line}" for line in more)):
        results.print(" " * indent + line, style=style, soft_wrap=True)


def print_paragraph(text: str, indent: int = 2) -> None:
    """Print a long text, indented. A line ends between two words, never within one."""
    for line in _filled(text.split(), " ", results.width - indent):
        results.print(" " * indent + line, soft_wrap=True)


def _filled(texts: Sequence[str], separator: str, width: int) -> list[str]:
    """Return lines of texts, at most `width` wide unless one text alone is wider: rich would divide that text."""
    lines: list[str] = []
    for each in map(literal, texts):
        longer = f"{lines[-1]}{separator}{each}" if lines else each
        if lines and cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(each)
    return lines or [""]


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], heading: int) -> None:
    """Print a table; if it is wider than the terminal, a list.

    Args:
        columns: The names of the columns.
        rows: The cells.
        heading: How many cells are the heading of an entry of the list; the others follow with their names.
    """
    literal_rows = [[literal(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *literal_rows, strict=True)]
    if sum(widths) + 3 * len(widths) + 1 <= results.width:
        table = Table(*columns)
        for cells in literal_rows:
            table.add_row(*cells)
        results.print(table)
        return
    for row in rows:
        print_fields(row[:heading], style="bold")
        named = zip(columns[heading:], row[heading:], strict=True)
        print_fields([f"{name} {cell}" for name, cell in named], indent=2)


def say(message: str, style: str = "") -> None:
    """Print a message."""
    for line in message.split("\n"):
        messages.print(literal(line), style=style, soft_wrap=True)


def fail(message: str) -> NoReturn:
    """Print an error and end with exit code 1."""
    say(message, "red")
    raise typer.Exit(1)


def warn(message: str) -> None:
    """Print a warning and go on."""
    say(message, "yellow")
