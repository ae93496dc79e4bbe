"""Skipped offsets below the beginning of a log were expired records; a gap is due when the commit reaches it."""

from __future__ import annotations

from stream.engine.log_check import Gap
from stream.engine.reception import SkippedOffsets


def test_skipped_offsets_below_the_beginning_have_expired() -> None:
    skipped = SkippedOffsets("reviews", 3)
    assert not skipped.unchecked
    for first, last in ((5, 6), (9, 30), (40, 41)):
        skipped.add(first, last)
    assert skipped.unchecked
    skipped.check(20)
    assert not skipped.unchecked
    assert skipped.due(4) == []
    assert skipped.due(5) == [Gap("reviews", 3, 5, 6)]
    assert skipped.due(8) == []
    assert skipped.due(50) == [Gap("reviews", 3, 9, 20)]
    skipped.add(50, 51)
    skipped.check(20)
    assert skipped.due(100) == []  # a transaction marker


def test_skipped_offsets_are_bounded() -> None:
    skipped = SkippedOffsets("reviews", 3)
    for number in range(3000):
        skipped.add(2 * number, 2 * number + 1)
    skipped.check(6000)
    for number in range(3000, 6000):
        skipped.add(2 * number, 2 * number + 1)
        skipped.check(20_000)
    gaps = skipped.due(20_000)
    assert len(gaps) == 1000
    assert gaps[-1].last == 11_999
