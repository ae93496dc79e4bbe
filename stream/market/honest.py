"""Honest life: who a seller is, its reviews, and what would become of them if nobody paid.

Rule of this room: a seller's draws come from its own generator, and no draw depends on whether the seller cheats. So
a cheat has the same customers in an honest market of the same seed. Nothing is told here yet: plans only, which
`story` turns into events.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stream.events import CRITICAL_STARS, INCENTIVES
from stream.market.chance import Weighted, lognormal
from stream.market.hazards import DAY, HOUR
from stream.market.scenarios import Honest

_CRITICAL_STARS: Final = Weighted({1: 0.5, 2: 0.2, 3: 0.3})
_GOOD_STARS: Final = Weighted({5: 0.72, 4: 0.28})
#: Who is won back is mostly won back for good.
_BETTER: Final = Weighted({5: 0.6, 4: 0.4})
_CHANNELS: Final = Weighted({"message": 0.5, "public_reply": 0.2, "refund": 0.12, "replacement": 0.1, "coupon": 0.08})
_MARKETPLACES: Final = Weighted({"US": 0.5, "UK": 0.2, "DE": 0.2, "FR": 0.1})
#: People who review much, and the staff of the platform's support and moderation: the same for all sellers.
_REGULARS: Final = 5000
_STAFF: Final = 40
#: What a coupon is worth, in shares of the price.
_COUPON: Final = 0.15


@dataclass(frozen=True, slots=True)
class Seller:
    """What stays the same in a seller's life."""

    number: int
    volume_per_day: float
    critical_share: float
    frailty: float
    outreach_share: float
    products: int
    price: float
    marketplace: str

    @property
    def seller_id(self) -> str:
        return f"seller-{self.number:04d}"


@dataclass(frozen=True, slots=True)
class Contact:
    """The seller writes to a reviewer; without the review's id if not `named`."""

    at: float
    channel: str
    named: bool
    incentive_value: float | None


@dataclass(frozen=True, slots=True)
class Turn:
    """A flip: to this rating, or retracted (None)."""

    at: float
    rating: int | None


@dataclass(slots=True)
class Review:
    """A review and the plans for it; a plan that comes too late is never carried out."""

    number: int
    born: float
    rating: int
    product: int
    reviewer_id: str
    verified: bool
    #: An edit that is no flip: when, and the new rating (None: text only).
    edit: tuple[float, int | None] | None = None
    removed_at: float = math.inf
    removed_by: str | None = None
    #: From when it is critical, and what it takes then: the patience left, and what the author would do.
    critical_from: float = math.inf
    budget: float = math.inf
    organic_rating: int | None = None
    looked_up: tuple[float, str] | None = None
    contacts: list[Contact] = field(default_factory=list)
    paid: Turn | None = None


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


def reviews(ways: Honest, of: Seller, start: float, until: float, random: np.random.Generator) -> list[Review]:
    """Draw all its reviews of the run, in the order of their births: a Poisson process."""
    births = random.uniform(start, until, random.poisson(of.volume_per_day * (until - start) / DAY))
    return [_review(ways, of, number, float(born), random) for number, born in enumerate(np.sort(births))]


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
        review.removed_by = _staff(random) if random.random() < ways.removed_by_hand else None
    if review.rating <= CRITICAL_STARS:
        review.critical_from = born
    elif review.edit and (review.edit[1] or review.rating) <= CRITICAL_STARS:
        review.critical_from = review.edit[0]
    if review.critical_from < math.inf:
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
        review.contacts.append(contact(of, at, _CHANNELS.draw(random), ways.outreach_unnamed, random))
    if random.random() < ways.looked_up:
        review.looked_up = review.critical_from + lognormal(random, 1.0, 1.0) * DAY, _staff(random)


def contact(of: Seller, at: float, channel: str, unnamed: float, random: np.random.Generator) -> Contact:
    """A contact; what is given is worth about the price, a coupon a part of it."""
    worth = of.price * random.uniform(0.8, 1.2) * (_COUPON if channel == "coupon" else 1.0)
    value = round(worth, 2) if channel in INCENTIVES else None
    return Contact(at, channel, named=random.random() >= unnamed, incentive_value=value)


def _staff(random: np.random.Generator) -> str:
    return f"staff-{random.integers(_STAFF):02d}"
