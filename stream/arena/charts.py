"""Control charts for counts: a seller's flips against those expected from the market's rate and its own exposure.

Rule of this room: what is expected comes from one rate for all reviews; who has been in touch, and how old a review is,
is not asked. That is what textbook charts know.
"""

from __future__ import annotations

import math
from typing import Final

from stream.arena.counting import Baseline
from stream.arena.follow import Outcome

#: The rise that the CUSUM is tuned for: twice as many flips.
_RHO: Final = 2.0


class PoissonCusum(Baseline):
    """The Poisson CUSUM (Lucas 1985): S = max(0, S + flips ln(rho) - expected (rho - 1)), moved on at each flip."""

    def __init__(self) -> None:
        super().__init__()
        self._exposures: dict[str, float] = {}

    def judge(self, flip: Outcome) -> float:
        """S, after what was expected since the last flip and this flip."""
        own = flip.account
        exposure = own.exposure(flip.at)
        expected = (exposure - self._exposures.get(own.seller_id, 0.0)) * self.peers_rate(flip)
        self._exposures[own.seller_id] = exposure
        fallen = max(0.0, self.scores.get(own.seller_id, 0.0) - (_RHO - 1) * expected)
        return fallen + math.log(_RHO)


class MaxSprt(Baseline):
    """The maximised sequential probability ratio test for Poisson counts (Kulldorff and others 2011).

    LLR = n ln(n / mu) - (n - mu) where n > mu, since the seller was first seen; made for one-sided surveillance.
    """

    def judge(self, flip: Outcome) -> float:
        """The log-likelihood ratio of the best rate above 1 against 1."""
        flips, expected = flip.account.flips, flip.account.exposure(flip.at) * self.peers_rate(flip)
        if flips <= expected or not expected:
            return 0.0
        return flips * math.log(flips / expected) - (flips - expected)
