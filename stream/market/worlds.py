"""Worlds: markets with other parameters, so that no detector can be tuned to one market.

Invariant: a world depends on its number alone, and world 0 has the defaults. The ranges are wide on purpose: for honest
reviewers those of the literature (5-30 % of critical reviews change), and a factor of several about world 0 where no
figure is published.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stream.market.hazards import Hazards
from stream.market.parameters import HonestParameters, PaymentParameters
from stream.market.sampling import WeightedChoice, log_uniform, uniform, weighted_choice
from stream.market.seasonality import Seasonality

#: How far the log rate has fallen at each age: 0 in the first hour, 1 after a week; as in world 0.
_DESCENT: Final = (0.0, 0.33, 0.71, 1.0, 1.31, 1.55)
#: The share of a contact's log factor that is left as time goes on; as in world 0.
_FADING: Final = (1.0, 0.8, 0.5, 0.19, 0.0)


@dataclass(frozen=True)
class World:
    """The parameters of all sellers of a market, cheats included."""

    hazards: Hazards = field(default_factory=Hazards)
    honest: HonestParameters = field(default_factory=HonestParameters)
    payments: PaymentParameters = field(default_factory=PaymentParameters)
    seasonality: Seasonality = field(default_factory=Seasonality)


def world(number: int) -> World:
    """Return the world of this number."""
    if number == 0:
        return World()
    random = np.random.default_rng([number, 0x776F726C64])  # separate from the seeds of markets, which are also numbers
    return World(_hazards(random), _honest(random), _payments(random), _seasonality(random))


def _hazards(random: np.random.Generator) -> Hazards:
    first = log_uniform(random, (0.05, 0.2))  # flips a day in the first hour
    later = log_uniform(random, (0.0007, 0.0025))  # after a week: together 5-30 % in half a year
    bend = uniform(random, (0.85, 1.2))  # above 1 the rate falls later and the tail is lower
    peak = log_uniform(random, (2.0, 8.0))  # factor of a contact in its first hours
    duration = uniform(random, (0.5, 1.5))  # how long a contact has an effect: two to six weeks
    default = Hazards()
    return Hazards(
        age_edges=default.age_edges,
        flips_a_day=tuple(first * (later / first) ** (depth**bend) for depth in _DESCENT),
        contact_edges=tuple(edge * duration for edge in default.contact_edges),
        contact_factors=tuple(peak**left for left in _FADING),
    )


def _honest(random: np.random.Generator) -> HonestParameters:
    median = log_uniform(random, (1.5, 3.5))
    critical, concentration = uniform(random, (0.12, 0.32)), uniform(random, (25.0, 60.0))
    return HonestParameters(
        volume_median=median,
        volume_sigma=uniform(random, (0.6, 1.1)),
        volume_most=12 * median,
        critical=(critical * concentration, (1 - critical) * concentration),
        frailty_shape=uniform(random, (1.0, 3.0)),
        outreach_most=uniform(random, (0.2, 0.9)),
        outreach_hours=log_uniform(random, (6.0, 72.0)),
        outreach_sigma=uniform(random, (0.7, 1.3)),
        channels=_channels(random),
        outreach_unnamed=uniform(random, (0.0, 0.3)),
        retracts=uniform(random, (0.08, 0.4)),
        previous_known=uniform(random, (0.3, 1.0)),
        removed=log_uniform(random, (0.004, 0.03)),
        looked_up=log_uniform(random, (0.015, 0.1)),
        regulars=uniform(random, (0.02, 0.1)),
    )


def _payments(random: np.random.Generator) -> PaymentParameters:
    least, most = uniform(random, (0.15, 0.35)), uniform(random, (0.5, 0.85))
    deleted = uniform(random, (0.2, 0.6))
    return PaymentParameters(
        approached=(uniform(random, (0.4, 0.7)), 1.0),
        approached_old=uniform(random, (0.0, 0.25)),
        approach_days=log_uniform(random, (0.4, 4.0)),
        approach_sigma=uniform(random, (0.5, 1.0)),
        channels=_channels(random),
        power=(least, most),
        delay_days=log_uniform(random, (0.7, 6.0)),
        delay_sigma=uniform(random, (0.5, 1.0)),
        retracts=(deleted - 0.2, deleted + 0.2),
        five_stars=uniform(random, (0.6, 1.0)),
        unnamed=uniform(random, (0.0, 0.3)),
    )


def _channels(random: np.random.Generator) -> WeightedChoice[str]:
    """For honest and paid contacts: in other worlds a gift card or a message alone is no evidence."""
    weights = {
        "message": 0.5,
        "public_reply": 0.1,
        "refund": 0.12,
        "replacement": 0.1,
        "coupon": 0.08,
        "gift_card": 0.08,
    }
    return weighted_choice({channel: weight * log_uniform(random, (0.3, 3.0)) for channel, weight in weights.items()})


def _seasonality(random: np.random.Generator) -> Seasonality:
    weekend = uniform(random, (0.6, 1.5))  # some markets have more reviews at weekends, others on workdays
    days = tuple(uniform(random, (0.9, 1.1)) * (weekend if day >= 5 else 1.0) for day in range(7))
    return Seasonality(days, wave=uniform(random, (0.0, 0.4)), peak_day=uniform(random, (0.0, 365.0)))
