"""Sorts more lines than fit into memory: an external merge sort.

Invariant: stable, and every line is kept as it is. `run_bytes` and the open runs bound the memory; the sort needs
temporary space of twice the lines' size.
"""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Final, Literal, TypeVar

#: Lines that are sorted in memory at once.
RUN_BYTES: Final = 64 * 1024 * 1024
#: Runs that are merged at once: the bound on open files.
MAX_RUNS: Final = 64
_BUFFER_BYTES: Final = 256 * 1024

Key = TypeVar("Key", int, float)


@contextmanager
def externally_sorted(
    lines: Iterable[tuple[Key, bytes]], key: Literal["q", "d"], run_bytes: int = RUN_BYTES
) -> Iterator[Iterator[tuple[Key, bytes]]]:
    """Give lines in the order of their keys. All of them are read before the first is given.

    Args:
        lines: Keys and lines.
        key: How `struct` writes a key: "q" for whole numbers of 64 bits, "d" for floats.
        run_bytes: The most bytes of lines that are sorted in memory at once.
    """
    prefix = struct.Struct(f"<{key}I")  # before each line of a run: its key and its length
    with ExitStack() as stack:
        runs: list[IO[bytes]] = []
        for run in _runs(lines, run_bytes):
            runs.append(stack.enter_context(_written(run, prefix)))
            if len(runs) == MAX_RUNS:  # the merged run is the earliest part of the lines: the order stays stable
                merged = stack.enter_context(_written(_merged(runs, prefix), prefix))
                for each in runs:
                    each.close()
                runs = [merged]
        yield _merged(runs, prefix)


def _runs(lines: Iterable[tuple[Key, bytes]], run_bytes: int) -> Iterator[list[tuple[Key, bytes]]]:
    """Yield sorted parts of the lines, in the order of the lines."""
    run: list[tuple[Key, bytes]] = []
    size = 0
    for each in lines:
        run.append(each)
        size += len(each[1])
        if size >= run_bytes:
            yield sorted(run, key=_key)
            run, size = [], 0
    if run:
        yield sorted(run, key=_key)


def _key(line: tuple[Key, bytes]) -> Key:
    return line[0]


@contextmanager
def _written(run: Iterable[tuple[Key, bytes]], prefix: struct.Struct) -> Iterator[IO[bytes]]:
    """Write a run to a temporary file."""
    with tempfile.TemporaryFile(buffering=_BUFFER_BYTES) as file:
        for key, line in run:
            file.write(prefix.pack(key, len(line)) + line)
        file.seek(0)
        yield file


def _read(run: IO[bytes], prefix: struct.Struct) -> Iterator[tuple[Key, bytes]]:
    while start := run.read(prefix.size):
        key, length = prefix.unpack(start)
        yield key, run.read(length)


def _merged(runs: Iterable[IO[bytes]], prefix: struct.Struct) -> Iterator[tuple[Key, bytes]]:
    """Merge runs; of equal keys the earlier run comes first."""
    return heapq.merge(*(_read(run, prefix) for run in runs), key=_key)
