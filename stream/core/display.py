"""A product's displayed rating, and whether turned reviews shift it: river's ADWIN (Bifet and Gavalda 2007).

Rule of this room: as in `patterns`, the model is restored by learning again, here from its tape.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import Final

from mypy_extensions import mypyc_attr

from stream.core.online import ADWIN

#: Rating events after which a product is busy enough for a drift test.
BUSY: Final = 50
#: Inputs of ADWIN kept; at the limit it begins anew from the latest half.
TAPE: Final = 512


@mypyc_attr(acyclic=True)
class Tape:
    """ADWIN's inputs since it began: how many, and those that are not zero, as (place, time, lift)."""

    __slots__ = ("length", "turns")

    def __init__(self, length: int, turns: list[tuple[int, float, float]]) -> None:
        self.length = length
        self.turns = turns

    def latest_half(self) -> Tape:
        """Its second half, as a tape of its own."""
        half = self.length // 2
        return Tape(self.length - half, [(place - half, at, lift) for place, at, lift in self.turns if place >= half])


@mypyc_attr(acyclic=True)
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
