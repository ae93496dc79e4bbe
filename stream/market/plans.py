"""The plan of one simulated seller: the seller, its reviews, and all that may happen to them.

Invariant: a plan is not an event. `honest` makes plans, `confounders` and `payments` add to them, and `review_events`
turns them into events. `review_events` drops a plan that comes too late, so a module that adds a plan does not have to
check the other plans.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from stream.market.hazards import Boost


@dataclass(frozen=True, slots=True)
class SimulatedSeller:
    """The properties of a seller that do not change during a run."""

    number: int
    #: Mean reviews a day.
    volume_per_day: float
    #: Share of the reviews that are critical.
    critical_share: float
    #: Multiplies the hazard of all its reviews; the mean over honest sellers is 1.
    frailty: float
    #: Share of the critical reviews whose author the seller contacts.
    outreach_share: float
    #: How many products it sells.
    products: int
    #: The price of its products, in the marketplace's currency.
    price: float
    marketplace: str

    @property
    def seller_id(self) -> str:
        return seller_id_of(self.number)


@dataclass(frozen=True, slots=True)
class PlannedContact:
    """The seller contacts a reviewer; the event carries the review's id only if `named`."""

    at: float
    channel: str
    named: bool
    incentive_value: float | None


@dataclass(frozen=True, slots=True)
class PlannedLookUp:
    """A staff member looks up the reviewer's contact data."""

    at: float
    actor_id: str


@dataclass(frozen=True, slots=True)
class PlannedFlip:
    """A flip: an upgrade to this rating, or a retraction (None)."""

    at: float
    rating: int | None
    paid: bool = False
    #: The id of the ring or the extortionist that brings it, and the insider whose look-up it follows; empty: none.
    source: str = ""
    actor_id: str = ""


@dataclass(slots=True)
class SimulatedReview:
    """A review and the plans for it; all times are epoch seconds, infinity where there is no plan."""

    number: int
    created_at: float
    rating: int
    product: int
    reviewer_id: str
    verified: bool
    #: Whether its edit events carry the previous rating.
    previous_known: bool = False
    #: An edit that is no flip: the time and the new rating (None: text only).
    edit: tuple[float, int | None] | None = None
    removed_at: float = math.inf
    removed_by: str | None = None
    removal_paid: bool = False
    #: When the review becomes critical, the cumulative hazard at which its author flips it unpaid, and the rating of
    #: that flip (None: a retraction).
    critical_from: float = math.inf
    hazard_threshold: float = math.inf
    organic_rating: int | None = None
    look_ups: list[PlannedLookUp] = field(default_factory=list)
    contacts: list[PlannedContact] = field(default_factory=list)
    #: Flips at a fixed time, whatever the hazard: withdrawn review bombs, paid and extorted flips, closed accounts.
    flips: list[PlannedFlip] = field(default_factory=list)
    #: Times at which this review's hazard is multiplied.
    boosts: list[Boost] = field(default_factory=list)
    #: From this time on the review has another id.
    imported_at: float = math.inf
    #: Its author's account is closed, and the review deleted with it.
    closed_at: float = math.inf
    #: The extortionist that wrote it; empty: none.
    source: str = ""
    #: The seller that owns the review, if it is not the seller that the review was drawn for.
    seller_id: str | None = None

    @property
    def critical(self) -> bool:
        """Whether it is critical at some time."""
        return self.critical_from < math.inf

    def remove(self, at: float, by: str | None, paid: bool = False) -> None:
        """Plan a removal by the platform; the earliest planned removal counts."""
        if at < self.removed_at:
            self.removed_at, self.removed_by, self.removal_paid = at, by, paid


@dataclass(slots=True)
class SellerPlan:
    """A seller's reviews from `begin` to `end`, with everything that is planned for them."""

    seller: SimulatedSeller
    reviews: list[SimulatedReview]
    begin: float
    end: float
    #: Times at which the hazard of all its reviews is multiplied.
    boosts: list[Boost] = field(default_factory=list)
    #: Spans (begin, end) in which the platform holds back changes of reviews; at the end all come with that time.
    held: tuple[tuple[float, float], ...] = ()
    #: How many review numbers are given out: an added review must not get the number of a review that was taken out.
    numbers_used: int = 0

    def next_number(self) -> int:
        """Give out the number for one more review."""
        self.numbers_used += 1
        return self.numbers_used - 1

    def time_at(self, share: float) -> float:
        """Return the time after this share of the span from `begin` to `end`."""
        return self.begin + share * (self.end - self.begin)


def seller_id_of(number: int) -> str:
    """Return the id of the seller with this number."""
    return f"seller-{number:04d}"
