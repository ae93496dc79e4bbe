"""Anomaly detectors of river on features of flips, and of sellers: what looks like nothing else is suspicious.

Rule of this room: features lie on [0, 1] and are those that an analyst would think of first; they are the same for all
detectors here, and no detector is told what is good or bad about them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any, Final

from river.anomaly import LODA, HalfSpaceTrees, QuantileFilter

from stream.arena.counting import Baseline
from stream.arena.follow import HOUR, MONTH, Outcome

_SEED: Final = 2018
_MONTH_HOURS: Final = MONTH / HOUR
#: Flips before anything is called odd, as the trees' first window: everything is new to an empty histogram.
_WARM_UP: Final = 250


class OddFlips(Baseline):
    """HalfSpaceTrees (Tan, Ting and Liu 2011) with a QuantileFilter: a seller's odd flips within 30 days.

    The trees protect themselves from learning what the filter takes for an anomaly: the 5 % that look oddest.
    """

    def __init__(self) -> None:
        super().__init__()
        trees = HalfSpaceTrees(n_trees=25, height=8, window_size=_WARM_UP, seed=_SEED)
        self._filter: Any = QuantileFilter(trees, q=0.95)
        self._odd: dict[str, deque[tuple[float, float]]] = {}

    def judge(self, flip: Outcome) -> float:
        """The sum of the scores of its odd flips."""
        x = _of_flip(flip)
        score = float(self._filter.score_one(x))
        odd = self._odd.setdefault(flip.account.seller_id, deque())
        if self._filter.classify(score):
            odd.append((flip.at, score))
        self._filter.learn_one(x)
        while odd and odd[0][0] <= flip.at - MONTH:
            odd.popleft()
        return sum(score for _, score in odd)


class Window:
    """A seller's flips of the last 30 days, and the sums of their features."""

    def __init__(self) -> None:
        self._flips: deque[tuple[float, dict[str, float]]] = deque()
        self._sums: defaultdict[str, float] = defaultdict(float)

    def add(self, flip: Outcome) -> dict[str, float]:
        """Take a flip in, let old ones go; means of the features, and the share of flips among what was open."""
        flips, sums, features = self._flips, self._sums, _of_flip(flip)
        del features["month"]
        flips.append((flip.at, features))
        for name, value in features.items():
            sums[name] += value
        while flips[0][0] <= flip.at - MONTH:
            for name, value in flips.popleft()[1].items():
                sums[name] -= value
        count = len(flips)
        return {name: total / count for name, total in sums.items()} | {"share": count / (count + flip.account.fresh)}


class OddSellers(Baseline):
    """LODA (Pevny 2016) on a seller's last 30 days, seen at each flip: how improbable they are among all sellers'.

    Fewer projections than river's 100: of seven features two enter each, and there are 21 pairs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loda: Any = LODA(n_bins=20, n_random_cuts=42, seed=_SEED)
        self._learned = 0
        self._windows: defaultdict[str, Window] = defaultdict(Window)

    def judge(self, flip: Outcome) -> float:
        """Minus the mean log-density of the seller's window."""
        x = self._windows[flip.account.seller_id].add(flip)
        score = float(self._loda.score_one(x)) if self._learned >= _WARM_UP else 0.0
        self._loda.learn_one(x)
        self._learned += 1
        return score


def _of_flip(flip: Outcome) -> dict[str, float]:
    month = flip.account.flips_within_month(flip.at)
    return {
        "contact": 1.0 if flip.contact_hours is None else flip.contact_hours / _MONTH_HOURS,
        "age": flip.age_days / (flip.age_days + 30),
        "month": month / (month + 10),
        "stars": max(flip.stars, 0) / 4,
        "retracted": float(flip.retracted),
        "looked_up": float(flip.looked_up),
        "incentive": float(flip.incentive),
    }
