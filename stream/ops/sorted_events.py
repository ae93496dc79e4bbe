"""A file's lines in the order of occurred_at: an external merge sort.

Invariant: stable, and every line is kept as it is. A line without a readable time stays behind the line before it.
RUN_BYTES and the open runs bound the memory; the sort needs temporary space of twice the file's size.
"""

from __future__ import annotations

import datetime as dt
import heapq
import io
import math
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Final, cast

import msgspec

from stream.ops.event_files import head, lines

#: Lines that are sorted in memory at once.
RUN_BYTES: Final = 64 * 1024 * 1024
#: Runs that are merged at once: the bound on open files.
_MAX_RUNS: Final = 64
#: Before each line of a run: its time (epoch seconds) and its length.
_PREFIX: Final = struct.Struct("<dI")
_BUFFER_BYTES: Final = 256 * 1024

Timed = tuple[float, bytes]


@contextmanager
def sorted_lines(source: str, run_bytes: int = RUN_BYTES) -> Iterator[io.BufferedIOBase]:
    """Open a file of events, to be read line by line in the order of time.

    Args:
        source: A `.jsonl` or `.jsonl.gz` file, or `-` for standard input, which is read to its end.
        run_bytes: The most bytes of lines that are sorted in memory at once.
    """
    with ExitStack() as stack:
        runs: list[IO[bytes]] = []
        with lines(source) as file:
            for run in _runs(_timed(file), run_bytes):
                runs.append(stack.enter_context(_written(run)))
                if len(runs) == _MAX_RUNS:  # the merged run is the earliest part of the file: the order stays stable
                    merged = stack.enter_context(_written(_merged(runs)))
                    for each in runs:
                        each.close()
                    runs = [merged]
        output = stack.enter_context(tempfile.TemporaryFile())
        output.writelines(line for _, line in _merged(runs))
        output.seek(0)
        yield cast("io.BufferedIOBase", output)


def _timed(file: Iterable[bytes]) -> Iterator[Timed]:
    """Yield the lines with their times; the last line may lack its end."""
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


def _runs(timed: Iterable[Timed], run_bytes: int) -> Iterator[list[Timed]]:
    """Yield sorted parts of the file, in the order of the file."""
    run: list[Timed] = []
    size = 0
    for each in timed:
        run.append(each)
        size += len(each[1])
        if size >= run_bytes:
            yield sorted(run, key=_at)
            run, size = [], 0
    if run:
        yield sorted(run, key=_at)


def _at(timed: Timed) -> float:
    return timed[0]


@contextmanager
def _written(run: Iterable[Timed]) -> Iterator[IO[bytes]]:
    """Write a run to a temporary file."""
    with tempfile.TemporaryFile(buffering=_BUFFER_BYTES) as file:
        for at, line in run:
            file.write(_PREFIX.pack(at, len(line)) + line)
        file.seek(0)
        yield file


def _read(run: IO[bytes]) -> Iterator[Timed]:
    while prefix := run.read(_PREFIX.size):
        at, length = _PREFIX.unpack(prefix)
        yield at, run.read(length)


def _merged(runs: Iterable[IO[bytes]]) -> Iterator[Timed]:
    """Merge runs; of equal times the earlier run comes first."""
    return heapq.merge(*map(_read, runs), key=_at)
