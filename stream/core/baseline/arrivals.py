"""Review bombs: many critical reviews of one seller within two days, often withdrawn soon after.

Invariant: a bomb is detected from the arrivals of critical reviews alone, never from their flips. The reviews of a bomb
are excluded: they are in no stratum, and their flips count as no evidence.
"""

from __future__ import annotations

import math
from typing import Final

from mypy_extensions import mypyc_attr

from stream.core.model.strata import DAY

#: The memory of a seller's mean number of arrivals a day is 30 days.
_DAILY_DECAY: Final = math.exp(-1 / 30)
#: The mean is used once this many days have been seen.
_MIN_DAYS: Final = 7.0
#: Standard deviations of a Poisson count, and a margin for small means, that chance may reach: see `_limit`.
_DEVIATIONS: Final = 5.0
#: A gap without arrivals counts as this many days at most: by then the older counts have decayed to nothing.
_MAX_GAP_DAYS: Final = 400


@mypyc_attr(acyclic=True)
class Arrivals:
    """A seller's arrivals of critical reviews, by which a review bomb is distinguished from a busy day.

    Args:
        day: The day of the latest arrival, in days since 1970-01-01.
        today, yesterday: Arrivals on that day and on the day before.
        bombed: Whether the latest arrival exceeded the limit.
        decayed_count: Arrivals before yesterday, with a memory of 30 days.
        decayed_days: The number of those days, with the same memory.
    """

    __slots__ = ("bombed", "day", "decayed_count", "decayed_days", "today", "yesterday")

    def __init__(
        self,
        day: int,
        today: int = 0,
        yesterday: int = 0,
        bombed: bool = False,
        decayed_count: float = 0.0,
        decayed_days: float = 0.0,
    ) -> None:
        self.day = day
        self.today = today
        self.yesterday = yesterday
        self.bombed = bombed
        self.decayed_count = decayed_count
        self.decayed_days = decayed_days

    def add(self, now: float) -> bool:
        """Count an arrival at `now` (epoch seconds).

        Returns:
            Whether the arrivals of today and yesterday exceed the limit.
        """
        day = int(now // DAY)
        if day > self.day:
            self._pass_days(day - self.day)
            self.day = day
        self.today += 1
        self.bombed = self.decayed_days >= _MIN_DAYS and self.today + self.yesterday > self._limit()
        return self.bombed

    def _limit(self) -> float:
        """Return the most arrivals in two days that chance explains: m + 5 sqrt(m) + 5, with m the mean."""
        mean = 2 * self.decayed_count / self.decayed_days
        return mean + _DEVIATIONS * math.sqrt(mean) + _DEVIATIONS

    def _pass_days(self, days: int) -> None:
        """Start a new day, `days` days after the present one."""
        counts = [self.yesterday] if days == 1 else [self.yesterday, self.today, *[0] * min(days - 2, _MAX_GAP_DAYS)]
        for count in counts:
            # A bomb must not raise the mean, or the next bomb would go undetected.
            capped = min(count, self._limit()) if self.decayed_days >= _MIN_DAYS else count
            self.decayed_count = self.decayed_count * _DAILY_DECAY + capped
            self.decayed_days = self.decayed_days * _DAILY_DECAY + 1
        self.yesterday = self.today if days == 1 else 0
        self.today = 0
