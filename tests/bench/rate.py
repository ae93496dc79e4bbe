"""The rate of the middle of a run."""

from __future__ import annotations

import time
from typing import Final

#: Nobody is measured for longer; of a slow program that is the beginning, while it has little to keep.
_LONGEST_SECONDS: Final = 60.0
#: Starts and first fetches are no part of a rate.
_WARM_SECONDS: Final = 5.0


class Rate:
    """Takes counts as they come; events a second from 10 % (or some seconds) to 90 % (or a minute)."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._began: float | None = None
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None
        self.done = False

    def see(self, count: float) -> None:
        """So many events are done by now."""
        now = time.monotonic()
        if self.done or not count:
            return
        self._began = self._began or now
        if self._first is None:
            if count >= 0.1 * self._total or now - self._began > _WARM_SECONDS:
                self._first = (now, count)
            return
        self._last = (now, count)
        self.done = count >= 0.9 * self._total or now - self._first[0] > _LONGEST_SECONDS

    @property
    def per_second(self) -> float:
        """Events a second."""
        assert self._first is not None, "not enough was seen"
        assert self._last is not None, "not enough was seen"
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])
