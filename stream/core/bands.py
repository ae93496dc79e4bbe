"""Bands and arms: what is compared with what (one review lies in one band and one arm at a time).

Rule of this room: only reviews of one band are comparable, and a band is what an honest reviewer's wish to change
a review depends on: its stars and its age or, once the seller has been in touch, the time since and how old it was
then. So legitimate outreach is part of the norm. A look-up by staff makes an arm but never a band: rogues would be
their own norm.

A *cell* is a band with the flag "looked up"; it determines the arm, which tells who could have been at work. Nobody
buys an address, finds an agreement and pays within a day, and who is paid for what is half a year old: so a review is
*new* for a day, then *ripe* for a month and *late* for half a year, then *old*; unless it was *contacted*, or *looked
up* before it was old. Many payers want fresh reviews only: then what is late is a control, too.
Watches accuse some arms and take others of the same seller as their controls.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

HOUR: Final = 3600.0
DAY: Final = 86400.0

AGE_EDGES: Final = tuple(x * DAY for x in (1 / 24, 1, 7, 30, 60, 90, 180))
CONTACT_EDGES: Final = tuple(x * DAY for x in (1 / 24, 1, 3, 7, 30))
#: A review that was answered within its first day, or its first week, is younger than others at the same time since,
#: and turns more readily: without the difference, who answers at once looked like one who pays.
ANSWER_EDGES: Final = tuple(x * DAY for x in (1, 7))
#: A contact, or a look-up, is held to act for so long.
REACH_SECONDS: Final = 30 * DAY
#: A critical review that stood for so long is no longer followed: the bound on a task's memory.
FOLLOW_SECONDS: Final = 730 * DAY

#: Bands of a star: its ages, then its times since contact for each age at which it was contacted.
AGES: Final = len(AGE_EDGES) + 1
PLACES: Final = AGES + len(CONTACT_EDGES) * (len(ANSWER_EDGES) + 1)
BANDS: Final = 3 * PLACES
CELLS: Final = 2 * BANDS

NEW, RIPE, LATE, OLD, CONTACTED, LOOKED_UP = range(6)
ARMS: Final = 6
#: By place of age.
_BY_AGE: Final = (NEW, NEW, RIPE, RIPE, LATE, LATE, LATE, OLD)


def _arm(cell: int) -> int:
    band, looked_up = divmod(cell, 2)
    place = band % PLACES
    arm = CONTACTED if place >= AGES else _BY_AGE[place]
    return LOOKED_UP if looked_up and arm in (RIPE, LATE, CONTACTED) else arm


#: Arm of each cell.
ARM_OF: Final = tuple(_arm(cell) for cell in range(CELLS))


def locate(
    stars: int, created_at: float, contacted_at: float | None, looked_up_at: float | None, now: float
) -> tuple[int, float]:
    """The cell of a critical review at `now`, and when it next changes (epoch seconds).

    Intervals are closed on the left, so that a timer that fires exactly on an edge finds the review beyond it.
    """
    first = (stars - 1) * PLACES
    due = created_at + FOLLOW_SECONDS
    if contacted_at is not None and now < contacted_at + REACH_SECONDS:
        place = bisect_right(CONTACT_EDGES, now - contacted_at)
        due = min(due, edge_after(contacted_at, CONTACT_EDGES[place], now))
        place += AGES + len(CONTACT_EDGES) * bisect_right(ANSWER_EDGES, contacted_at - created_at)
    else:
        place = bisect_right(AGE_EDGES, now - created_at)
        if place < len(AGE_EDGES):
            due = min(due, edge_after(created_at, AGE_EDGES[place], now))
    looked_up = looked_up_at is not None and now < looked_up_at + REACH_SECONDS
    if looked_up_at is not None and looked_up:
        due = min(due, looked_up_at + REACH_SECONDS)
    return 2 * (first + place) + looked_up, due


def edge_after(start: float, edge: float, now: float) -> float:
    """`start + edge`, pushed on by the smallest step while rounding would leave `due - start` below the edge.

    Without it a timer could fire, find the review in the same band, and be set to the same instant for ever.
    """
    due = start + edge
    while due - start < edge or due <= now:
        due = due + max(1e-6, abs(due) * 2.3e-16)
    return due
