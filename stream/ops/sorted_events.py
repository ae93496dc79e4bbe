"""A file's lines in the order of occurred_at.

Invariant: stable, and every line is kept as it is. A line without a readable time stays behind the line before it.
"""

from __future__ import annotations

import datetime as dt
import io
import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import msgspec

from stream.ops.event_files import head, lines
from stream.ops.external_sort import RUN_BYTES, externally_sorted


@contextmanager
def sorted_lines(source: str, run_bytes: int = RUN_BYTES) -> Iterator[io.BufferedIOBase]:
    """Open a file of events, to be read line by line in the order of time.

    Args:
        source: A `.jsonl` or `.jsonl.gz` file, or `-` for standard input, which is read to its end.
        run_bytes: The most bytes of lines that are sorted in memory at once.
    """
    with tempfile.TemporaryFile() as output:
        with lines(source) as file, externally_sorted(_timed(file), "d", run_bytes) as in_order:
            output.writelines(line for _, line in in_order)
        output.seek(0)
        yield cast("io.BufferedIOBase", output)


def _timed(file: Iterable[bytes]) -> Iterator[tuple[float, bytes]]:
    """Yield the lines with their times (epoch seconds); the last line may lack its end."""
    at = -math.inf
    for raw in file:
        line = raw.rstrip(b"\r\n")
        if line:
            at = _time(line, at)
            yield at, line + b"\n"


def _time(line: bytes, before: float) -> float:
    occurred_at = head(line).occurred_at
    if occurred_at is None:
        return before
    try:
        found = msgspec.convert(occurred_at, dt.datetime)
    except msgspec.ValidationError:
        return before
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()
