"""Unclean delivery: when an event arrives, and how often.

Invariant: delivery never changes an event, it only delays or repeats it. A dirty market with duplicates removed and
events sorted by time is the clean market of the same seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stream.market.scenarios import Delivery


def arrival_times(dirt: Delivery, at_ms: int, random: np.random.Generator) -> Iterator[int]:
    """Yield the arrival times of an event of `at_ms`, in epoch milliseconds: one, or two for a duplicate."""
    if dirt == Delivery():  # a clean market uses no draws
        yield at_ms
        return
    late = random.random() < dirt.late
    delay_seconds = random.uniform(*dirt.late_seconds) if late else random.uniform(0, dirt.disorder_seconds)
    first = at_ms + int(1000 * delay_seconds)
    yield first
    if random.random() < dirt.duplicates:
        yield first + int(1000 * random.exponential(dirt.duplicate_seconds))
