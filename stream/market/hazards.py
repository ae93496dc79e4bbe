"""When an honest reviewer flips a critical review: the hazard by age, the effect of contacts, and other boosts.

Invariant: rates are piecewise constant, and flip times are sampled exactly: the flip comes when the cumulative hazard
reaches a threshold drawn from Exp(1). With the same threshold a further contact or boost can only make a flip earlier,
and changes nothing before it begins.
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
YEAR: Final = 365 * DAY


@dataclass(frozen=True, slots=True)
class Boost:
    """A span of time (epoch seconds) in which the hazard is multiplied by a factor; overlapping boosts multiply."""

    since: float
    until: float
    factor: float


def fading(since: float, days: float, factor: float) -> list[Boost]:
    """Return boosts that begin with the full factor and fade to 1 after these days, in steps of one day."""
    steps = math.ceil(days)
    return [Boost(since + step * DAY, since + (step + 1) * DAY, factor ** (1 - step / steps)) for step in range(steps)]


@dataclass(frozen=True)
class Hazards:
    """How readily a market's reviewers flip; the defaults are those of world 0."""

    #: Ages (seconds) at which the rate changes, and the flips a day before, between and after them. Most authors who
    #: flip do so at once; a tail goes on for months. Without contacts they sum up to one in eight within 180 days.
    age_edges: tuple[float, ...] = (HOUR, DAY, 7 * DAY, 30 * DAY, 90 * DAY)
    flips_a_day: tuple[float, ...] = (0.10, 0.025, 0.005, 0.0015, 0.0004, 0.00015)
    #: Times since a contact (seconds), and the factor on the rate: a reply wins some back within hours, and its effect
    #: ends within weeks.
    contact_edges: tuple[float, ...] = (12 * HOUR, 3 * DAY, 14 * DAY, 30 * DAY)
    contact_factors: tuple[float, ...] = (4.0, 3.0, 2.0, 1.3, 1.0)

    def pieces(
        self,
        created_at: float,
        critical_from: float,
        contacts: Sequence[float],
        frailty: float,
        until: float,
        boosts: Iterable[Boost] = (),
    ) -> Iterator[tuple[float, float, float]]:
        """Yield the hazard from `critical_from` to `until`: begin, end and flips a second of each piece, in order."""
        overlapping = [boost for boost in boosts if boost.since < until and boost.until > critical_from]
        edges = [created_at + edge for edge in self.age_edges]
        for contact in contacts:
            edges.append(contact)
            edges += [contact + edge for edge in self.contact_edges]
        for boost in overlapping:
            edges += (boost.since, boost.until)
        within = sorted(edge for edge in edges if critical_from < edge < until)
        for begin, end in pairwise((critical_from, *within, until)):
            per_second = frailty * self.rate(begin - created_at, [begin - contact for contact in contacts]) / DAY
            for boost in overlapping:
                if boost.since <= begin < boost.until:
                    per_second *= boost.factor
            yield begin, end, per_second

    def rate(self, age_seconds: float, since_contacts_seconds: Sequence[float]) -> float:
        """Return the flips a day at this age; the strongest past contact counts, and future contacts do not."""
        factors = (
            self.contact_factors[bisect_right(self.contact_edges, since)]
            for since in since_contacts_seconds
            if since >= 0
        )
        return self.flips_a_day[bisect_right(self.age_edges, age_seconds)] * max(factors, default=1.0)


def time_reached(pieces: Iterable[tuple[float, float, float]], threshold: float) -> float | None:
    """Return when the cumulative hazard reaches `threshold` (epoch seconds), or None if it does not."""
    for begin, end, per_second in pieces:
        if per_second * (end - begin) >= threshold:
            return begin + threshold / per_second
        threshold -= per_second * (end - begin)
    return None
