"""Innocent explanations: what befalls honest sellers and would else look like cheating.

Rule of this room: an excuse is granted to everybody alike and is never free. A *surge* (a product was mended, a
campaign ran) may take the busiest days out of any window, at the price of how rarely one comes. A *crowd* is a bomb
too small to be told by its births (`births`), or one that fell on a seller of whom nothing usual was known: those of a
window's flips that were born together leave it.
"""

from __future__ import annotations

import math
from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

from stream.core.bands import DAY

#: A surge lasts no longer.
SURGE_SECONDS: Final = 10 * DAY
#: Log of its price: one a year is expected of anybody.
SURGE_PRICE: Final = math.log(365 * DAY / SURGE_SECONDS)

#: A crowd writes its reviews within so long, ...
CROWD_SECONDS: Final = 3 * DAY
#: ... and comes as often as a surge.
CROWD_PRICE: Final = SURGE_PRICE


def surges(times: vec[float], sums: vec[float], arms: i64) -> vec[float]:
    """For each window that begins at a flip, what its busiest stretch of SURGE_SECONDS holds: w rows of 4 * arms.

    times: (w,), of the flips, the latest last. sums: w + 1 rows of 4 * arms, the totals before each flip, and after the
    latest; columns as in `past`, but for its first LEAD.
    """
    inside, width = vec[float]([0.0] * (len(sums) - 4 * arms)), 4 * arms
    end: i64 = len(times)
    begun: i64 = 0
    ended: i64 = 0
    for window in range(len(times) - 1, -1, -1):
        while times[end - 1] > times[window] + SURGE_SECONDS:
            end -= 1
        # Of the stretches that begin within the window the one with most flips; of equal ones the latest.
        if end - window > ended - begun:
            begun, ended = window, end
        for kind in range(4):
            # What is expected between a stretch's last flip and the next flip is not the stretch's.
            after = ended if kind in {0, 3} else ended - 1
            for arm in range(kind * arms, kind * arms + arms):
                inside[window * width + arm] = sums[after * width + arm] - sums[begun * width + arm]
    return inside


def crowds(born: vec[float], sums: vec[float], arms: i64) -> vec[float]:
    """For each window, its flips of the reviews that were born within the busiest CROWD_SECONDS: w rows of 4 * arms.

    born: (w,), of the flipped reviews; sums as in `surges`. What was expected of the crowd stays in the window: it is
    little, and leaving it there is on the safe side.
    """
    width, count = 4 * arms, len(born)
    inside = vec[float]([0.0] * (len(sums) - width))
    # Of the crowd that begins with each review, how many flip in the window.
    members = vec[i64]([0] * count)
    for window in range(count - 1, -1, -1):
        first: i64 = 0
        for one in range(count):
            members[one] += _is_of(born[window], born[one])
            if members[one] > members[first]:
                first = one
        for flip in range(window, count):
            if _is_of(born[flip], born[first]):
                for arm in range(arms):
                    for cell in (arm, 3 * arms + arm):
                        before = flip * width + cell
                        inside[window * width + cell] += sums[before + width] - sums[before]
    return inside


def _is_of(born: float, first: float) -> bool:
    """Whether a review is of the crowd that begins with another."""
    return 0.0 <= born - first <= CROWD_SECONDS


def column(rows: vec[float], width: i64, number: i64) -> vec[float]:
    """One column of packed rows."""
    found = vec[float]()
    for at in range(number, len(rows), width):
        found = append(found, rows[at])
    return found
