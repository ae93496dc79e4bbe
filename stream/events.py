"""The contract, inbound: every event that Volteface reads, as types.

Rule of this room: names and fields are the published contract (`schemas/`); a test holds both equal in both
directions. Nothing here knows Kafka, a clock or a file. The types know no other fields; intake takes off what
a producer added first, and counts it, or refuses the event, as the settings say.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

#: 1 to 128 characters. That an id holds no white space and no personal data is for `intake.identifiers`,
#: which checks all ids of an event at once: as patterns here it would cost more than the rest of decoding.
Id = Annotated[str, Meta(min_length=1, max_length=128)]
EventId = Annotated[str, Meta(min_length=1, max_length=64)]
Rating = Annotated[int, Meta(ge=1, le=5)]
#: RFC 3339 with an offset; read as an instant.
Instant = Annotated[dt.datetime, Meta(tz=True)]
Channel = Literal["message", "refund", "gift_card", "coupon", "replacement", "call", "public_reply"]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Marketplace = Annotated[str, Meta(min_length=1, max_length=64)]
Purpose = Annotated[str, Meta(max_length=256)]

#: Channels that hand the reviewer something of value.
INCENTIVES: Final = frozenset({"refund", "gift_card", "coupon", "replacement"})
#: A review of so many stars or fewer is critical.
CRITICAL_STARS: Final = 3


class Event(Struct, frozen=True, kw_only=True, gc=False, tag_field="type", forbid_unknown_fields=True):
    """What every event has."""

    event_id: EventId
    occurred_at: Instant
    seller_id: Id


class ReviewCreated(Event, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="review.created"):
    """A review was published."""

    review_id: Id
    product_id: Id
    reviewer_id: Id
    rating: Rating
    verified_purchase: bool | None = None
    marketplace: Marketplace | None = None


class ReviewEdited(Event, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="review.edited"):
    """Its author gave a review another rating (or kept it: a change of text only)."""

    review_id: Id
    product_id: Id
    reviewer_id: Id
    rating: Rating
    previous_rating: Rating | None = None
    marketplace: Marketplace | None = None


class ReviewDeleted(Event, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="review.deleted"):
    """A review went: by its author (a retraction) or by the platform (no flip)."""

    review_id: Id
    product_id: Id
    reviewer_id: Id
    deleted_by: Literal["author", "platform"]
    actor_id: Id | None = None
    rating: Rating | None = None
    marketplace: Marketplace | None = None


class OutreachSent(Event, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="outreach.sent"):
    """A seller contacted a reviewer; without `review_id` it concerns all reviews of that reviewer."""

    reviewer_id: Id
    channel: Channel
    review_id: Id | None = None
    incentive_value: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    currency: Currency | None = None


class ContactAccessed(Event, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="contact.accessed"):
    """A staff member looked up a reviewer's contact data."""

    actor_id: Id
    review_id: Id
    reviewer_id: Id
    purpose: Purpose | None = None


Lifecycle = ReviewCreated | ReviewEdited | ReviewDeleted
AnyEvent = Lifecycle | OutreachSent | ContactAccessed

#: Event types by input stream; the position of a stream is also its rank when two events share a time.
STREAMS: Final[dict[str, tuple[type[Event], ...]]] = {
    "lifecycle": (ReviewCreated, ReviewEdited, ReviewDeleted),
    "outreach": (OutreachSent,),
    "access": (ContactAccessed,),
}
