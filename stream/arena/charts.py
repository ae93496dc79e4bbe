"""Control charts for counts: a seller's flips against the flips expected from the market's rate and its own exposure.

Invariant: one rate for all reviews gives the expected flips; contacts and the age of a review have no effect, as in
textbook charts.
"""

from __future__ import annotations

import math
from typing import Final

from stream.arena.bookkeeping import ReviewOutcome
from stream.arena.counting import BaselineDetector

#: The rate ratio that the CUSUM is designed to detect: twice as many flips.
_RHO: Final = 2.0


class PoissonCusum(BaselineDetector):
    """The Poisson CUSUM (Lucas 1985): S = max(0, S + flips ln(rho) - expected (rho - 1)), updated at each flip."""

    def __init__(self) -> None:
        super().__init__()
        self._exposures: dict[str, float] = {}

    def score_flip(self, flip: ReviewOutcome) -> float:
        """Return S after the flips expected since the last flip, and this flip."""
        own = flip.counts
        exposure = own.exposure(flip.at)
        expected = (exposure - self._exposures.get(own.seller_id, 0.0)) * self.peers_rate(flip)
        self._exposures[own.seller_id] = exposure
        before = max(0.0, self.scores.get(own.seller_id, 0.0) - (_RHO - 1) * expected)
        return before + math.log(_RHO)


class MaxSprt(BaselineDetector):
    """The maximised sequential probability ratio test for Poisson counts (Kulldorff and others 2011).

    LLR = n ln(n / mu) - (n - mu) where n > mu, since the seller's first review; designed for one-sided surveillance.
    """

    def score_flip(self, flip: ReviewOutcome) -> float:
        """Return the log-likelihood ratio of the best rate ratio above 1 against 1."""
        flips, expected = flip.counts.flips, flip.counts.exposure(flip.at) * self.peers_rate(flip)
        if flips <= expected or not expected:
            return 0.0
        return flips * math.log(flips / expected) - (flips - expected)
