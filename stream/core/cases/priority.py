"""The order of the queue.

Invariant: a number from 0 to 1 that follows from a case alone; of two cases the one with the larger odds comes first.
"""

from __future__ import annotations

import math

from stream.contract.cases import Case


def priority_of(case: Case) -> float:
    """Return a case's priority: ln(1 + odds) of the latest alert, mapped to 0 to 1."""
    log_odds = math.log1p(max(case.evidence.odds, 0.0))
    return log_odds / (1.0 + log_odds)
