"""When an honest reviewer turns a critical review: the hazard by age, what a contact adds, what else lifts it.

Rule of this room: rates are piecewise constant, and times are sampled exactly, by spending a budget drawn from Exp(1).
With the same budget a further contact or boost can only make a flip earlier, and changes nothing before it begins.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

HOUR: Final = 3600.0
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Boost:
    """A time in which all flips that it concerns come so many times as often; boosts multiply."""

    since: float
    until: float
    factor: float


def fading(since: float, days: float, factor: float) -> list[Boost]:
    """A boost that begins with its full factor and has faded to nothing after so many days, a step a day."""
    steps = math.ceil(days)
    return [Boost(since + step * DAY, since + (step + 1) * DAY, factor ** (1 - step / steps)) for step in range(steps)]


@dataclass(frozen=True)
class Hazards:
    """How readily a market's reviewers change their minds; the defaults are those of world 0."""

    #: Ages at which the rate changes, and the flips a day before, between and after them. Most who change their mind
    #: do so at once; a tail goes on for months. Without contacts they sum up to one in eight within 180 days.
    age_edges: tuple[float, ...] = (HOUR, DAY, 7 * DAY, 30 * DAY, 90 * DAY)
    flips_a_day: tuple[float, ...] = (0.10, 0.025, 0.005, 0.0015, 0.0004, 0.00015)
    #: Times since a contact, and the factor: a reply wins some back within hours, and is forgotten within weeks.
    contact_edges: tuple[float, ...] = (12 * HOUR, 3 * DAY, 14 * DAY, 30 * DAY)
    lifts: tuple[float, ...] = (4.0, 3.0, 2.0, 1.3, 1.0)

    def pieces(
        self,
        born: float,
        critical_from: float,
        contacts: Sequence[float],
        frailty: float,
        until: float,
        boosts: Iterable[Boost] = (),
    ) -> Iterator[tuple[float, float, float]]:
        """The hazard from `critical_from` to `until`: begin, end and flips a second of each piece, in order."""
        near = [boost for boost in boosts if boost.since < until and boost.until > critical_from]
        edges = [born + edge for edge in self.age_edges]
        for contact in contacts:
            edges.append(contact)
            edges += [contact + edge for edge in self.contact_edges]
        for boost in near:
            edges += (boost.since, boost.until)
        within = sorted(edge for edge in edges if critical_from < edge < until)
        for begin, end in pairwise((critical_from, *within, until)):
            per_second = frailty * self.rate(begin - born, [begin - contact for contact in contacts]) / DAY
            for boost in near:
                if boost.since <= begin < boost.until:
                    per_second *= boost.factor
            yield begin, end, per_second

    def rate(self, age_seconds: float, since_contacts_seconds: Sequence[float]) -> float:
        """Flips a day at this age; of several contacts the strongest counts, one still to come counts nothing."""
        lifts = (self.lifts[bisect_right(self.contact_edges, since)] for since in since_contacts_seconds if since >= 0)
        return self.flips_a_day[bisect_right(self.age_edges, age_seconds)] * max(lifts, default=1.0)


def reached(pieces: Iterable[tuple[float, float, float]], budget: float) -> float | None:
    """When the cumulative hazard reaches `budget`, epoch seconds; None if the pieces do not add up to it."""
    for begin, end, per_second in pieces:
        if per_second * (end - begin) >= budget:
            return begin + budget / per_second
        budget -= per_second * (end - begin)
    return None
