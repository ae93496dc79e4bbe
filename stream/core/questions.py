"""Questions: whose flips accuse a subject, and whose say what is to be expected of it.

Rule of this room: arms of one subject, by number; nothing is weighed here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from librt.vecs import vec
from mypy_extensions import i64


class Question(NamedTuple):
    """What a watch asks: of which arms, against which arms of the same subject.

    excused: whether a surge may explain what it sees. known: the number of flips that the level of the accused arms is
    known from at most. spared: accused arms that a cheat may have left alone, by alternative: there they are controls.
    unheard: controls in which a cheat may have been at work, by alternative: there they say nothing.
    """

    accused: tuple[int, ...]
    controls: tuple[int, ...]
    excused: bool = False
    known: float = math.inf
    spared: tuple[tuple[int, ...], ...] = ()
    unheard: tuple[tuple[int, ...], ...] = ()

    def alternatives(self) -> list[Arms]:
        """The question itself, and those in which some arms have other parts."""
        asked = [Arms(_without(self.accused, arms), self.controls + arms, self.known) for arms in ((), *self.spared)]
        return asked + [Arms(self.accused, _without(self.controls, arms), self.known) for arms in self.unheard]


class Arms:
    """One alternative of a question, as arrays of the numbers of arms."""

    __slots__ = ("accused", "controls", "known")

    def __init__(self, accused: tuple[int, ...], controls: tuple[int, ...], known: float) -> None:
        self.accused = vec[i64](accused)
        self.controls = vec[i64](controls)
        self.known = known


def _without(arms: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([arm for arm in arms if arm not in others])
