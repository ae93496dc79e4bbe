"""What the life of a seller is made of: the seller, its reviews, and the plans for them.

Rule of this room: plans only. `honest` makes them, `confounders` and `payments` add to them, `story` carries them out.
A plan that comes too late is never carried out, so whoever adds one need not ask what others have planned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from stream.market.hazards import Boost


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
        return id_of(self.number)


@dataclass(frozen=True, slots=True)
class Contact:
    """The seller writes to a reviewer; without the review's id if not `named`."""

    at: float
    channel: str
    named: bool
    incentive_value: float | None


@dataclass(frozen=True, slots=True)
class LookUp:
    """A member of staff looks up the reviewer's contact data."""

    at: float
    actor_id: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A flip: to this rating, or retracted (None)."""

    at: float
    rating: int | None
    paid: bool = False


@dataclass(slots=True)
class Review:
    """A review and the plans for it."""

    number: int
    born: float
    rating: int
    product: int
    reviewer_id: str
    verified: bool
    #: Whether its edits say what the rating was before.
    previous_known: bool = False
    #: An edit that is no flip: when, and the new rating (None: text only).
    edit: tuple[float, int | None] | None = None
    removed_at: float = math.inf
    removed_by: str | None = None
    removal_paid: bool = False
    #: From when it is critical, and what it takes then: the patience left, and what the author would do.
    critical_from: float = math.inf
    budget: float = math.inf
    organic_rating: int | None = None
    look_ups: list[LookUp] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    #: Flips that come at their time, whatever the patience: withdrawn by agreement, or paid for.
    turns: list[Turn] = field(default_factory=list)
    #: What makes its author readier than others.
    boosts: list[Boost] = field(default_factory=list)
    #: From then on it has another id.
    imported_at: float = math.inf
    #: Whose it is, if not its first seller's.
    seller_id: str | None = None

    @property
    def critical(self) -> bool:
        """Whether it is critical at some time."""
        return self.critical_from < math.inf

    def remove(self, at: float, by: str | None, paid: bool = False) -> None:
        """Plan a removal by the platform; the earliest is the one that counts."""
        if at < self.removed_at:
            self.removed_at, self.removed_by, self.removal_paid = at, by, paid


@dataclass(slots=True)
class Life:
    """A seller's life from `begin` to `end`."""

    seller: Seller
    reviews: list[Review]
    begin: float
    end: float
    #: What makes all its reviewers readier than at other times.
    boosts: list[Boost] = field(default_factory=list)
    #: Numbers given so far: a review that is added must not get the number of one that was taken away.
    numbers: int = 0

    def number(self) -> int:
        """A number for one more review."""
        self.numbers += 1
        return self.numbers - 1

    def at(self, share: float) -> float:
        """The time after so much of this life."""
        return self.begin + share * (self.end - self.begin)


def id_of(number: int) -> str:
    """The id of the seller of that number."""
    return f"seller-{number:04d}"
