"""When an honest reviewer turns a critical review: the hazard of a flip by age, and what a contact adds.

Rule of this room: piecewise constant rates a day; times are sampled exactly, by spending an exponential budget.
"""

from __future__ import annotations

from typing import Final

DAY: Final = 86400.0

#: (age up to, in days; flips a day): most who change their mind do so at once.
BY_AGE: Final = ((1 / 24, 0.10), (1.0, 0.02), (7.0, 0.006), (30.0, 0.002), (90.0, 0.0007), (1e9, 0.0003))
#: (time since a contact up to, in days; factor): a reply wins some back, for hours, and fades over weeks.
BY_CONTACT: Final = ((1.0, 6.0), (7.0, 3.0), (30.0, 1.5), (1e9, 1.0))


def flip_at(created_at: float, contacted_at: float | None, temper: float, budget: float, until: float) -> float | None:
    """When the cumulative hazard reaches `budget` (a draw from Exp(1)), in epoch seconds; None if not by `until`."""
    edges = {until}
    edges.update(created_at + edge * DAY for edge, _ in BY_AGE)
    if contacted_at is not None:
        edges.add(contacted_at)
        edges.update(contacted_at + edge * DAY for edge, _ in BY_CONTACT)
    now, left = created_at, budget
    for edge in sorted(edges):
        if edge <= now:
            continue
        end = min(edge, until)
        rate = temper * _step(BY_AGE, (now - created_at) / DAY) / DAY
        if contacted_at is not None and now >= contacted_at:
            rate *= _step(BY_CONTACT, (now - contacted_at) / DAY)
        if rate * (end - now) >= left:
            return now + left / rate
        left -= rate * (end - now)
        now = end
        if now >= until:
            return None
    return None


def _step(table: tuple[tuple[float, float], ...], at: float) -> float:
    return next(value for edge, value in table if at < edge)
