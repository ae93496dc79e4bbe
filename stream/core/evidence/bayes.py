"""The formulas of evidence: Bayes factors of flips and of deletions, in logs.

Invariant: packed floats in and out, so that the compiled code costs little more than its logarithms.
"""

from __future__ import annotations

import math
from typing import Final

from librt.vecs import vec

#: How many times as many flips a cheat may have; the Bayes factor is the mean over these.
THETAS: Final[tuple[float, ...]] = (2.0, 3.0, 5.0, 10.0, 20.0)
#: How many times as many of a cheat's flips may be deletions; the retraction factor is the mean over these.
DELTAS: Final[tuple[float, ...]] = (1.0, 2.0, 4.0)
_THETAS: Final = vec[float](THETAS)
_LOG_THETAS: Final = vec[float]([math.log(theta) for theta in THETAS])
_LOG_DELTAS: Final = vec[float]([math.log(delta) for delta in DELTAS[1:]])
_LOG_N_THETAS: Final = math.log(len(THETAS))
_LOG_N_DELTAS: Final = math.log(len(DELTAS))


def log_add(one: float, other: float) -> float:
    """Return log(exp(one) + exp(other)); `one` may be -inf."""
    if one > other:
        return one + math.log(1.0 + math.exp(other - one))
    return other + math.log(1.0 + math.exp(one - other))


def log_of_sum(terms: vec[float]) -> float:
    """Return the log of the sum of exp(term)."""
    top, total = -math.inf, 0.0
    for term in terms:
        top = term if term > top else top
    for term in terms:
        total += math.exp(term - top)
    return top + math.log(total)


def log_bayes_factor(flips: float, expected: float, shape: float, rate: float) -> float:
    """Return the log of the mean over THETAS of theta^N1 ((k + A) / (k + theta A))^(K + N1): gamma-Poisson.

    The letters are those of ARCHITECTURE.md (The model): the caller adds e to A1 or H1, and divides K and k by u. The
    sum is computed relative to the first theta: with N1 <= MAX_WINDOWS no exponent exceeds 60 ln 10, and terms that
    underflow are negligible.

    Args:
        flips: N1.
        expected: A, more than 0.
        shape: K of the gamma distribution of the subject's level.
        rate: k of that distribution.
    """
    log_null_rate, posterior_shape = math.log(rate + expected), shape + flips
    first, total = 0.0, 1.0
    for number in range(len(_THETAS)):
        value = flips * _LOG_THETAS[number] - posterior_shape * (
            math.log(rate + _THETAS[number] * expected) - log_null_rate
        )
        if number == 0:
            first = value
        else:
            total += math.exp(value - first)
    return first + math.log(total) - _LOG_N_THETAS


def log_retraction_normalizers(retracted_share: float) -> vec[float]:
    """Return the logs by which each of DELTAS but the first makes a flip less likely.

    Args:
        retracted_share: The share of deletions among the flips of peers.
    """
    return vec[float]([math.log(1.0 + (delta - 1.0) * retracted_share) for delta in DELTAS[1:]])


def log_retraction_factor(flips: float, retracted: float, normalizers: vec[float]) -> float:
    """Return the log of the mean over DELTAS of the likelihood ratio of "delta times as many flips are deletions".

    Args:
        flips: All flips.
        retracted: The deletions among them.
        normalizers: See `log_retraction_normalizers`.
    """
    total = 1.0
    for number in range(len(_LOG_DELTAS)):
        total += math.exp(retracted * _LOG_DELTAS[number] - flips * normalizers[number])
    return math.log(total) - _LOG_N_DELTAS
