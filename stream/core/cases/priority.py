"""The order of the queue.

Invariant: a number from 0 to 1 that follows from a case and what verdicts have taught. Unless verdicts have taught a
better order, of two cases the one with the larger odds comes first.
"""

from __future__ import annotations

import math

from stream.contract.cases import Case


def priority_of(case: Case, learned: float | None = None) -> float:
    """Return a case's priority.

    Args:
        case: The case.
        learned: The learned probability that it is confirmed, which is its priority; None: the odds' order, that is
            ln(1 + odds) of the latest alert, mapped to 0 to 1.
    """
    if learned is not None:
        return learned
    log_odds = math.log1p(max(case.evidence.odds, 0.0))
    return log_odds / (1.0 + log_odds)
