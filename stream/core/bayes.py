"""The formulas of evidence: Bayes factors of flips and of retractions, in logs.

Rule of this room: plain floats in and out, so that compiled they cost what their logarithms do.
"""

from __future__ import annotations

import math
from typing import Final

#: How many times more flips a cheat may have; the mean over them needs no guess.
THETAS: Final[tuple[float, ...]] = (2.0, 3.0, 5.0, 10.0, 20.0)
#: How many times more of the flips may be retractions.
DELTAS: Final[tuple[float, ...]] = (1.0, 2.0, 4.0)
_LOG_THETAS: Final[list[float]] = [math.log(theta) for theta in THETAS]
_LOG_DELTAS: Final[list[float]] = [math.log(delta) for delta in DELTAS[1:]]
#: Log of the number of cases that the two sums run over: both are means.
LOG_CASES: Final = math.log(len(THETAS) * len(DELTAS))


def log_of_sum(terms: list[float]) -> float:
    """Log of the sum of what these are logs of."""
    top, total = max(terms), 0.0
    for term in terms:
        total += math.exp(term - top)
    return top + math.log(total)


def log_bayes_factor(flips: float, expected: float, shape: float, rate: float) -> float:
    """Log of the sum over THETAS of theta^n ((r + a) / (r + theta a))^(k + n), the gamma-Poisson ratio.

    Taken relative to the first theta: with n <= WINDOWS no exponent exceeds 60 ln 10, and what falls below it by
    more than a float can tell adds nothing.
    """
    innocent, known = math.log(rate + expected), shape + flips
    first, total = 0.0, 0.0
    for number, theta in enumerate(THETAS):
        value = flips * _LOG_THETAS[number] - known * (math.log(rate + theta * expected) - innocent)
        if number == 0:
            first = value
        total += math.exp(value - first)
    return first + math.log(total)


def log_marks(flips: float, gone: float, retracted: float) -> float:
    """Log of the sum over DELTAS of the likelihood ratio "delta times as many of the flips are retractions"."""
    total = 1.0
    for number, delta in enumerate(DELTAS[1:]):
        total += math.exp(gone * _LOG_DELTAS[number] - flips * math.log(1.0 + (delta - 1.0) * retracted))
    return math.log(total)
