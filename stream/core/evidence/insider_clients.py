"""Insider clients: sellers whose reviews were looked up by staff accused over other sellers.

Invariant: an accusation makes another one more likely and never proves it. Only flips of reviews that accused staff
looked up count, and the expectation of all looked-up reviews is not raised by the looked-up ratio.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from librt.vecs import vec

from stream.core.model.flip_windows import N_COLUMNS, N_META_COLUMNS
from stream.core.model.strata import LOOKED_UP, N_GROUPS

#: Log of the factor on an insider client's odds: among the sellers that an insider looked up, buyers are this many
#: times as frequent. Few honest sellers have flips of reviews that accused staff looked up, so even at ten times the
#: chance of a false alarm they take a small part of the budget.
LOG_CLIENT_ODDS: Final = math.log(10)

_FLIPS: Final = LOOKED_UP
_RETRACTED: Final = 3 * N_GROUPS + LOOKED_UP


def only_linked_flips(history: vec[float], totals: list[float], linked: list[bool]) -> vec[float]:
    """Return a seller's history in which only those looked-up flips count that accused staff are linked to.

    Args:
        history: (w * N_COLUMNS,), see `flip_windows`.
        totals: (4 * N_GROUPS,), the totals after the latest flip, not multiplied by the looked-up ratio.
        linked: (w,), whether accused staff looked up the review of the flip.

    Returns:
        (w * N_COLUMNS,), the changed history.
    """
    rows = np.array(history).reshape(-1, N_COLUMNS)
    for column_number in (_FLIPS, _RETRACTED):
        flips = np.diff(rows[:, N_META_COLUMNS + column_number], append=totals[column_number]) * linked
        rows[:, N_META_COLUMNS + column_number] = totals[column_number] - np.cumsum(flips[::-1])[::-1]
    return vec[float](rows.ravel())
