"""Counting rules as on a dashboard, and the base class of all baselines.

Invariant: a baseline receives outcomes and keeps one score a seller. It changes a seller's score only when one of the
seller's reviews flips: no other event makes a seller more suspicious.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from typing import Final

from stream.arena.bookkeeping import DAY, ReviewOutcome, ReviewTracker
from stream.contract.events import SellerEvent

#: With fewer flips a month than this there is no ratio.
_FEWEST: Final = 5
#: The score of a seller is 0 in its first weeks.
_FEWEST_WEEKS: Final = 4
_WEEK: Final = 7 * DAY


class BaselineDetector(ABC):
    """Tracks the market, and keeps a score for each seller; a seller without a flip has 0."""

    def __init__(self) -> None:
        self.tracker = ReviewTracker()
        self.scores: dict[str, float] = {}

    def learn_one(self, x: SellerEvent) -> None:
        """Process the next event."""
        for outcome in self.tracker.learn_one(x):
            self.learn_outcome(outcome)
            if outcome.flipped:
                self.scores[outcome.counts.seller_id] = self.score_flip(outcome)

    def score_one(self, x: SellerEvent) -> float:
        """Return the seller's score after its latest flip."""
        return self.scores.get(x.seller_id, 0.0)

    def learn_outcome(self, outcome: ReviewOutcome) -> None:  # noqa: B027 - most use flips only
        """Learn from a review's outcome."""

    @abstractmethod
    def score_flip(self, flip: ReviewOutcome) -> float:
        """Return the new score of the flip's seller."""

    def peers_rate(self, flip: ReviewOutcome) -> float:
        """Return the flips of all other sellers a review-day of exposure, up to now."""
        market, own = self.tracker.market, flip.counts
        exposure = market.exposure(flip.at) - own.exposure(flip.at)
        # One flip in a hundred review-days is added, for a market without a flip.
        return (market.flips - own.flips + 1) / (exposure + 100)


class CountThreshold(BaselineDetector):
    """Flips within 30 days: the first rule of every team."""

    def score_flip(self, flip: ReviewOutcome) -> float:
        """Return their number."""
        return float(flip.counts.flips_within_month(flip.at))


class RatioToPeers(BaselineDetector):
    """The month's flips per open critical review, over the same of all other sellers: a rate ratio."""

    def score_flip(self, flip: ReviewOutcome) -> float:
        """Return the rate ratio, from _FEWEST flips on."""
        own, market = flip.counts, self.tracker.market
        own_flips, market_flips = own.flips_within_month(flip.at), market.flips_within_month(flip.at)
        if own_flips < _FEWEST:
            return 0.0
        others = (market_flips - own_flips + 1) / (market.fresh - own.fresh + 1)
        return own_flips / (own.fresh + 1) / others


class WeeklyZScore(BaselineDetector):
    """Flips of the seller's current week against its own former weeks, as z: one Shewhart chart (1931) a seller.

    With Poisson counts the deviation is at least the root of the mean, and at least 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self._weeks: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))

    def score_flip(self, flip: ReviewOutcome) -> float:
        """Return by how many deviations this week is above the others."""
        number = int((flip.at - flip.counts.since) // _WEEK)
        weeks = self._weeks[flip.counts.seller_id]
        weeks[number] += 1
        if number < _FEWEST_WEEKS:
            return 0.0
        former = [count for week, count in weeks.items() if week != number]
        mean = sum(former) / number  # weeks without a flip are not stored but count as 0
        variance = sum(count * count for count in former) / number - mean * mean
        return (weeks[number] - mean) / math.sqrt(max(variance, mean, 1.0))
