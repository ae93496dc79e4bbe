"""When an honest reviewer turns a critical review: the hazard of a flip by age, and what a contact adds.

Rule of this room: rates are piecewise constant, and times are sampled exactly, by spending a budget drawn from Exp(1).
With the same budget a further contact can only make a flip earlier, and changes nothing before the contact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

HOUR: Final = 3600.0
DAY: Final = 86_400.0

#: Ages at which the rate changes, and the flips a day before, between and after them. Most who change their mind do
#: so at once; a tail goes on for months. Without contacts they sum up to one in eight within 180 days.
AGE_EDGES: Final = (HOUR, DAY, 7 * DAY, 30 * DAY, 90 * DAY)
FLIPS_A_DAY: Final = (0.10, 0.025, 0.005, 0.0015, 0.0004, 0.00015)
#: Times since a contact, and the factor: a reply wins some back within hours, and is forgotten within weeks.
CONTACT_EDGES: Final = (12 * HOUR, 3 * DAY, 14 * DAY, 30 * DAY)
LIFT: Final = (4.0, 3.0, 2.0, 1.3, 1.0)


def flip_at(
    born: float, critical_from: float, contacts: Sequence[float], frailty: float, budget: float, until: float
) -> float | None:
    """When the cumulative hazard since `critical_from` reaches `budget`, in epoch seconds; None if not by `until`."""
    edges = [born + edge for edge in AGE_EDGES]
    for contact in contacts:
        edges.append(contact)
        edges += [contact + edge for edge in CONTACT_EDGES]
    within = sorted(edge for edge in edges if critical_from < edge < until)
    for begin, end in pairwise((critical_from, *within, until)):
        per_second = frailty * rate(begin - born, [begin - contact for contact in contacts]) / DAY
        if per_second * (end - begin) >= budget:
            return begin + budget / per_second
        budget -= per_second * (end - begin)
    return None


def rate(age_seconds: float, since_contacts_seconds: Sequence[float]) -> float:
    """Flips a day at this age; of several contacts the strongest counts, one still to come counts nothing."""
    lifts = (LIFT[bisect_right(CONTACT_EDGES, since)] for since in since_contacts_seconds if since >= 0)
    return FLIPS_A_DAY[bisect_right(AGE_EDGES, age_seconds)] * max(lifts, default=1.0)
