"""How unusual a flip is beside earlier flips: river's HalfSpaceTrees (Tan, Ting and Liu 2011).

Invariant: the model is part of a task's state. It is restored exactly by learning again from a bounded record of its
inputs, never from a pickle or from a library's internals. Its score ranks and illustrates; it never accuses.
"""

from __future__ import annotations

from typing import Final

from stream.core.model.flips import Flip
from stream.core.model.strata import DAY
from stream.core.model.sums import total
from stream.core.subjects.river_models import HalfSpaceTrees
from stream.core.subjects.seller import Seller

_SEED: Final = 2018
_FEATURES: Final = ("contact_hours", "stars", "age", "burst", "retracted", "incentive")
#: Flips of a window: after each the trees score by the masses learned in it.
_WINDOW: Final = 250
#: Bins of the histogram of scores.
BINS: Final = 256


class FlipPatterns:
    """Scores each flip's features against earlier flips, as a percentile.

    The trees follow from their seed, and their masses from the features of the present and the previous window. So
    these features, one row for each flip, are all that the state keeps of them.

    Attributes:
        count: The number of flips scored.
        scores: Histogram of all scores on [0, 1], in BINS bins.
    """

    def __init__(self) -> None:
        self.count = 0
        self.scores = [0] * BINS
        #: Names of the rows that have changed since they were last written: "" or the slot of a flip's features.
        self.changed: set[str] = set()
        self._learned: dict[str, list[float]] = {}
        self._trees = HalfSpaceTrees(n_trees=10, height=8, window_size=_WINDOW, seed=_SEED)

    def score(self, features: dict[str, float]) -> float:
        """Return the share of earlier flips that were less unusual (0 to 1), and learn from this flip."""
        score = float(self._trees.score_one(features))
        self._trees.learn_one(features)
        slot = str(self.count % (2 * _WINDOW))
        self._learned[slot] = list(features.values())
        self.count += 1
        self.changed.update(("", slot))
        score_bin = min(int(score * BINS), BINS - 1)
        learned = total(self.scores)
        percentile = total(self.scores[:score_bin]) / learned if learned else 0.5
        self.scores[score_bin] += 1
        return percentile

    def names(self) -> list[str]:
        """Return the names of the existing rows."""
        return ["", *self._learned]

    def learned(self, slot: str) -> list[float]:
        """Return the features of the latest flip in a slot."""
        return self._learned[slot]

    def relearn(self, learned: dict[str, list[float]]) -> None:
        """Restore the trees from the saved features; `count` is restored before.

        Args:
            learned: Features by slot.

        Raises:
            KeyError: The features of a flip are missing.
            ValueError: A flip has another number of features.
        """
        self._learned = learned
        last_window = max(self.count // _WINDOW - 1, 0) * _WINDOW
        for number in range(last_window, self.count):
            self._trees.learn_one(dict(zip(_FEATURES, learned[str(number % (2 * _WINDOW))], strict=True)))


def flip_features(seller: Seller, flip: Flip, age_seconds: float) -> dict[str, float]:
    """Return the features of a seller's latest flip, each on [0, 1].

    `burst` compares the seller's flips of the last seven days with its weekly mean.
    """
    in_week, week_start = 0, flip.at - 7 * DAY
    for earlier in seller.flips[::-1]:
        if earlier.at <= week_start:
            break
        in_week += 1
    weeks = max((flip.at - seller.flips[0].at) / (7 * DAY), 1.0)
    burst = in_week * weeks / len(seller.flips)
    age_days = age_seconds / DAY
    values = (
        1.0 if flip.contact_hours is None else min(flip.contact_hours / 720, 1.0),
        flip.stars / 4,
        age_days / (age_days + 30),
        burst / (burst + 1),
        float(flip.retracted),
        float(flip.incentive),
    )
    return dict(zip(_FEATURES, values, strict=True))
