"""Marks of payment: what a flip that was paid for often shows, and an honest one less often.

Invariant: a mark is asked only of flips that could bear it, so a producer that never sends outreach or look-ups changes
nothing.
"""

from __future__ import annotations

from typing import Final, Literal

from mypy_extensions import i64

from stream.core.model.flips import Flip
from stream.core.model.strata import CONTACT_DAYS

MarkName = Literal["deleted", "five_stars", "value_offered", "soon_after_contact", "no_purpose"]
MARKS: Final[tuple[MarkName, ...]] = ("deleted", "five_stars", "value_offered", "soon_after_contact", "no_purpose")
#: The share of each mark in a market of which nothing is known yet.
INITIAL_SHARES: Final[tuple[float, ...]] = (0.2, 0.7, 0.2, 0.6, 0.5)

#: "Soon" after a contact. Of the flips of nine real apps within 30 days of a contact two thirds come as soon.
_SOON_HOURS: Final = 72.0
_CONTACT_HOURS: Final = 24.0 * CONTACT_DAYS


def add_marks(sums: list[float], flip: Flip, weight: float) -> None:
    """Add a flip to sums of marks.

    Args:
        sums: (2 * len(MARKS),), for each mark the flips that could bear it, and those that do. Changed.
        flip: The flip.
        weight: How much it counts.
    """
    _add(sums, 0, flip.retracted, weight)
    if not flip.retracted:
        _add(sums, 1, flip.stars_after == 5, weight)
    hours = flip.contact_hours
    if hours is not None and hours <= _CONTACT_HOURS:
        _add(sums, 2, flip.incentive, weight)
        _add(sums, 3, hours <= _SOON_HOURS, weight)
    if flip.actor_ids:
        _add(sums, 4, flip.without_purpose, weight)


def _add(sums: list[float], mark: i64, borne: bool, weight: float) -> None:
    sums[2 * mark] += weight
    if borne:
        sums[2 * mark + 1] += weight


def no_marks() -> list[float]:
    """Return the sums of no flips, see `add_marks`."""
    return [0.0] * (2 * len(MARKS))
