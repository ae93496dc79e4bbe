"""Contrasts: the exposure groups whose flips accuse a subject, and its groups that they are compared with.

Invariant: groups are given by number; nothing is evaluated here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from librt.vecs import vec
from mypy_extensions import i64

#: The variance of the log of a group's level around the subject's. Among 431 real sellers the log of the ratio of two
#: groups' levels varies by 0.08 to 0.21 beyond chance (docs/detection.md).
LEVEL_VARIANCE: Final = 0.12


class Contrast(NamedTuple):
    """The exposed groups and the controls of one watch.

    Attributes:
        exposed: The groups whose flips accuse.
        controls: The groups of the same subject that they are compared with.
        burst_explains: Whether a burst may explain flips of a window.
        level_variance: How much the levels of the exposed groups and of the others differ: the variance of a log.
        optional_exposed: Exposed groups that a cheat may have left alone, one set a variant: the variant takes them as
            controls.
        optional_controls: Controls that a cheat may have influenced, one set a variant: the variant leaves them out.
    """

    exposed: tuple[int, ...]
    controls: tuple[int, ...]
    burst_explains: bool = False
    level_variance: float = LEVEL_VARIANCE
    optional_exposed: tuple[tuple[int, ...], ...] = ()
    optional_controls: tuple[tuple[int, ...], ...] = ()

    def variants(self) -> list[ContrastVariant]:
        """Return the contrast itself, and its variants with some optional groups moved or left out."""
        found = [
            ContrastVariant(_without(self.exposed, groups), self.controls + groups, self.level_variance)
            for groups in ((), *self.optional_exposed)
        ]
        return found + [
            ContrastVariant(self.exposed, _without(self.controls, groups), self.level_variance)
            for groups in self.optional_controls
        ]


class ContrastVariant:
    """One variant of a contrast: the numbers of its groups as arrays, and the contrast's `level_variance`."""

    __slots__ = ("controls", "exposed", "level_variance")

    def __init__(self, exposed: tuple[int, ...], controls: tuple[int, ...], level_variance: float) -> None:
        self.exposed = vec[i64](exposed)
        self.controls = vec[i64](controls)
        self.level_variance = level_variance


def _without(groups: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([group for group in groups if group not in others])
