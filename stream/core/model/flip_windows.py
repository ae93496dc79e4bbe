"""A subject's history: one row for each of its latest flips, in one packed array.

Invariant: a row holds the totals before its flip. A window begins with a flip, so the window's content is today's
totals minus the row.
"""

from __future__ import annotations

import math
from typing import Final

from librt.vecs import extend, vec

from stream.core.model.strata import DAY, N_GROUPS

#: Windows that are kept: the bound on a subject's history.
MAX_WINDOWS: Final = 60
YEAR_SECONDS: Final = 365 * DAY

#: Columns of a row: time of the flip (epoch seconds), `log_start_prior` of the gap before it, creation of the review
#: (epoch seconds); then the totals before the flip, N_GROUPS columns each: flips, expected by peers, expected by the
#: long run, retracted.
N_META_COLUMNS: Final = 3
N_COLUMNS: Final = N_META_COLUMNS + 4 * N_GROUPS
#: Columns of a row of staff, who have one exposure group: for their look-ups, and for their removals.
N_STAFF_COLUMNS: Final = N_META_COLUMNS + 4


def append_row(history: vec[float], row: list[float]) -> vec[float]:
    """Return the rows and one more; the oldest row is dropped beyond MAX_WINDOWS.

    Args:
        history: (w * len(row),), packed rows, the latest last.
        row: The row to append, N_COLUMNS or N_STAFF_COLUMNS wide.
    """
    if len(history) >= MAX_WINDOWS * len(row):
        history = history[len(row) :]
    return extend(history, row)


def log_start_prior(gap_seconds: float) -> float:
    """Return the natural log of the prior probability that cheating started within the gap before a flip.

    It is 1 - exp(-gap / year) and not gap / year: a gap of several years does not count as several starts.

    Args:
        gap_seconds: Time since the previous flip; less than a second counts as a second.
    """
    return math.log(-math.expm1(-max(gap_seconds, 1.0) / YEAR_SECONDS))


def gap_seconds(log_start_prior: float) -> float:
    """Return the gap that `log_start_prior` was found from."""
    return -YEAR_SECONDS * math.log1p(-math.exp(min(log_start_prior, -1e-15)))
