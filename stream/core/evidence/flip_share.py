"""Evidence on one author: how much better "turns a large part of its critical reviews" explains what turned.

Invariant: numbers in, numbers out. Authors differ, so the share of an honest author is not that of all authors: it
varies as the levels of sellers do. An author is looked at because two of its reviews turned, so both models are
conditional on two flips or more.
"""

from __future__ import annotations

import math
from typing import Final

#: An author with fewer flips is not looked at.
MIN_FLIPS: Final = 2
#: First parameter of the beta distribution of an honest author's share; the second follows from the market's share.
#: Its standard deviation is about 0.7 times its mean, as that of the levels of sellers (`watches.SELLER_PRIOR`).
_SHAPE: Final = 2.0
#: The market's share is taken between these, so that the distribution exists.
_MIN_SHARE: Final = 0.001
_MAX_SHARE: Final = 0.5


def log_share_factor(flips: int, reviews: int, market_share: float) -> float:
    """Return the log Bayes factor of "any share is as likely as any other" against an honest author's share.

    Both are beta-binomial models of the number of flips, conditional on MIN_FLIPS or more of them.

    Args:
        flips: MIN_FLIPS at least.
        reviews: The author's critical reviews, as many as flips at least.
        market_share: The share of all critical reviews that turn.
    """
    share = min(max(market_share, _MIN_SHARE), _MAX_SHARE)
    return _log_probability(flips, reviews, 1.0, 1.0) - _log_probability(
        flips, reviews, _SHAPE, _SHAPE * (1.0 - share) / share
    )


def _log_probability(flips: int, reviews: int, first: float, second: float) -> float:
    """Return the log probability of this many flips, given MIN_FLIPS or more, for a beta(first, second) share."""
    fewer = 0.0
    for count in range(MIN_FLIPS):
        fewer += math.exp(_log_beta_binomial(count, reviews, first, second))
    return _log_beta_binomial(flips, reviews, first, second) - math.log1p(-fewer)


def _log_beta_binomial(flips: int, reviews: int, first: float, second: float) -> float:
    ways = math.lgamma(reviews + 1) - math.lgamma(flips + 1) - math.lgamma(reviews - flips + 1)
    return ways + _log_beta(flips + first, reviews - flips + second) - _log_beta(first, second)


def _log_beta(first: float, second: float) -> float:
    return math.lgamma(first) + math.lgamma(second) - math.lgamma(first + second)
