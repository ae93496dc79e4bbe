"""Honest life: who a seller is, its reviews, and what would become of them if nobody paid.

Rule of this room: a seller's draws come from its own generator, and no draw depends on whether the seller cheats or
what else befalls it. So a cheat has the same customers in an honest market of the same seed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stream.events import CRITICAL_STARS, INCENTIVES
from stream.market import staff
from stream.market.chance import lognormal, weighted
from stream.market.habits import Honest
from stream.market.hazards import DAY, HOUR
from stream.market.life import Contact, LookUp, Review, Seller
from stream.market.rhythm import Rhythm

_CRITICAL_STARS: Final = weighted({1: 0.5, 2: 0.2, 3: 0.3})
_GOOD_STARS: Final = weighted({5: 0.72, 4: 0.28})
#: Who is won back is mostly won back for good.
_BETTER: Final = weighted({5: 0.6, 4: 0.4})
_MARKETPLACES: Final = weighted({"US": 0.5, "UK": 0.2, "DE": 0.2, "FR": 0.1})
#: People who review much, the same for all sellers.
_REGULARS: Final = 5000
#: What a coupon is worth, in shares of the price.
_COUPON: Final = 0.15


def seller(ways: Honest, number: int, random: np.random.Generator) -> Seller:
    """Draw who a seller is."""
    return Seller(
        number=number,
        volume_per_day=min(lognormal(random, ways.volume_median, ways.volume_sigma), ways.volume_most),
        critical_share=random.beta(*ways.critical),
        frailty=random.gamma(ways.frailty_shape, 1 / ways.frailty_shape),
        outreach_share=random.uniform(0, ways.outreach_most),
        products=int(random.integers(1, 9)),
        price=lognormal(random, 25.0, 0.7),
        marketplace=_MARKETPLACES.draw(random),
    )


def reviews(
    ways: Honest,
    rhythm: Rhythm,
    of: Seller,
    per_day: float,
    span: tuple[float, float],
    first: int,
    random: np.random.Generator,
) -> list[Review]:
    """Draw the reviews of a span of time, numbered from `first` in the order of their births: a Poisson process."""
    start, until = span
    births = random.uniform(start, until, random.poisson(per_day * (until - start) / DAY))
    moved = rhythm.moved(np.sort(births), start, until)
    return [_review(ways, of, number, float(born), random) for number, born in enumerate(moved, first)]


def _review(ways: Honest, of: Seller, number: int, born: float, random: np.random.Generator) -> Review:
    stars = _CRITICAL_STARS if random.random() < of.critical_share else _GOOD_STARS
    regular = random.random() < ways.regulars
    review = Review(
        number=number,
        born=born,
        rating=stars.draw(random),
        product=int(random.integers(of.products)),
        reviewer_id=f"u{random.integers(_REGULARS)}" if regular else f"u{of.number:04d}x{number}",
        verified=random.random() < 0.92,
    )
    review.edit = _edit(ways, review, random)
    if random.random() < ways.removed:
        review.removed_at = born + lognormal(random, 2.0, 1.2) * DAY
        review.removed_by = staff.anyone(random) if random.random() < ways.removed_by_hand else None
    if review.rating <= CRITICAL_STARS:
        review.critical_from = born
    elif review.edit and (review.edit[1] or review.rating) <= CRITICAL_STARS:
        review.critical_from = review.edit[0]
    if review.critical:
        _plan_critical(ways, of, review, random)
    return review


def _edit(ways: Honest, review: Review, random: np.random.Generator) -> tuple[float, int | None] | None:
    """At most one edit that is no flip: text only, or a change of stars on the same side; rarely a drop."""
    drawn = random.random() - ways.edits_text
    at = review.born + lognormal(random, 3.0, 1.5) * DAY
    if drawn < 0:
        return at, None
    if review.rating <= CRITICAL_STARS:
        moved = 1 + (review.rating + int(random.integers(2))) % CRITICAL_STARS  # one of the other two
        return (at, moved) if drawn < ways.edits_critical else None
    if drawn < ways.edits_good:
        return at, 9 - review.rating
    return (at, 2) if drawn < ways.edits_good + ways.edits_down else None


def _plan_critical(ways: Honest, of: Seller, review: Review, random: np.random.Generator) -> None:
    """What its author would do unpaid, and what the seller's and the platform's support do about it."""
    review.budget = random.exponential()
    review.organic_rating = None if random.random() < ways.retracts else _BETTER.draw(random)
    if random.random() < of.outreach_share:
        at = review.critical_from + lognormal(random, ways.outreach_hours, ways.outreach_sigma) * HOUR
        review.contacts.append(contact(of, at, ways.channels.draw(random), ways.outreach_unnamed, random))
    if random.random() < ways.looked_up:
        at = review.critical_from + lognormal(random, 1.0, 1.0) * DAY
        review.look_ups.append(LookUp(at, staff.anyone(random)))


def contact(of: Seller, at: float, channel: str, unnamed: float, random: np.random.Generator) -> Contact:
    """A contact; what is given is worth about the price, a coupon a part of it."""
    worth = of.price * random.uniform(0.8, 1.2) * (_COUPON if channel == "coupon" else 1.0)
    value = round(worth, 2) if channel in INCENTIVES else None
    return Contact(at, channel, named=random.random() >= unnamed, incentive_value=value)
