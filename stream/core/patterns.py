"""river's online models: how odd a flip looks, and whether a product's displayed rating shifts.

Rule of this room: a model is part of a task's state, restored exactly by learning again from a bounded record of its
inputs, never from a pickle or from a library's inner fields. HalfSpaceTrees: Tan, Ting and Liu 2011; ADWIN: Bifet and
Gavalda 2007. What they say orders and illustrates; it does not accuse.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import Final

import msgspec
from river.anomaly import HalfSpaceTrees
from river.drift import ADWIN

_SEED: Final = 2018
_FEATURES: Final = ("contact_hours", "stars", "age", "burst", "retracted", "incentive")
#: Flips after which the trees turn to what they learned meanwhile.
_WINDOW: Final = 250
BINS: Final = 256

#: Rating events after which a product is busy enough for a drift test.
BUSY: Final = 50
#: Inputs of ADWIN kept; at the limit it begins anew from the latest half.
TAPE: Final = 512


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


class Tape(msgspec.Struct, array_like=True, gc=False):
    """ADWIN's inputs since it began: how many, and those that are not zero, as (place, time, lift)."""

    length: int
    turns: list[tuple[int, float, float]]

    def latest_half(self) -> Tape:
        """Its second half, as a tape of its own."""
        half = self.length // 2
        return Tape(self.length - half, [(place - half, at, lift) for place, at, lift in self.turns if place >= half])


class Display:
    """A product's displayed rating, and what turned reviews add to it.

    ADWIN sees, for each rating event of a busy product, the stars that a turn added (0 for a new review): so a better
    product is no shift, and reviews that turn more often are.
    """

    __slots__ = ("_adwin", "events", "last_at", "reviews", "stars", "tape")

    def __init__(self) -> None:
        self.reviews = 0
        self.stars = 0
        self.events = 0
        self.last_at = 0.0
        self.tape = Tape(0, [])
        self._adwin: ADWIN | None = None  # made when the product is busy: most never are

    @property
    def rating(self) -> float:
        """The mean of the ratings on display."""
        return self.stars / self.reviews if self.reviews > 0 else 0.0

    def show(self, at: float, reviews: int, stars: int, lift: float) -> Tape | None:
        """The display changes by so many reviews and stars; the tape up to an upward shift, if this shows it."""
        self.reviews += reviews
        self.stars += stars
        self.events += 1
        self.last_at = at
        return self._learn(at, lift) if self.events > BUSY else None

    def _learn(self, at: float, lift: float) -> Tape | None:
        """ADWIN is fed when a review turns: the zeros since the last turn first, all at once."""
        tape = self.tape
        tape.length += 1
        if lift:
            zeros = tape.length - 1 - (tape.turns[-1][0] + 1 if tape.turns else 0)
            tape.turns.append((tape.length - 1, at, lift))
            if self._adwin is None:
                self._adwin = ADWIN()
            if _shifts(self._adwin, zeros, lift):
                return self._begin_anew(self._adwin)
        if tape.length >= TAPE:
            self.load(tape.latest_half())
        return None

    def _begin_anew(self, adwin: ADWIN) -> Tape | None:
        """ADWIN has found a shift; the tape up to it, if it went up."""
        tape, self.tape, self._adwin = self.tape, Tape(0, []), None
        before = sum(turn[2] for turn in tape.turns) / tape.length
        # What ADWIN keeps after a cut is what came after the shift.
        return tape if 8 * adwin.estimation - 4 > before else None

    def load(self, tape: Tape) -> None:
        """Begin ADWIN anew from a tape."""
        self.tape, self._adwin = tape, ADWIN() if tape.turns else None
        fed = 0
        for place, _, lift in tape.turns:
            _shifts(self._adwin, place - fed, lift)
            fed = place + 1


def _shifts(adwin: ADWIN, zeros: int, lift: float) -> bool:
    """Feed so many zeros and a lift, on [0, 1], up to a shift; whether ADWIN finds one."""
    for value in chain(repeat(0.5, zeros), ((4 + lift) / 8,)):
        adwin.update(value)
        if adwin.drift_detected:
            return True
    return False
