"""An open critical review: its fields, its cell, and its timer."""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

from stream.core.model.flips import Flip
from stream.core.model.strata import AGE_EDGES, CONTACT_SECONDS, FOLLOW_UP_SECONDS, GROUP_OF, HOUR, N_BUCKETS, cell_at
from stream.core.staff.exposure import Lookup
from stream.core.subjects.seller import Seller

#: Replaces the id of an erased reviewer. No event can have this id, because ids contain no spaces.
FORGOTTEN_REVIEWER: Final = "forgotten reviewer"

#: For each age bucket, the age at which a review that leaves it leaves the next bucket, in seconds.
_NEXT_EDGE: Final = (*AGE_EDGES[1:], FOLLOW_UP_SECONDS)


def review_name(seller_id: str, review_id: str) -> str:
    """Return the name of a review in the state: a platform may give an id once for each marketplace or seller.

    Ids contain no spaces, so no two reviews have the same name.
    """
    return f"{seller_id} {review_id}"


@mypyc_attr(acyclic=True)
class Review:
    """An open critical review.

    An excluded review is in no cell (-1), and its only timer is the end of its follow-up.

    Args:
        review_id, seller, product_id, reviewer_id: The review and the parties to it.
        rating: 1 to 3 stars.
        created_at: Epoch seconds.
        contacted_at, looked_up_at: The latest contact and look-up, in epoch seconds.
        incentive: Whether the seller has sent the author something of value.
        channel, incentive_value, currency: Of the latest contact.
        excluded: Whether the review belongs to a review bomb.

    Attributes:
        name: The name of the review in the state, see `review_name`.
        creation_seen: Whether `created_at` is the time of the review's creation, and not of the edit that it became
            known by.
        cell: The cell as of the latest timer or event of the review.
        due_at: When the cell changes next, in epoch seconds.
    """

    __slots__ = (
        "cell",
        "channel",
        "contacted_at",
        "created_at",
        "creation_seen",
        "currency",
        "due_at",
        "excluded",
        "incentive",
        "incentive_value",
        "looked_up_at",
        "lookups",
        "name",
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
        excluded: bool = False,
        channel: str | None = None,
        incentive_value: float | None = None,
        currency: str | None = None,
    ) -> None:
        self.review_id = review_id
        self.seller = seller
        self.name = review_name(seller.seller_id, review_id)
        self.product_id = product_id
        self.reviewer_id = reviewer_id
        self.rating = rating
        self.created_at = created_at
        self.contacted_at = contacted_at
        self.looked_up_at = looked_up_at
        self.incentive = incentive
        self.excluded = excluded
        self.channel = channel
        self.incentive_value = incentive_value
        self.currency = currency
        #: Active look-ups in order of time; never changed in place.
        self.lookups: tuple[Lookup, ...] = ()
        self.creation_seen = False
        self.cell = -1
        self.due_at = 0.0

    def to_flip(self, now: float, stars: float, retracted: bool, stars_after: int | None) -> Flip:
        """Return the flip, or the removal, of this review.

        Args:
            now: Epoch seconds.
            stars: Stars that the change adds, see `Flip.stars`.
            retracted: Whether the author deleted the review.
            stars_after: None if the review is deleted or removed.
        """
        contact = self.contacted_at
        return Flip(
            at=now,
            created_at=self.created_at,
            review_id=self.review_id,
            product_id=self.product_id,
            stars=stars,
            retracted=retracted,
            incentive=self.incentive,
            contact_hours=None if contact is None else max(0.0, now - contact) / HOUR,
            group=GROUP_OF[self.cell],
            actor_ids=tuple(lookup.staff.actor_id for lookup in self.lookups),
            without_purpose=any(not lookup.has_purpose for lookup in self.lookups),
            stars_before=self.rating,
            stars_after=stars_after,
            channel=self.channel,
            incentive_value=self.incentive_value,
            currency=self.currency,
            look_ups=tuple((max(0.0, now - lookup.at) / HOUR, lookup.has_purpose) for lookup in self.lookups),
            creation_seen=self.creation_seen,
        )

    def update_cell(self, now: float) -> None:
        """Find the cell at `now` (epoch seconds) and the time of its next change."""
        if self.excluded:
            self.cell, self.due_at = -1, self.created_at + FOLLOW_UP_SECONDS
            return
        self.cell, self.due_at = cell_at(self.rating, self.created_at, self.contacted_at, self.looked_up_at, now)
        for lookup in self.lookups:
            if lookup.is_active(now):
                self.due_at = min(self.due_at, lookup.at + CONTACT_SECONDS)

    def advance(self) -> None:
        """Find the next cell after the timer has fired at `due_at`: nearly always the next age bucket."""
        bucket = (self.cell >> 1) % N_BUCKETS
        if self.cell & 1 or bucket >= len(AGE_EDGES):
            self.update_cell(self.due_at)
            return
        edge = _NEXT_EDGE[bucket]
        due_at = self.created_at + edge
        if due_at - self.created_at < edge:  # rounded down: see `strata.edge_after`
            self.update_cell(self.due_at)
        else:
            self.cell, self.due_at = self.cell + 2, due_at
