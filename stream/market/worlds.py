"""Worlds: other markets of the same kind, so that nothing can be tuned to one.

Rule of this room: a world depends on its number alone, and world 0 is the one that the defaults describe. The ranges
are wide on purpose: honest life as the literature has it (5-30 % of critical reviews change), and a factor of several
about world 0 wherever nobody has published a figure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stream.market.chance import Weighted, between, times_between, weighted
from stream.market.habits import Honest, Payments
from stream.market.hazards import Hazards
from stream.market.rhythm import Rhythm

#: How far down the rates have come at each age, in logarithms: 0 in the first hour, 1 after a week; as in world 0.
_DESCENT: Final = (0.0, 0.33, 0.71, 1.0, 1.31, 1.55)
#: What is left of a contact's lift as time goes on, in logarithms; as in world 0.
_FADING: Final = (1.0, 0.8, 0.5, 0.19, 0.0)


@dataclass(frozen=True)
class World:
    """Everything that is the same for all sellers of a market, cheats or no."""

    hazards: Hazards = field(default_factory=Hazards)
    honest: Honest = field(default_factory=Honest)
    payments: Payments = field(default_factory=Payments)
    rhythm: Rhythm = field(default_factory=Rhythm)


def world(number: int) -> World:
    """The world of that number."""
    if number == 0:
        return World()
    random = np.random.default_rng([number, 0x776F726C64])  # apart from the seeds of markets, which are numbers, too
    return World(_hazards(random), _honest(random), _payments(random), _rhythm(random))


def _hazards(random: np.random.Generator) -> Hazards:
    first = times_between(random, (0.05, 0.2))  # flips a day in the first hour
    later = times_between(random, (0.0007, 0.0025))  # and after a week: 5-30 % in half a year between them
    bend = between(random, (0.85, 1.2))  # above 1 the early days hold out longer, and the tail is thinner
    peak = times_between(random, (2.0, 8.0))  # what a contact is worth in its first hours
    patience = between(random, (0.5, 1.5))  # and how long it is remembered: two to six weeks
    usual = Hazards()
    return Hazards(
        age_edges=usual.age_edges,
        flips_a_day=tuple(first * (later / first) ** (depth**bend) for depth in _DESCENT),
        contact_edges=tuple(edge * patience for edge in usual.contact_edges),
        lifts=tuple(peak**left for left in _FADING),
    )


def _honest(random: np.random.Generator) -> Honest:
    median = times_between(random, (1.5, 3.5))
    critical, alike = between(random, (0.12, 0.32)), between(random, (25.0, 60.0))
    return Honest(
        volume_median=median,
        volume_sigma=between(random, (0.6, 1.1)),
        volume_most=12 * median,
        critical=(critical * alike, (1 - critical) * alike),
        frailty_shape=between(random, (1.0, 3.0)),
        outreach_most=between(random, (0.2, 0.9)),
        outreach_hours=times_between(random, (6.0, 72.0)),
        outreach_sigma=between(random, (0.7, 1.3)),
        channels=_channels(random),
        outreach_unnamed=between(random, (0.0, 0.3)),
        retracts=between(random, (0.08, 0.4)),
        previous_known=between(random, (0.3, 1.0)),
        removed=times_between(random, (0.004, 0.03)),
        looked_up=times_between(random, (0.015, 0.1)),
        regulars=between(random, (0.02, 0.1)),
    )


def _payments(random: np.random.Generator) -> Payments:
    least, most = between(random, (0.15, 0.35)), between(random, (0.5, 0.85))
    deleted = between(random, (0.2, 0.6))
    return Payments(
        approached=(between(random, (0.4, 0.7)), 1.0),
        approached_old=between(random, (0.0, 0.25)),
        approach_days=times_between(random, (0.4, 4.0)),
        approach_sigma=between(random, (0.5, 1.0)),
        channels=_channels(random),
        power=(least, most),
        delay_days=times_between(random, (0.7, 6.0)),
        delay_sigma=between(random, (0.5, 1.0)),
        retracts=(deleted - 0.2, deleted + 0.2),
        five_stars=between(random, (0.6, 1.0)),
        unnamed=between(random, (0.0, 0.3)),
    )


def _channels(random: np.random.Generator) -> Weighted[str]:
    """Honest or not: in other worlds a gift card or a mere message tells nothing by itself."""
    usual = {"message": 0.5, "public_reply": 0.1, "refund": 0.12, "replacement": 0.1, "coupon": 0.08, "gift_card": 0.08}
    return weighted({channel: weight * times_between(random, (0.3, 3.0)) for channel, weight in usual.items()})


def _rhythm(random: np.random.Generator) -> Rhythm:
    weekend = between(random, (0.6, 1.5))  # some markets write at leisure, others at work
    days = tuple(between(random, (0.9, 1.1)) * (weekend if day >= 5 else 1.0) for day in range(7))
    return Rhythm(days, wave=between(random, (0.0, 0.4)), peak_day=between(random, (0.0, 365.0)))
