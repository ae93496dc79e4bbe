"""Clients: sellers whose reviews were looked up by staff who stand accused over others.

Rule of this room: an accusation makes the next one likelier and never proves it. A seller is asked about only those
flips for which accused staff answer, against what is expected of all its looked-up reviews if nobody had solved a
ticket; and the answer counts CLIENT_ODDS times as much, because among those whom a seller of contact data has looked
up there are so many times as many buyers as elsewhere.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from librt.vecs import vec

from stream.core.bands import ARMS, LOOKED_UP
from stream.core.past import COLUMNS, LEAD

#: Log of how much likelier. Few honest sellers have turned reviews that accused staff looked up: at ten times the
#: chance of a false alarm they still have a small part of the budget.
CLIENT_ODDS: Final = math.log(10)

_FLIPS: Final = LOOKED_UP
_RETRACTED: Final = 3 * ARMS + LOOKED_UP


def as_client(history: vec[float], totals: list[float], sold: list[bool]) -> vec[float]:
    """The history of a seller in which of the looked-up flips only those count that may have been sold.

    history: w rows of COLUMNS, totals: (4 * ARMS,), as in `past`, without the lift of looked-up reviews. sold: of
    each of the w flips, whether accused staff answer for it.
    """
    rows = np.array(history).reshape(-1, COLUMNS)
    for column in (_FLIPS, _RETRACTED):
        flips = np.diff(rows[:, LEAD + column], append=totals[column]) * sold
        rows[:, LEAD + column] = totals[column] - np.cumsum(flips[::-1])[::-1]
    return vec[float](rows.ravel())
