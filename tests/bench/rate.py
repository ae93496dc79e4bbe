"""The rate of the middle of a run."""

from __future__ import annotations

import time
from typing import Final

#: The longest measurement; of a slow program it covers the beginning, while its state is small.
_LONGEST_SECONDS: Final = 60.0
#: The longest warm-up: starts and first fetches do not count.
_WARM_SECONDS: Final = 5.0


class Rate:
    """Measures events/s from 10 % of the events (or _WARM_SECONDS) to 90 % (or _LONGEST_SECONDS)."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._started: float | None = None
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None
        self.done = False

    def add_sample(self, count: float) -> None:
        """Record that `count` events are done now."""
        now = time.monotonic()
        if self.done or not count:
            return
        self._started = self._started or now
        if self._first is None:
            if count >= 0.1 * self._total or now - self._started > _WARM_SECONDS:
                self._first = (now, count)
            return
        self._last = (now, count)
        self.done = count >= 0.9 * self._total or now - self._first[0] > _LONGEST_SECONDS

    @property
    def per_second(self) -> float:
        """The rate in events/s."""
        assert self._first is not None, "too few samples"
        assert self._last is not None, "too few samples"
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])
