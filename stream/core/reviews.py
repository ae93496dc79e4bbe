"""The life of one critical review, while it could still flip."""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

from stream.core.bands import AGE_EDGES, ARM_OF, FOLLOW_SECONDS, HOUR, PLACES, REACH_SECONDS, locate
from stream.core.flips import Flip
from stream.core.staff import Access
from stream.core.subjects import Seller

#: Stands for the reviewer of a review who is to be forgotten. No event can name it: ids hold no blanks.
FORGOTTEN: Final = "forgotten reviewer"

#: By place of age: when a review that comes out of it leaves the next.
_NEXT_EDGE: Final = (*AGE_EDGES[1:], FOLLOW_SECONDS)


@mypyc_attr(acyclic=True)
class Review:
    """An open critical review; `cell` and `due` follow from the rest and the time of the last timer.

    One that is `outside` is part of no comparison: it lies in no cell (-1), and its only timer is its retirement.
    """

    __slots__ = (
        "accesses",
        "cell",
        "contacted_at",
        "created_at",
        "due",
        "incentive",
        "looked_up_at",
        "outside",
        "product_id",
        "rating",
        "review_id",
        "reviewer_id",
        "seller",
    )

    def __init__(
        self,
        review_id: str,
        seller: Seller,
        product_id: str,
        reviewer_id: str,
        rating: int,
        created_at: float,
        contacted_at: float | None = None,
        looked_up_at: float | None = None,
        incentive: bool = False,
        outside: bool = False,
    ) -> None:
        self.review_id = review_id
        self.seller = seller
        self.product_id = product_id
        self.reviewer_id = reviewer_id
        self.rating = rating
        self.created_at = created_at
        self.contacted_at = contacted_at
        self.looked_up_at = looked_up_at
        self.incentive = incentive
        self.outside = outside
        #: Look-ups that are answered for, in order of time; never changed in place.
        self.accesses: tuple[Access, ...] = ()
        self.cell = -1
        self.due = 0.0

    def told(self, now: float, stars: float, retracted: bool) -> Flip:
        """What is kept of it when it turns, or is removed, and `stars` of its product's rating are won by that."""
        contact = self.contacted_at
        return Flip(
            at=now,
            born_at=self.created_at,
            review_id=self.review_id,
            stars=stars,
            retracted=retracted,
            incentive=self.incentive,
            contact_hours=None if contact is None else max(0.0, now - contact) / HOUR,
            arm=ARM_OF[self.cell],
            actors=tuple(access.staff.actor_id for access in self.accesses),
        )

    def place(self, now: float) -> None:
        """Find its cell at `now` and the time of its next change."""
        if self.outside:
            self.cell, self.due = -1, self.created_at + FOLLOW_SECONDS
            return
        self.cell, self.due = locate(self.rating, self.created_at, self.contacted_at, self.looked_up_at, now)
        for access in self.accesses:
            if access.reaches(now):
                self.due = min(self.due, access.at + REACH_SECONDS)

    def advance(self) -> None:
        """Its timer has fired, at `due`: find the next cell. Nearly always that is the next age."""
        place = (self.cell >> 1) % PLACES
        if self.cell & 1 or place >= len(AGE_EDGES):
            self.place(self.due)
            return
        edge = _NEXT_EDGE[place]
        due = self.created_at + edge
        if due - self.created_at < edge:  # rounded down: see `bands.edge_after`
            self.place(self.due)
        else:
            self.cell, self.due = self.cell + 2, due
