"""A sorted file has the same lines in the order of time, however small the parts are that are sorted in memory."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from stream.ops.external_sort import MAX_RUNS
from stream.ops.sorted_events import sorted_lines


def _line(number: int, second: int) -> bytes:
    return b'{"event_id":"e%d","occurred_at":"2025-01-01T00:%02d:%02dZ"}\n' % (number, second // 60, second % 60)


def _sorted(path: Path, run_bytes: int) -> list[bytes]:
    with sorted_lines(str(path), run_bytes) as file:
        return list(file)


@pytest.mark.parametrize("run_bytes", [1, 200, 1 << 20])
def test_lines_are_sorted_by_time_and_stay_in_order_within_a_time(run_bytes: int, tmp_path: Path) -> None:
    chance = random.Random(1)
    lines = [_line(number, chance.randrange(60)) for number in range(3 * MAX_RUNS)]
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(lines)))
    assert _sorted(path, run_bytes) == sorted(lines, key=lambda line: line[line.index(b"T00") :])


@pytest.mark.parametrize("run_bytes", [1, 1 << 20])
def test_a_line_without_a_time_stays_behind_the_line_before_it(run_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    bad = [b'{"occurred_at":"yesterday"}\n', b'{"occurred_at":7}\n', b"no json\n"]
    path.write_bytes(b"".join([bad[0], _line(2, 9), bad[1], b"\r\n", _line(1, 3), bad[2]]).rstrip(b"\n"))
    assert _sorted(path, run_bytes) == [bad[0], _line(1, 3), bad[2], _line(2, 9), bad[1]]


def test_offsets_from_utc_and_fractions_are_compared_as_times(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    times = [b"2025-01-01T02:00:00+02:00", b"2025-01-01T00:00:00.000001Z", b"2025-01-01t00:00:00.5z"]
    lines = [b'{"occurred_at":"%s"}\n' % time for time in times]
    path.write_bytes(b"".join(reversed(lines)))
    assert _sorted(path, 1) == lines


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"")
    assert _sorted(path, 1) == []
