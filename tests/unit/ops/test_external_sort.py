"""Lines are sorted by their keys, stable, in bounded memory."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator

import pytest

from stream.ops.external_sort import MAX_RUNS, externally_sorted


@pytest.mark.parametrize("run_bytes", [1, 100, 1 << 20])
def test_lines_are_sorted_and_equal_keys_stay_in_order(run_bytes: int) -> None:
    chance = random.Random(1)
    lines = [(chance.randrange(-5, 5) * 10**17, b"%d\n" % number) for number in range(3 * MAX_RUNS)]
    with externally_sorted(iter(lines), "q", run_bytes) as in_order:
        assert list(in_order) == sorted(lines, key=lambda line: line[0])


def test_a_run_is_given_up_before_the_next_is_read() -> None:
    line, run_lines, runs = 100_000, 40, 20

    def lines() -> Iterator[tuple[int, bytes]]:
        for number in range(run_lines * runs):
            yield number, bytes(line)

    tracemalloc.start()
    try:
        with externally_sorted(lines(), "q", line * run_lines) as in_order:
            assert sum(1 for _ in in_order) == run_lines * runs
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * line * run_lines, "80 MB of lines in runs of 4 MB, and a buffer for each run"


def test_an_error_of_the_lines_is_passed_on() -> None:
    def lines() -> Iterator[tuple[int, bytes]]:
        yield 1, b"a\n"
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"), externally_sorted(lines(), "q", 1):
        raise AssertionError("nothing may be read")
