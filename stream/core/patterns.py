"""How odd a flip looks beside the flips before it: river's HalfSpaceTrees (Tan, Ting and Liu 2011).

Rule of this room: a model is part of a task's state, restored exactly by learning again from a bounded record of its
inputs, never from a pickle or from a library's inner fields. What it says orders and illustrates; it does not accuse.
"""

from __future__ import annotations

from typing import Final

from stream.core.online import HalfSpaceTrees

_SEED: Final = 2018
_FEATURES: Final = ("contact_hours", "stars", "age", "burst", "retracted", "incentive")
#: Flips after which the trees turn to what they learned meanwhile.
_WINDOW: Final = 250
BINS: Final = 256


class FlipPatterns:
    """Scores each flip's features against the flips before it, as a percentile.

    The trees grow from their seed, and their masses follow from the features of this window and the last: so these,
    one row for each flip, are all that has to be kept of them.
    """

    def __init__(self) -> None:
        self.count = 0
        self.scores = [0] * BINS
        #: Names of the rows that differ since they were last written: "" or the slot of a flip's features.
        self.changed: set[str] = set()
        self._learned: dict[str, list[float]] = {}
        self._trees = HalfSpaceTrees(n_trees=10, height=8, window_size=_WINDOW, seed=_SEED)

    def score(self, features: dict[str, float]) -> float:
        """The share of earlier flips that looked less odd (0 to 1); then learn from this one."""
        score = float(self._trees.score_one(features))
        self._trees.learn_one(features)
        slot = str(self.count % (2 * _WINDOW))
        self._learned[slot] = list(features.values())
        self.count += 1
        self.changed.update(("", slot))
        place = min(int(score * BINS), BINS - 1)
        total = sum(self.scores)
        percentile = sum(self.scores[:place]) / total if total else 0.5
        self.scores[place] += 1
        return percentile

    def names(self) -> list[str]:
        """Names of the rows that exist."""
        return ["", *self._learned]

    def learned(self, slot: str) -> list[float]:
        """The features of the latest flip in a slot."""
        return self._learned[slot]

    def learn_again(self, learned: dict[str, list[float]]) -> None:
        """Grow the trees anew from the saved features, `count` being known; raises KeyError where one is missing
        and ValueError where one has another number of values.
        """
        self._learned = learned
        last_window = max(self.count // _WINDOW - 1, 0) * _WINDOW
        for number in range(last_window, self.count):
            self._trees.learn_one(dict(zip(_FEATURES, learned[str(number % (2 * _WINDOW))], strict=True)))


def features(
    contact_hours: float | None, stars: float, age_days: float, burst: float, retracted: bool, incentive: bool
) -> dict[str, float]:
    """A flip's features on [0, 1]; `burst` is the seller's flips of the last week over those its mean would give."""
    values = (
        1.0 if contact_hours is None else min(contact_hours / 720, 1.0),
        stars / 4,
        age_days / (age_days + 30),
        burst / (burst + 1),
        float(retracted),
        float(incentive),
    )
    return dict(zip(_FEATURES, values, strict=True))
