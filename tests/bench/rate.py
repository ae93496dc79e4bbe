"""The rate of the middle of a run."""

from __future__ import annotations

import time


class Rate:
    """Takes counts as they come; events a second between the first seen past 10 % and the first past 90 %."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None

    @property
    def done(self) -> bool:
        """Whether 90 % were seen."""
        return self._last is not None

    def see(self, count: float) -> None:
        """So many events are done by now."""
        now = time.monotonic()
        if self._first is None and count >= 0.1 * self._total:
            self._first = (now, count)
        elif self._first is not None and self._last is None and count >= 0.9 * self._total:
            self._last = (now, count)

    @property
    def per_second(self) -> float:
        """Events a second."""
        assert self._first is not None, "not enough was seen"
        assert self._last is not None, "not enough was seen"
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])
