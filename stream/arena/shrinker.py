"""EB05: how many times as many flips as expected, shrunk by what is usual among sellers, at the cautious end.

Rule of this room: the paper's formulas (DuMouchel 1999, "Bayesian data mining in large frequency tables"), with their
names; refitted monthly as pharmacovigilance does quarterly. scipy is what river itself needs.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, gammainc, gammaincinv, gammaln

from stream.arena.counting import Baseline
from stream.arena.follow import MONTH, Outcome

#: The paper's start of the search, and the prior until the first month is over: alpha1, beta1, alpha2, beta2, P.
_START: Final = (0.2, 0.1, 2.0, 4.0, 1 / 3)
#: The lower end of the posterior: 5 % lie below.
_QUANTILE: Final = 0.05


class Eb05(Baseline):
    """The 5 % quantile of a seller's relative rate under a mixture of two gammas."""

    def __init__(self) -> None:
        super().__init__()
        self._prior = _START
        self._fit_at = math.inf

    def judge(self, flip: Outcome) -> float:
        """EB05 of all its flips so far, against the market's rate and its own exposure."""
        if self._fit_at == math.inf:
            self._fit_at = flip.at + MONTH
        elif flip.at >= self._fit_at:
            self._prior = self._fitted(flip.at)
            self._fit_at = flip.at + MONTH
        expected = flip.account.exposure(flip.at) * self.peers_rate(flip)
        return eb05(self._prior, flip.account.flips, expected)

    def _fitted(self, now: float) -> tuple[float, float, float, float, float]:
        market = self.follower.market
        rate = (market.flips + 1) / (market.exposure(now) + 100)
        pairs = [(one.flips, one.exposure(now) * rate) for one in self.follower.accounts.values()]
        flips, expected = np.array([pair for pair in pairs if pair[1] > 0]).reshape(-1, 2).T
        start = [*np.log(_START[:4]), math.log(_START[4] / (1 - _START[4]))]
        bounds = [(-5.0, 5.0)] * 5  # beyond lies a gamma that is a point, or one that is flat
        found = minimize(_loss, start, args=(flips, expected), method="L-BFGS-B", bounds=bounds)
        a1, b1, a2, b2 = (float(value) for value in np.exp(found.x[:4]))
        return a1, b1, a2, b2, float(expit(found.x[4]))


def _loss(at: Any, flips: Any, expected: Any) -> float:
    """Minus the log-likelihood of counts that are mixtures of two negative binomials (the paper's formula 4)."""
    a1, b1, a2, b2 = np.exp(at[:4])
    share = expit(at[4])
    first = _log_binomial(flips, expected, a1, b1) + math.log(share)
    second = _log_binomial(flips, expected, a2, b2) + math.log1p(-share)
    return -float(np.logaddexp(first, second).sum())


def _log_binomial(flips: Any, expected: Any, alpha: float, beta: float) -> Any:
    """Log-probability of a Poisson count whose rate is gamma distributed, about its mean expected * alpha / beta."""
    shape = gammaln(alpha + flips) - gammaln(alpha) - gammaln(flips + 1)
    return shape + alpha * np.log(beta / (beta + expected)) + flips * np.log(expected / (beta + expected))


def eb05(prior: tuple[float, float, float, float, float], flips: int, expected: float) -> float:
    """The posterior's lower quantile, by bisection between those of the mixture's two gammas."""
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
