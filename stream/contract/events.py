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
#: What sellers have in common.
Relation = Literal["owner", "bank_account", "device", "address", "other"]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Marketplace = Annotated[str, Meta(min_length=1, max_length=64)]
Verdict = Literal["confirmed", "explained", "dismissed", "inconclusive"]
#: Innocent stories.
Story = Literal["product_fix", "support_practice", "campaign", "review_bomb", "ownership", "data_error", "other"]
Note = Annotated[str, Meta(min_length=1, max_length=2000)]
Purpose = Annotated[str, Meta(max_length=256)]

#: Channels that give the reviewer something of value.
INCENTIVES: Final = frozenset({"refund", "gift_card", "coupon", "replacement"})
#: A review with at most this many stars is critical.
CRITICAL_STARS: Final = 3


class Event(Struct, frozen=True, kw_only=True, gc=False, tag_field="type", forbid_unknown_fields=True):
    """The fields that every event has."""

    event_id: EventId
    occurred_at: Instant

    @property
    def key(self) -> str:
        """The key of the event's record."""
        raise NotImplementedError


class SellerEvent(Event, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """An event of a seller."""

    seller_id: Id

    @property
    def key(self) -> str:
        """The seller."""
        return self.seller_id


class ReviewCreated(SellerEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="review.created"):
    """A review was published."""

    review_id: Id
    product_id: Id
    reviewer_id: Id
    rating: Rating
    verified_purchase: bool | None = None
    marketplace: Marketplace | None = None


class ReviewEdited(SellerEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="review.edited"):
    """An author changed a review. The rating may be the same: then only the text changed."""

    review_id: Id
    product_id: Id
    reviewer_id: Id
    rating: Rating
    previous_rating: Rating | None = None
    marketplace: Marketplace | None = None


class ReviewDeleted(SellerEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="review.deleted"):
    """A review was deleted by its author (a retraction) or removed by the platform (no flip)."""

    review_id: Id
    product_id: Id
    reviewer_id: Id
    deleted_by: Literal["author", "platform"]
    actor_id: Id | None = None
    rating: Rating | None = None
    marketplace: Marketplace | None = None


class SellerLinked(SellerEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="seller.linked"):
    """The platform knows that a seller has something in common with others: `link_id` is equal for all of them."""

    link_id: Id
    relation: Relation


class OutreachSent(SellerEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="outreach.sent"):
    """A seller contacted a reviewer. Without `review_id` it concerns all reviews of that reviewer."""

    reviewer_id: Id
    channel: Channel
    review_id: Id | None = None
    incentive_value: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    currency: Currency | None = None


class ContactAccessed(
    SellerEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="contact.accessed"
):
    """A staff member looked up a reviewer's contact data."""

    actor_id: Id
    review_id: Id
    reviewer_id: Id
    purpose: Purpose | None = None


class CaseSubject(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Whom a case is about."""

    type: Literal["seller", "staff", "ring", "reviewer"]
    id: Id


class CaseEvent(Event, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What people decide and note about a case."""

    case_id: Id
    subject: CaseSubject

    @property
    def key(self) -> str:
        """The subject's id."""
        return self.subject.id


class VerdictRecorded(
    CaseEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="verdict.recorded"
):
    """An analyst answered a case.

    Attributes:
        story: What explains the flips; only of the verdict "explained".
        second_analyst_id: Who has confirmed the verdict.
        muted_until: Until when the subject raises no alerts, 3650 days at most; else the usual time of the verdict.
        alert_id: The latest alert of the case that accuses its subject, as the analyst saw it. If a newer one is in the
            case by then, the verdict has no effect.
    """

    verdict: Verdict
    analyst_id: Id
    story: Story | None = None
    second_analyst_id: Id | None = None
    note: Note | None = None
    muted_until: Instant | None = None
    alert_id: Id | None = None


class CaseAssigned(CaseEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="case.assigned"):
    """An analyst took a case, or gave it to somebody. Without `assignee_id` nobody has it any more."""

    analyst_id: Id
    assignee_id: Id | None = None


class CaseNoted(CaseEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="case.noted"):
    """An analyst wrote a note."""

    analyst_id: Id
    note: Note


#: Who can contest a verdict.
Appellant = Literal["seller", "staff", "reviewer", "platform"]


class CaseAppealed(CaseEvent, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag="case.appealed"):
    """Somebody contests the verdict."""

    appellant: Appellant
    note: Note | None = None


#: The event types of each input stream. These unions are the only lists of event types.
Lifecycle = ReviewCreated | ReviewEdited | ReviewDeleted | SellerLinked
Outreach = OutreachSent
Access = ContactAccessed
Verdicts = VerdictRecorded | CaseAssigned | CaseNoted | CaseAppealed
AnyEvent = Lifecycle | Outreach | Access | Verdicts


def _types(union: Any) -> tuple[type[Event], ...]:
    """Return the types of a union, or the one type."""
    return get_args(union) or (union,)


#: Event types by input stream. When two events share a time, the event of the earlier stream is applied first.
STREAMS: Final[dict[str, tuple[type[Event], ...]]] = {
    "lifecycle": _types(Lifecycle),
    "outreach": _types(Outreach),
    "access": _types(Access),
    "verdicts": _types(Verdicts),
}
#: The number of the stream of verdicts.
VERDICTS: Final = tuple(STREAMS).index("verdicts")
