"""Anomaly detectors of river on features of flips and of sellers: unusual flips and sellers get high scores.

Invariant: features lie in [0, 1] and are those that an analyst would choose first. All detectors here get the same
features, and no detector gets the direction in which a feature is suspicious.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any, Final

from river.anomaly import LODA, HalfSpaceTrees, QuantileFilter

from stream.arena.bookkeeping import HOUR, MONTH, ReviewOutcome
from stream.arena.counting import BaselineDetector

_SEED: Final = 2018
_MONTH_HOURS: Final = MONTH / HOUR
#: The first window of the trees, and the flips before LODA scores: to an empty histogram everything is an anomaly.
_WARM_UP: Final = 250


class OddFlips(BaselineDetector):
    """HalfSpaceTrees (Tan, Ting and Liu 2011) with a QuantileFilter: a seller's anomalous flips within 30 days.

    The filter keeps the trees from learning anomalies: the 5 % of flips with the highest scores.
    """

    def __init__(self) -> None:
        super().__init__()
        trees = HalfSpaceTrees(n_trees=25, height=8, window_size=_WARM_UP, seed=_SEED)
        self._filter: Any = QuantileFilter(trees, q=0.95)
        self._odd: dict[str, deque[tuple[float, float]]] = {}

    def score_flip(self, flip: ReviewOutcome) -> float:
        """Return the sum of the scores of the seller's anomalous flips."""
        x = _flip_features(flip)
        score = float(self._filter.score_one(x))
        odd = self._odd.setdefault(flip.counts.seller_id, deque())
        if self._filter.classify(score):
            odd.append((flip.at, score))
        self._filter.learn_one(x)
        while odd and odd[0][0] <= flip.at - MONTH:
            odd.popleft()
        return sum(score for _, score in odd)


class SellerWindow:
    """A seller's flips of the last 30 days, and the sums of their features."""

    def __init__(self) -> None:
        self._flips: deque[tuple[float, dict[str, float]]] = deque()
        self._sums: defaultdict[str, float] = defaultdict(float)

    def add(self, flip: ReviewOutcome) -> dict[str, float]:
        """Add a flip and drop flips older than 30 days.

        Returns:
            The means of the features, and the share of flips among flips and fresh reviews.
        """
        flips, sums, features = self._flips, self._sums, _flip_features(flip)
        del features["month"]
        flips.append((flip.at, features))
        for name, value in features.items():
            sums[name] += value
        while flips[0][0] <= flip.at - MONTH:
            for name, value in flips.popleft()[1].items():
                sums[name] -= value
        count = len(flips)
        return {name: total / count for name, total in sums.items()} | {"share": count / (count + flip.counts.fresh)}


class OddSellers(BaselineDetector):
    """LODA (Pevny 2016) on a seller's last 30 days, updated at each flip: how improbable they are among all sellers.

    It has fewer projections than river's default of 100: each uses two of seven features, and there are 21 pairs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loda: Any = LODA(n_bins=20, n_random_cuts=42, seed=_SEED)
        self._learned = 0
        self._windows: defaultdict[str, SellerWindow] = defaultdict(SellerWindow)

    def score_flip(self, flip: ReviewOutcome) -> float:
        """Return minus the mean log-density of the seller's window."""
        x = self._windows[flip.counts.seller_id].add(flip)
        score = float(self._loda.score_one(x)) if self._learned >= _WARM_UP else 0.0
        self._loda.learn_one(x)
        self._learned += 1
        return score


def _flip_features(flip: ReviewOutcome) -> dict[str, float]:
    month = flip.counts.flips_within_month(flip.at)
    return {
        "contact": 1.0 if flip.contact_hours is None else flip.contact_hours / _MONTH_HOURS,
        "age": flip.age_days / (flip.age_days + 30),
        "month": month / (month + 10),
        "stars": max(flip.stars, 0) / 4,
        "retracted": float(flip.retracted),
        "looked_up": float(flip.looked_up),
        "incentive": float(flip.incentive),
    }
