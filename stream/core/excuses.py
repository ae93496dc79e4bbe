"""Innocent explanations: what befalls honest sellers and would else look like cheating.

Rule of this room: an excuse is granted to everybody alike and is never free. A *surge* (a product was mended, a
campaign ran) may take the busiest days out of any window, at the price of how rarely one comes. A *bomb* (a crowd that
writes bad reviews within a day or two, and soon thinks better of it) leaves the comparison as a whole: its reviews are
nobody's peers, and what becomes of them is no evidence. A *crowd* is a bomb too small to be told by its births, or one
that fell on a seller of whom nothing usual was known: those of a window's flips that were born together leave it.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream.core.bands import DAY

Floats = NDArray[np.float64]

#: A surge lasts no longer.
SURGE_SECONDS: Final = 10 * DAY
#: Log of its price: one a year is expected of anybody.
SURGE_PRICE: Final = math.log(365 * DAY / SURGE_SECONDS)

#: A crowd writes its reviews within so long, ...
CROWD_SECONDS: Final = 3 * DAY
#: ... and comes as often as a surge.
CROWD_PRICE: Final = SURGE_PRICE

#: A seller's usual number of critical births a day is learned with so many days' memory ...
_KEEP_A_DAY: Final = math.exp(-1 / 30)
#: ... and known when so many days have been seen.
_KNOWN_DAYS: Final = 7.0
#: More births within two days than m + 5 sqrt(m) + 5, m the usual, are no chance.
_DEVIATIONS: Final = 5.0
#: A silence is counted for no more days: by then nothing is left of what was before.
_SILENCE_DAYS: Final = 400


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


def surges(times: Floats, rows: Floats) -> Floats:
    """For each window that begins at a flip, what its busiest stretch of SURGE_SECONDS holds: (w, 4 * arms).

    times: (w,), of the flips, the latest last. rows: (w + 1, 4 * arms), the totals before each flip, and after the
    latest; columns as in `evidence`.
    """
    count, arms = len(times), rows.shape[1] // 4
    numbers = np.arange(count)
    ends = np.searchsorted(times, times + SURGE_SECONDS, side="right")
    # Of the stretches that begin within the window the one with most flips; of equal ones the latest.
    ranks = np.maximum.accumulate(((ends - numbers) * count + numbers)[::-1])[::-1]
    begins = ranks % count
    ends = ends[begins]
    inside: Floats = rows[ends] - rows[begins]
    # What is expected between a stretch's last flip and the next flip is not the stretch's.
    expected = slice(arms, 3 * arms)
    inside[:, expected] = rows[ends - 1, expected] - rows[begins, expected]
    return inside


def crowds(born: Floats, rows: Floats) -> Floats:
    """For each window, its flips of the reviews that were born within the busiest CROWD_SECONDS: (w, 4 * arms).

    born: (w,), of the flipped reviews; rows as in `surges`. What was expected of the crowd stays in the window: it is
    little, and leaving it there is on the safe side.
    """
    arms = rows.shape[1] // 4
    since = born - born[:, None]
    member = (since >= 0) & (since <= CROWD_SECONDS)  # row: a crowd that begins with this review; column: who is of it
    within = np.cumsum(member[:, ::-1], axis=1)[:, ::-1]  # in the window that begins at this column's flip
    chosen = np.triu(member[within.argmax(axis=0)])
    out: Floats = chosen @ np.diff(rows, axis=0)
    out[:, arms : 3 * arms] = 0.0
    return out
