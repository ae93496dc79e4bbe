"""A subject's past: a row for each of its latest flips, in one packed array.

Rule of this room: a row says what was so before its flip, so that what a window holds, which begins with it, is the
totals of today less the row.
"""

from __future__ import annotations

import math
from typing import Final

from librt.vecs import extend, vec

from stream.core.bands import ARMS, DAY

#: Windows kept: the bound on a subject's history.
WINDOWS: Final = 60
YEAR_SECONDS: Final = 365 * DAY

#: Columns of a row: time, log of the prior chance that cheating began in the gap before it, when the review was
#: born, then the totals *before* that flip, ARMS columns each: flips, expected by peers, by the long run, retracted.
LEAD: Final = 3
COLUMNS: Final = LEAD + 4 * ARMS
#: The same of subjects that have one arm only: staff, for what they look up and for what they remove.
STAFF_COLUMNS: Final = LEAD + 4


def appended(history: vec[float], row: list[float]) -> vec[float]:
    """The rows with one more; beyond WINDOWS the oldest goes."""
    if len(history) >= WINDOWS * len(row):
        history = history[len(row) :]
    return extend(history, row)


def log_prior(gap_seconds: float) -> float:
    """Log of the chance of a start within the gap before a flip.

    1 - exp(-gap / year), not gap / year: a silence of years does not count as several starts.
    """
    return math.log(-math.expm1(-max(gap_seconds, 1.0) / YEAR_SECONDS))
