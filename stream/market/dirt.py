"""Dirt: when an event arrives, and how often.

Rule of this room: an event is never changed, only delivered later or again. So a dirty market, each event taken once
and put in the order of time, is the clean market of the same seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stream.market.scenarios import Dirt


def arrivals(ways: Dirt, at_ms: int, random: np.random.Generator) -> Iterator[int]:
    """The times at which an event of `at_ms` arrives, in epoch milliseconds: one, or two for a duplicate."""
    if ways == Dirt():  # a clean market spends no draws
        yield at_ms
        return
    late = random.random() < ways.late
    behind_seconds = random.uniform(*ways.late_seconds) if late else random.uniform(0, ways.disorder_seconds)
    first = at_ms + int(1000 * behind_seconds)
    yield first
    if random.random() < ways.duplicates:
        yield first + int(1000 * random.exponential(ways.duplicate_seconds))
