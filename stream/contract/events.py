"""The inbound contract: every event that Volteface reads, as a type.

Invariant: names and fields are the published contract in `schemas/`; a test compares both in both directions. The types
accept no other fields: intake removes and counts a producer's additional fields, or refuses the event, as configured.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct

#: 1 to 128 characters. `intake.identifiers` checks that an id has no white space and no personal data, for all ids of
#: an event at once: as patterns here these checks would cost more than all other decoding.
Id = Annotated[str, Meta(min_length=1, max_length=128)]
EventId = Annotated[str, Meta(min_length=1, max_length=64)]
Rating = Annotated[int, Meta(ge=1, le=5)]
#: RFC 3339 with an offset; read as an instant.
Instant = Annotated[dt.datetime, Meta(tz=True)]
Channel = Literal["message", "refund", "gift_card", "coupon", "replacement", "call", "public_reply"]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Marketplace = Annotated[str, Meta(min_length=1, max_length=64)]
Purpose = Annotated[str, Meta(max_length=256)]

#: Channels that give the reviewer something of value.
INCENTIVES: Final = frozenset({"refund", "gift_card", "coupon", "replacement"})
#: A review with at most this many stars is critical.
CRITICAL_STARS: Final = 3


class Event(Struct, frozen=True, kw_only=True, gc=False, tag_field="type", forbid_unknown_fields=True):
    """The fields that every event has."""

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
    """An author changed a review. The rating may be the same: then only the text changed."""

    review_id: Id
    product_id: Id
    reviewer_id: Id
    rating: Rating
    previous_rating: Rating | None = None
    marketplace: Marketplace | None = None


class ReviewDeleted(Event, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="review.deleted"):
    """A review was deleted by its author (a retraction) or removed by the platform (no flip)."""

    review_id: Id
    product_id: Id
    reviewer_id: Id
    deleted_by: Literal["author", "platform"]
    actor_id: Id | None = None
    rating: Rating | None = None
    marketplace: Marketplace | None = None


class OutreachSent(Event, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="outreach.sent"):
    """A seller contacted a reviewer. Without `review_id` it concerns all reviews of that reviewer."""

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


#: The event types of each input stream. These unions are the only lists of event types.
Lifecycle = ReviewCreated | ReviewEdited | ReviewDeleted
Outreach = OutreachSent
Access = ContactAccessed
AnyEvent = Lifecycle | Outreach | Access


def _types(union: Any) -> tuple[type[Event], ...]:
    """Return the types of a union, or the one type."""
    return get_args(union) or (union,)


#: Event types by input stream. When two events share a time, the event of the earlier stream is applied first.
STREAMS: Final[dict[str, tuple[type[Event], ...]]] = {
    "lifecycle": _types(Lifecycle),
    "outreach": _types(Outreach),
    "access": _types(Access),
}
