"""Honest sellers: their properties, their reviews, and what would happen to these if no seller paid.

Invariant: a seller's draws come from its own generator, and no draw depends on whether the seller cheats or which
confounders it has. So a cheat has the same customers in an honest market of the same seed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stream.contract.events import CRITICAL_STARS, INCENTIVES
from stream.market import staff
from stream.market.hazards import DAY, HOUR
from stream.market.parameters import HonestParameters
from stream.market.plans import PlannedContact, PlannedLookUp, SimulatedReview, SimulatedSeller
from stream.market.sampling import lognormal, weighted_choice
from stream.market.seasonality import Seasonality

_CRITICAL_STARS: Final = weighted_choice({1: 0.5, 2: 0.2, 3: 0.3})
_GOOD_STARS: Final = weighted_choice({5: 0.72, 4: 0.28})
#: The rating after an honest upgrade: mostly five stars.
_UPGRADED_STARS: Final = weighted_choice({5: 0.6, 4: 0.4})
_MARKETPLACES: Final = weighted_choice({"US": 0.5, "UK": 0.2, "DE": 0.2, "FR": 0.1})
#: Number of frequent reviewers, the same for all sellers.
REGULARS: Final = 5000
#: What a coupon is worth, as a share of the price.
_COUPON: Final = 0.15


def draw_seller(parameters: HonestParameters, number: int, random: np.random.Generator) -> SimulatedSeller:
    """Draw the properties of a seller."""
    return SimulatedSeller(
        number=number,
        volume_per_day=min(
            lognormal(random, parameters.volume_median, parameters.volume_sigma), parameters.volume_most
        ),
        critical_share=random.beta(*parameters.critical),
        frailty=random.gamma(parameters.frailty_shape, 1 / parameters.frailty_shape),
        outreach_share=random.uniform(0, parameters.outreach_most),
        products=int(random.integers(1, 9)),
        price=lognormal(random, 25.0, 0.7),
        marketplace=_MARKETPLACES.draw(random),
    )


def regular_id(number: int) -> str:
    """Return the id of the frequent reviewer with this number, below `REGULARS`."""
    return f"u{number}"


def draw_reviews(
    parameters: HonestParameters,
    seasonality: Seasonality,
    seller: SimulatedSeller,
    per_day: float,
    span: tuple[float, float],
    first: int,
    random: np.random.Generator,
) -> list[SimulatedReview]:
    """Draw a seller's reviews of a span of time, a Poisson process.

    Args:
        per_day: The mean number of reviews a day.
        span: Begin and end, epoch seconds.
        first: The number of the first review; numbers follow the order of creation.
    """
    start, until = span
    evenly = random.uniform(start, until, random.poisson(per_day * (until - start) / DAY))
    times = seasonality.moved(np.sort(evenly), start, until)
    return [draw_review(parameters, seller, number, float(at), random) for number, at in enumerate(times, first)]


def draw_review(
    parameters: HonestParameters, seller: SimulatedSeller, number: int, created_at: float, random: np.random.Generator
) -> SimulatedReview:
    """Draw a review of this time, and what would happen to it if no seller paid."""
    stars = _CRITICAL_STARS if random.random() < seller.critical_share else _GOOD_STARS
    regular = random.random() < parameters.regulars
    review = SimulatedReview(
        number=number,
        created_at=created_at,
        rating=stars.draw(random),
        product=int(random.integers(seller.products)),
        reviewer_id=regular_id(int(random.integers(REGULARS))) if regular else f"u{seller.number:04d}x{number}",
        verified=random.random() < 0.92,
    )
    review.edit = _draw_edit(parameters, review, random)
    if random.random() < parameters.removed:
        review.removed_at = created_at + lognormal(random, 2.0, 1.2) * DAY
        review.removed_by = staff.any_member(random) if random.random() < parameters.removed_by_hand else None
    if review.rating <= CRITICAL_STARS:
        review.critical_from = created_at
    elif review.edit and (review.edit[1] or review.rating) <= CRITICAL_STARS:
        review.critical_from = review.edit[0]
    if review.critical:
        _plan_critical(parameters, seller, review, random)
    return review


def _draw_edit(
    parameters: HonestParameters, review: SimulatedReview, random: np.random.Generator
) -> tuple[float, int | None] | None:
    """Draw at most one edit that is no flip: text only, stars on the same side, or rarely a drop to critical."""
    drawn = random.random() - parameters.edits_text
    at = review.created_at + lognormal(random, 3.0, 1.5) * DAY
    if drawn < 0:
        return at, None
    if review.rating <= CRITICAL_STARS:
        moved = 1 + (review.rating + int(random.integers(2))) % CRITICAL_STARS  # one of the other two ratings
        return (at, moved) if drawn < parameters.edits_critical else None
    if drawn < parameters.edits_good:
        return at, 9 - review.rating
    return (at, 2) if drawn < parameters.edits_good + parameters.edits_down else None


def _plan_critical(
    parameters: HonestParameters, seller: SimulatedSeller, review: SimulatedReview, random: np.random.Generator
) -> None:
    """Plan the author's unpaid flip, a contact by the seller, and a look-up by the platform's support."""
    review.hazard_threshold = random.exponential()
    review.organic_rating = None if random.random() < parameters.retracts else _UPGRADED_STARS.draw(random)
    if random.random() < seller.outreach_share:
        at = review.critical_from + lognormal(random, parameters.outreach_hours, parameters.outreach_sigma) * HOUR
        channel = parameters.channels.draw(random)
        review.contacts.append(draw_contact(seller, at, channel, parameters.outreach_unnamed, random))
    if random.random() < parameters.looked_up:
        at = review.critical_from + lognormal(random, 1.0, 1.0) * DAY
        review.look_ups.append(PlannedLookUp(at, staff.any_member(random)))


def draw_contact(
    seller: SimulatedSeller, at: float, channel: str, unnamed: float, random: np.random.Generator
) -> PlannedContact:
    """Draw a contact; an incentive is worth about the price, a coupon a part of it.

    Args:
        unnamed: The chance that the contact does not name the review.
    """
    worth = seller.price * random.uniform(0.8, 1.2) * (_COUPON if channel == "coupon" else 1.0)
    value = round(worth, 2) if channel in INCENTIVES else None
    return PlannedContact(at, channel, named=random.random() >= unnamed, incentive_value=value)
