"""river's online models: how odd a flip looks, and whether a product's displayed rating shifts.

Rule of this room: a model is part of a task's state, restored exactly from plain numbers, never from a pickle.
HalfSpaceTrees (Tan, Ting and Liu 2011) are rebuilt from their seed and their node masses; ADWIN (Bifet and Gavalda
2007) is a function of a bounded tape of its inputs. What they say orders and illustrates; it does not accuse.
"""

from __future__ import annotations

from typing import Any, Final

from river.anomaly import HalfSpaceTrees
from river.drift import ADWIN

_SEED: Final = 2018
_FEATURES: Final = ("contact_hours", "stars", "age", "burst", "retracted", "incentive")
_BINS: Final = 256

#: Rating events after which a product is busy enough for a drift test.
BUSY: Final = 50
#: Inputs of ADWIN kept; at the limit it begins anew from the latest half.
TAPE: Final = 512


class FlipPatterns:
    """Scores each flip's features against the flips before it, as a percentile."""

    def __init__(self) -> None:
        self._trees = HalfSpaceTrees(n_trees=10, height=8, window_size=250, seed=_SEED)
        self._trees.learn_one(dict.fromkeys(_FEATURES, 0.5))  # builds the trees, so that masses have their nodes
        self._seen = [0] * _BINS

    def score(self, features: dict[str, float]) -> float:
        """The share of earlier flips that looked less odd (0 to 1); then learn from this one."""
        score = float(self._trees.score_one(features))
        self._trees.learn_one(features)
        place = min(int(score * _BINS), _BINS - 1)
        total = sum(self._seen)
        percentile = sum(self._seen[:place]) / total if total else 0.5
        self._seen[place] += 1
        return percentile

    def dump(self) -> list[Any]:
        """Its whole state as plain integers."""
        nodes = [node for tree in self._trees._tree_nodes for node in tree]
        masses = [(node.l_mass, node.r_mass) for node in nodes]
        return [
            self._trees.counter,
            self._trees._first_window,
            [m for pair in masses for m in pair],
            self._seen,
        ]

    def load(self, state: list[Any]) -> None:
        """Take on a dumped state; raises ValueError where it does not fit these trees."""
        counter, first_window, masses, seen = state
        nodes = [node for tree in self._trees._tree_nodes for node in tree]
        if len(masses) != 2 * len(nodes) or len(seen) != _BINS:
            raise ValueError(f"the saved trees have {len(masses)} masses, these have {2 * len(nodes)}")
        for index, node in enumerate(nodes):
            node.l_mass, node.r_mass = masses[2 * index], masses[2 * index + 1]
        self._trees.counter, self._trees._first_window = counter, first_window
        self._seen = list(seen)


def features(
    contact_hours: float | None, stars: float, age_days: float, burst: float, retracted: bool, incentive: bool
) -> dict[str, float]:
    """A flip's features on [0, 1]; `burst` is the seller's flips of the last week over those its mean would give."""
    return {
        "contact_hours": 1.0 if contact_hours is None else min(contact_hours / 720, 1.0),
        "stars": stars / 4,
        "age": age_days / (age_days + 30),
        "burst": burst / (burst + 1),
        "retracted": float(retracted),
        "incentive": float(incentive),
    }


class Display:
    """A product's displayed rating, and what turned reviews add to it.

    ADWIN sees, for each rating event, the stars that a turn added (0 for a new review): so a better product is no
    shift, and reviews that turn more often are.
    """

    def __init__(self) -> None:
        self.reviews = 0
        self.stars = 0
        self.events = 0
        self.tape: list[list[float]] = []
        self._adwin = ADWIN()

    @property
    def rating(self) -> float:
        """The mean of the ratings on display."""
        return self.stars / self.reviews if self.reviews > 0 else 0.0

    def show(self, reviews: int, stars: int) -> None:
        """The display changes by so many reviews and stars."""
        self.reviews += reviews
        self.stars += stars
        self.events += 1

    def learn(self, at: float, lift: float) -> list[list[float]]:
        """Take in the lift of one rating event; the tape up to an upward shift, if this one shows it, else []."""
        if self.events < BUSY:
            return []
        before = self._adwin.estimation
        self.tape.append([at, lift])
        self._adwin.update((4 + lift) / 8)
        if self._adwin.drift_detected:
            tape, self.tape = self.tape, []
            rose = self._adwin.estimation > before
            self._adwin = ADWIN()
            return tape if rose else []
        if len(self.tape) >= TAPE:
            self.load(self.tape[-TAPE // 2 :])
        return []

    def load(self, tape: list[list[float]]) -> None:
        """Begin ADWIN anew from a tape."""
        self.tape = tape
        self._adwin = ADWIN()
        for _, lift in tape:
            self._adwin.update((4 + lift) / 8)
