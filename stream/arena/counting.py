"""Rules that count: what a dashboard has, and the base that all baselines share.

Rule of this room: a baseline is told outcomes and keeps one score a seller. It judges a seller when one of its reviews
flips and at no other time, for nothing else can make anybody more suspicious.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from typing import Final

from stream.arena.follow import DAY, Follower, Outcome
from stream.events import Event

#: Fewer flips than this a month make no rate.
_FEWEST: Final = 5
#: Weeks of its own that a seller must have shown.
_FEWEST_WEEKS: Final = 4
_WEEK: Final = 7 * DAY


class Baseline(ABC):
    """Follows the market, and keeps a score for each seller; who has shown nothing has 0."""

    def __init__(self) -> None:
        self.follower = Follower()
        self.scores: dict[str, float] = {}

    def learn_one(self, x: Event) -> None:
        """Take the next event."""
        for outcome in self.follower.learn_one(x):
            self.see(outcome)
            if outcome.flipped:
                self.scores[outcome.account.seller_id] = self.judge(outcome)

    def score_one(self, x: Event) -> float:
        """The seller's score after its latest flip."""
        return self.scores.get(x.seller_id, 0.0)

    def see(self, outcome: Outcome) -> None:  # noqa: B027 - most only look at flips
        """Learn from what became of a review."""

    @abstractmethod
    def judge(self, flip: Outcome) -> float:
        """The score of the flip's seller."""

    def peers_rate(self, flip: Outcome) -> float:
        """Flips of all other sellers over their exposed review-days, up to now."""
        market, own = self.follower.market, flip.account
        exposure = market.exposure(flip.at) - own.exposure(flip.at)
        # One flip in a hundred review-days more, for a market that has shown nothing yet.
        return (market.flips - own.flips + 1) / (exposure + 100)


class CountThreshold(Baseline):
    """Flips within 30 days: the rule that every team has first."""

    def judge(self, flip: Outcome) -> float:
        """How many."""
        return float(flip.account.flips_within_month(flip.at))


class RatioToPeers(Baseline):
    """The month's flips per open critical review, over the same of all other sellers: a rate ratio."""

    def judge(self, flip: Outcome) -> float:
        """How many times as many, from _FEWEST flips on."""
        own, market = flip.account, self.follower.market
        mine, everybody = own.flips_within_month(flip.at), market.flips_within_month(flip.at)
        if mine < _FEWEST:
            return 0.0
        others = (everybody - mine + 1) / (market.fresh - own.fresh + 1)
        return mine / (own.fresh + 1) / others


class WeeklyZScore(Baseline):
    """Flips of the seller's running week against its own former weeks, as z: Shewhart 1931, a chart of its own each.

    With Poisson counts the deviation is at least the root of the mean, and at least 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self._weeks: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))

    def judge(self, flip: Outcome) -> float:
        """By how many deviations this week is above the others."""
        number = int((flip.at - flip.account.since) // _WEEK)
        weeks = self._weeks[flip.account.seller_id]
        weeks[number] += 1
        if number < _FEWEST_WEEKS:
            return 0.0
        former = [count for week, count in weeks.items() if week != number]
        mean = sum(former) / number  # weeks without a flip are in no list and count all the same
        variance = sum(count * count for count in former) / number - mean * mean
        return (weeks[number] - mean) / math.sqrt(max(variance, mean, 1.0))
