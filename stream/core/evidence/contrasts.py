"""Contrasts: the exposure groups whose flips accuse a subject, and its groups that they are compared with.

Invariant: groups are given by number; nothing is evaluated here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from librt.vecs import vec
from mypy_extensions import i64


class Contrast(NamedTuple):
    """The exposed groups and the controls of one watch.

    Attributes:
        exposed: The groups whose flips accuse.
        controls: The groups of the same subject that they are compared with.
        burst_explains: Whether a burst may explain flips of a window.
        max_level_flips: m: the level's precision is capped at that of m flips.
        optional_exposed: Exposed groups that a cheat may have left alone, one set a variant: the variant takes them as
            controls.
        optional_controls: Controls that a cheat may have influenced, one set a variant: the variant leaves them out.
    """

    exposed: tuple[int, ...]
    controls: tuple[int, ...]
    burst_explains: bool = False
    max_level_flips: float = math.inf
    optional_exposed: tuple[tuple[int, ...], ...] = ()
    optional_controls: tuple[tuple[int, ...], ...] = ()

    def variants(self) -> list[ContrastVariant]:
        """Return the contrast itself, and its variants with some optional groups moved or left out."""
        found = [
            ContrastVariant(_without(self.exposed, groups), self.controls + groups, self.max_level_flips)
            for groups in ((), *self.optional_exposed)
        ]
        return found + [
            ContrastVariant(self.exposed, _without(self.controls, groups), self.max_level_flips)
            for groups in self.optional_controls
        ]


class ContrastVariant:
    """One variant of a contrast: the numbers of its groups as arrays, and the contrast's `max_level_flips`."""

    __slots__ = ("controls", "exposed", "max_level_flips")

    def __init__(self, exposed: tuple[int, ...], controls: tuple[int, ...], max_level_flips: float) -> None:
        self.exposed = vec[i64](exposed)
        self.controls = vec[i64](controls)
        self.max_level_flips = max_level_flips


def _without(groups: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([group for group in groups if group not in others])
