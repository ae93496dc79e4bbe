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
        remaining = iter(lines)
        while run := _next_run(remaining, run_bytes):
            runs.append(stack.enter_context(_temporary()))
            _write(run, runs[-1], prefix)
            run.clear()  # before the next run is read
            if len(runs) == MAX_RUNS:  # the merged run is the earliest part of the lines: the order stays stable
                merged = stack.enter_context(_temporary())
                _write(_merged(runs, prefix), merged, prefix)
                for each in runs:
                    each.close()
                runs = [merged]
        yield _merged(runs, prefix)


def _next_run(lines: Iterator[tuple[Key, bytes]], run_bytes: int) -> list[tuple[Key, bytes]]:
    """Return the next part of the lines, sorted; it is empty at their end."""
    run: list[tuple[Key, bytes]] = []
    size = 0
    for each in lines:
        run.append(each)
        size += len(each[1])
        if size >= run_bytes:
            break
    run.sort(key=_key)
    return run


def _key(line: tuple[Key, bytes]) -> Key:
    return line[0]


def _temporary() -> IO[bytes]:
    return tempfile.TemporaryFile(buffering=_BUFFER_BYTES)


def _write(run: Iterable[tuple[Key, bytes]], file: IO[bytes], prefix: struct.Struct) -> None:
    for key, line in run:
        file.write(prefix.pack(key, len(line)) + line)
    file.seek(0)


def _read(run: IO[bytes], prefix: struct.Struct) -> Iterator[tuple[Key, bytes]]:
    while start := run.read(prefix.size):
        key, length = prefix.unpack(start)
        yield key, run.read(length)


def _merged(runs: Iterable[IO[bytes]], prefix: struct.Struct) -> Iterator[tuple[Key, bytes]]:
    """Merge runs; of equal keys the earlier run comes first."""
    return heapq.merge(*(_read(run, prefix) for run in runs), key=_key)
