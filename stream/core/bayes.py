"""The formulas of evidence: Bayes factors of flips and of retractions, in logs.

Rule of this room: packed floats in and out, so that compiled they cost what their logarithms do.
"""

from __future__ import annotations

import math
from typing import Final

from librt.vecs import vec

#: How many times more flips a cheat may have; the mean over them needs no guess.
THETAS: Final[tuple[float, ...]] = (2.0, 3.0, 5.0, 10.0, 20.0)
#: How many times more of the flips may be retractions.
DELTAS: Final[tuple[float, ...]] = (1.0, 2.0, 4.0)
_THETAS: Final = vec[float](THETAS)
_LOG_THETAS: Final = vec[float]([math.log(theta) for theta in THETAS])
_LOG_DELTAS: Final = vec[float]([math.log(delta) for delta in DELTAS[1:]])
#: Log of the number of cases that the two sums run over: both are means.
LOG_CASES: Final = math.log(len(THETAS) * len(DELTAS))


def log_add(one: float, other: float) -> float:
    """Log of the sum of two, as logs; the first may be that of nothing."""
    if one > other:
        return one + math.log(1.0 + math.exp(other - one))
    return other + math.log(1.0 + math.exp(one - other))


def log_of_sum(terms: vec[float]) -> float:
    """Log of the sum of what these are logs of."""
    top, total = -math.inf, 0.0
    for term in terms:
        top = term if term > top else top
    for term in terms:
        total += math.exp(term - top)
    return top + math.log(total)


def log_bayes_factor(flips: float, expected: float, shape: float, rate: float) -> float:
    """Log of the sum over THETAS of theta^n ((r + a) / (r + theta a))^(k + n), the gamma-Poisson ratio.

    Taken relative to the first theta: with n <= WINDOWS no exponent exceeds 60 ln 10, and what falls below it by
    more than a float can tell adds nothing.
    """
    innocent, known = math.log(rate + expected), shape + flips
    first, total = 0.0, 1.0
    for number in range(len(_THETAS)):
        value = flips * _LOG_THETAS[number] - known * (math.log(rate + _THETAS[number] * expected) - innocent)
        if number == 0:
            first = value
        else:
            total += math.exp(value - first)
    return first + math.log(total)


def log_kept(retracted: float) -> vec[float]:
    """What each of DELTAS but the first makes a flip less likely by, in logs; retracted: the share among peers."""
    return vec[float]([math.log(1.0 + (delta - 1.0) * retracted) for delta in DELTAS[1:]])


def log_marks(flips: float, gone: float, kept: vec[float]) -> float:
    """Log of the sum over DELTAS of the likelihood ratio "delta times as many of the flips are retractions"."""
    total = 1.0
    for number in range(len(_LOG_DELTAS)):
        total += math.exp(gone * _LOG_DELTAS[number] - flips * kept[number])
    return math.log(total)
