"""EB05: the lower 5 % quantile of the ratio of a seller's flips to the expected flips, shrunk to the other sellers'.

Invariant: the paper's formulas (DuMouchel 1999, "Bayesian data mining in large frequency tables") with their names. The
prior is fitted monthly, as pharmacovigilance does quarterly. scipy is a dependency of river.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, gammainc, gammaincinv, gammaln

from stream.arena.bookkeeping import MONTH, ReviewOutcome
from stream.arena.counting import BaselineDetector

#: The paper's starting point, and the prior of the first month: alpha1, beta1, alpha2, beta2, P.
_START: Final = (0.2, 0.1, 2.0, 4.0, 1 / 3)
#: The quantile of the posterior that is the score.
_QUANTILE: Final = 0.05


class Eb05(BaselineDetector):
    """The 5 % quantile of a seller's relative rate under a mixture of two gammas."""

    def __init__(self) -> None:
        super().__init__()
        self._prior = _START
        self._fit_at = math.inf

    def score_flip(self, flip: ReviewOutcome) -> float:
        """Return EB05 of the seller's flips so far, against the market's rate and its own exposure."""
        if self._fit_at == math.inf:
            self._fit_at = flip.at + MONTH
        elif flip.at >= self._fit_at:
            self._prior = self._fitted(flip.at)
            self._fit_at = flip.at + MONTH
        expected = flip.counts.exposure(flip.at) * self.peers_rate(flip)
        return eb05(self._prior, flip.counts.flips, expected)

    def _fitted(self, now: float) -> tuple[float, float, float, float, float]:
        market = self.tracker.market
        rate = (market.flips + 1) / (market.exposure(now) + 100)
        pairs = [(one.flips, one.exposure(now) * rate) for one in self.tracker.sellers.values()]
        flips, expected = np.array([pair for pair in pairs if pair[1] > 0]).reshape(-1, 2).T
        start = [*np.log(_START[:4]), math.log(_START[4] / (1 - _START[4]))]
        bounds = [(-5.0, 5.0)] * 5  # beyond these a gamma is a point, or flat
        found = minimize(_loss, start, args=(flips, expected), method="L-BFGS-B", bounds=bounds)
        a1, b1, a2, b2 = (float(value) for value in np.exp(found.x[:4]))
        return a1, b1, a2, b2, float(expit(found.x[4]))


def _loss(at: Any, flips: Any, expected: Any) -> float:
    """Return minus the log-likelihood of counts from a mixture of two negative binomials (the paper's formula 4)."""
    a1, b1, a2, b2 = np.exp(at[:4])
    share = expit(at[4])
    first = _log_binomial(flips, expected, a1, b1) + math.log(share)
    second = _log_binomial(flips, expected, a2, b2) + math.log1p(-share)
    return -float(np.logaddexp(first, second).sum())


def _log_binomial(flips: Any, expected: Any, alpha: float, beta: float) -> Any:
    """Return the log-probability of a Poisson count with a gamma distributed rate of mean expected * alpha / beta."""
    shape = gammaln(alpha + flips) - gammaln(alpha) - gammaln(flips + 1)
    return shape + alpha * np.log(beta / (beta + expected)) + flips * np.log(expected / (beta + expected))


def eb05(prior: tuple[float, float, float, float, float], flips: int, expected: float) -> float:
    """Return the posterior's lower quantile, by bisection between the quantiles of the mixture's two gammas."""
    a1, b1, a2, b2, share = prior
    if expected > 0:
        first = float(_log_binomial(flips, expected, a1, b1)) + math.log(share)
        second = float(_log_binomial(flips, expected, a2, b2)) + math.log1p(-share)
        share = float(expit(first - second))
    gammas = (
        (share, a1 + flips, b1 + expected),
        (1 - share, a2 + flips, b2 + expected),
    )
    ends = sorted(float(gammaincinv(shape, _QUANTILE)) / rate for _, shape, rate in gammas)
    low, high = ends
    for _ in range(30):
        middle = (low + high) / 2
        below = sum(weight * float(gammainc(shape, rate * middle)) for weight, shape, rate in gammas)
        low, high = (middle, high) if below < _QUANTILE else (low, middle)
    return low
