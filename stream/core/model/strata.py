"""Strata and exposure groups: which reviews are compared with which.

Invariant: a review at risk lies in exactly one cell, and so in one stratum and one exposure group. A stratum depends on
what an honest author's wish to change a review depends on: stars, and age or time since contact. A look-up by staff
changes the exposure group but never the stratum: otherwise insiders' look-ups would be compared with each other.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

HOUR: Final = 3600.0
DAY: Final = 86400.0

#: How long a contact or a look-up is held to influence a review. It feeds the last contact edge, the timers and the
#: wording of alerts.
CONTACT_DAYS: Final = 30
CONTACT_SECONDS: Final = CONTACT_DAYS * DAY
#: Ends of the age buckets, in seconds since the review's creation; the last bucket has no end.
AGE_EDGES: Final = tuple(days * DAY for days in (1 / 24, 1, 7, 30, 60, 90, 180))
#: Ends of the buckets of the time since the latest contact, in seconds; the last one ends with the contact's influence.
CONTACT_EDGES: Final = (*(days * DAY for days in (1 / 24, 1, 3, 7) if days < CONTACT_DAYS), CONTACT_SECONDS)
#: A review that is contacted within its first day, or its first week, flips more readily than an older one at the same
#: time since contact. Without this distinction a seller that answers at once would look like one that pays.
CONTACT_AGE_EDGES: Final = tuple(days * DAY for days in (1, 7))
#: A critical review is followed for so long after its creation: the bound on a task's memory.
FOLLOW_UP_SECONDS: Final = 730 * DAY

#: Age buckets of the age alone, and all age buckets: one for each age, then one for each time since contact and each
#: age at contact.
N_AGES: Final = len(AGE_EDGES) + 1
N_BUCKETS: Final = N_AGES + len(CONTACT_EDGES) * (len(CONTACT_AGE_EDGES) + 1)
#: Strata: stars (3) x age bucket. Cells: stratum x (not looked up, looked up).
N_STRATA: Final = 3 * N_BUCKETS
N_CELLS: Final = 2 * N_STRATA

#: The exposure groups. A cheat cannot have influenced a *new* review (under a day: nobody finds the author, agrees and
#: pays within a day), and rarely pays for an *old* one (over 180 days). *Recent* is up to 30 days, *aged* up to 180.
NEW, RECENT, AGED, OLD, CONTACTED, LOOKED_UP = range(6)
N_GROUPS: Final = 6
_GROUP_OF_AGE: Final = (NEW, NEW, RECENT, RECENT, AGED, AGED, AGED, OLD)


def end_of_day(day: int) -> float:
    """Return the end of a day (days since 1970-01-01) in epoch seconds."""
    return (day + 1) * DAY


def _group_of(cell: int) -> int:
    stratum, looked_up = divmod(cell, 2)
    bucket = stratum % N_BUCKETS
    group = CONTACTED if bucket >= N_AGES else _GROUP_OF_AGE[bucket]
    return LOOKED_UP if looked_up and group in (RECENT, AGED, CONTACTED) else group


#: The exposure group of each cell.
GROUP_OF: Final = tuple(_group_of(cell) for cell in range(N_CELLS))


def cell_at(
    stars: int, created_at: float, contacted_at: float | None, looked_up_at: float | None, now: float
) -> tuple[int, float]:
    """Return a critical review's cell, and when it changes next.

    Intervals are closed on the left: a timer that fires exactly on an edge finds the review beyond it.

    Args:
        stars: 1 to 3.
        created_at, contacted_at, looked_up_at, now: Epoch seconds; the latest contact and look-up.

    Returns:
        The cell, and the time of the next change in epoch seconds.
    """
    first = (stars - 1) * N_BUCKETS
    due_at = created_at + FOLLOW_UP_SECONDS
    if contacted_at is not None and now < contacted_at + CONTACT_SECONDS:
        bucket = bisect_right(CONTACT_EDGES, now - contacted_at)
        due_at = min(due_at, edge_after(contacted_at, CONTACT_EDGES[bucket], now))
        bucket += N_AGES + len(CONTACT_EDGES) * bisect_right(CONTACT_AGE_EDGES, contacted_at - created_at)
    else:
        bucket = bisect_right(AGE_EDGES, now - created_at)
        if bucket < len(AGE_EDGES):
            due_at = min(due_at, edge_after(created_at, AGE_EDGES[bucket], now))
    looked_up = looked_up_at is not None and now < looked_up_at + CONTACT_SECONDS
    if looked_up_at is not None and looked_up:
        due_at = min(due_at, looked_up_at + CONTACT_SECONDS)
    return 2 * (first + bucket) + looked_up, due_at


def edge_after(start: float, edge: float, now: float) -> float:
    """Return `start + edge`, moved on by the smallest step while rounding leaves `due - start` below the edge.

    Without this step a timer could fire, find the review in the same bucket, and be set to the same instant forever.
    """
    due_at = start + edge
    while due_at - start < edge or due_at <= now:
        due_at = due_at + max(1e-6, abs(due_at) * 2.3e-16)
    return due_at
