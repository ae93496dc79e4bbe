"""Innocent explanations: what befalls honest sellers and would else look like cheating.

Rule of this room: an excuse is granted to everybody alike and is never free. A *surge* (a product was mended, a
campaign ran) may take the busiest days out of any window, at the price of how rarely one comes. A *crowd* is a bomb
too small to be told by its births (`births`), or one that fell on a seller of whom nothing usual was known: those of a
window's flips that were born together leave it.
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


def surges(times: Floats, rows: Floats) -> Floats:
    """For each window that begins at a flip, what its busiest stretch of SURGE_SECONDS holds: (w, 4 * arms).

    times: (w,), of the flips, the latest last. rows: (w + 1, 4 * arms), the totals before each flip, and after the
    latest; columns as in `past`, but for its first LEAD.
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
