"""Bombs: a crowd writes bad reviews within a day or two, and soon thinks better of it.

Rule of this room: a bomb is told from its births alone, and leaves the comparison as a whole: its reviews are nobody's
peers, and what becomes of them is no evidence.
"""

from __future__ import annotations

import math
from typing import Final

from mypy_extensions import mypyc_attr

from stream.core.bands import DAY

#: A seller's usual number of critical births a day is learned with so many days' memory ...
_KEEP_A_DAY: Final = math.exp(-1 / 30)
#: ... and known when so many days have been seen.
_KNOWN_DAYS: Final = 7.0
#: More births within two days than m + 5 sqrt(m) + 5, m the usual, are no chance.
_DEVIATIONS: Final = 5.0
#: A silence is counted for no more days: by then nothing is left of what was before.
_SILENCE_DAYS: Final = 400


@mypyc_attr(acyclic=True)
class Births:
    """A seller's critical births, by which a bomb is told from a busy day."""

    __slots__ = ("bombed", "day", "seen_days", "today", "usual", "yesterday")

    def __init__(
        self,
        day: int,
        today: int = 0,
        yesterday: int = 0,
        bombed: bool = False,
        usual: float = 0.0,
        seen_days: float = 0.0,
    ) -> None:
        self.day = day
        self.today = today
        self.yesterday = yesterday
        self.bombed = bombed  # the latest birth was one too many
        self.usual = usual  # sum over the days before yesterday, fading
        self.seen_days = seen_days  # their number, fading alike

    def count(self, now: float) -> bool:
        """Count a birth, and tell whether today's and yesterday's are now too many."""
        day = int(now // DAY)
        if day > self.day:
            self._pass(day - self.day)
            self.day = day
        self.today += 1
        self.bombed = self.seen_days >= _KNOWN_DAYS and self.today + self.yesterday > self._most()
        return self.bombed

    def _most(self) -> float:
        usual = 2 * self.usual / self.seen_days
        return usual + _DEVIATIONS * math.sqrt(usual) + _DEVIATIONS

    def _pass(self, days: int) -> None:
        """So many midnights have passed."""
        learned = [self.yesterday] if days == 1 else [self.yesterday, self.today, *[0] * min(days - 2, _SILENCE_DAYS)]
        for count in learned:
            # A bomb must not become what is usual, or the next one would find the door open.
            kept = min(count, self._most()) if self.seen_days >= _KNOWN_DAYS else count
            self.usual = self.usual * _KEEP_A_DAY + kept
            self.seen_days = self.seen_days * _KEEP_A_DAY + 1
        self.yesterday = self.today if days == 1 else 0
        self.today = 0
