"""The outbound contract: an alert and its evidence.

Fields with a default are newer than the first alerts, which stay readable.

Invariant: every field except `detected_at` is a function of the input and the settings, so the same input gives the
same alerts with the same ids.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Literal

import msgspec

Kind = Literal[
    "seller.flips",
    "seller.contact_flips",
    "seller.access_flips",
    "staff.access_flips",
    "staff.removals",
    "product.rating_shift",
    "ring.insider",
    "ring.linked",
    "reviewer.flips",
]
SubjectType = Literal["seller", "staff", "product", "ring", "reviewer"]
Severity = Literal["low", "medium", "high", "critical"]
Action = Literal[
    "watch",
    "investigate",
    "restore_ratings",
    "remove_reviews",
    "suspend_seller",
    "withhold_funds",
    "revoke_access",
    "refer_to_legal",
]


class Subject(msgspec.Struct, frozen=True):
    """The seller, staff member, product, ring or reviewer that the alert is about.

    A ring's id is a digest of its connector.
    """

    type: SubjectType
    id: str


class Point(msgspec.Struct, frozen=True, array_like=True):
    """The evidence at one flip: the flips since the window began, and the flips expected by then."""

    at: dt.datetime
    flips: int
    expected: float


class Link(msgspec.Struct, frozen=True):
    """Another subject of some of the flips: staff that looked reviews up, the reviews' sellers, a ring, a reviewer."""

    type: SubjectType
    id: str
    flips: int


class EvidencePart(msgspec.Struct, frozen=True):
    """One part of the evidence: what it adds to the log odds, in words, and the numbers that it follows from."""

    name: str
    log_odds: float
    text: str
    numbers: dict[str, float]


class Contact(msgspec.Struct, frozen=True):
    """The latest contact by the seller before a review turned."""

    hours_before: float
    channel: str | None
    incentive_value: float | None
    currency: str | None


class LookUp(msgspec.Struct, frozen=True):
    """A staff member's latest look-up of a review's author before the review turned.

    Attributes:
        has_purpose: Whether the look-up names a purpose. What it names is not kept.
    """

    actor_id: str
    hours_before: float
    has_purpose: bool


class TurnedReview(msgspec.Struct, frozen=True):
    """A review that turned, or that the platform removed.

    Attributes:
        stars_after: None if the review was deleted or removed.
        looked_up_by: Staff members who looked its author up in the 30 days before.
        value_offered: Whether the seller offered something of value at any time before, in the latest contact or an
            earlier one.
        written_at: When the review was created; None if its creation was not seen (an edit made it critical, or it was
            kept by a version without this field).
        look_ups: The latest look-up by each of `looked_up_by`, in the same order, at most 8; empty if the flip was kept
            by a version without this field.
        seller_id: The review's seller, in an alert about a ring or a reviewer.
    """

    review_id: str
    product_id: str
    at: dt.datetime
    stars_before: int
    stars_after: int | None
    contact: Contact | None
    looked_up_by: list[str]
    value_offered: bool = False
    written_at: dt.datetime | None = None
    look_ups: list[LookUp] = []
    seller_id: str | None = None


class Payment(msgspec.Struct, frozen=True):
    """Whether the flips look bought.

    Attributes:
        odds: How many times as likely the marks of payment are if the flips were paid for as if they are honest.
        parts: What each mark adds: their log odds add up to the natural log of `odds`.
    """

    odds: float
    parts: list[EvidencePart]


class OtherWatch(msgspec.Struct, frozen=True):
    """Another watch on the same subject with evidence of its own."""

    kind: Kind
    odds: float


class ProductEffect(msgspec.Struct, frozen=True):
    """What the flips of a seller's alert do to the displayed rating of one product.

    Known is what the seller's task has received since it began: a product that other sellers of other tasks sell, or
    that had reviews before, may display other numbers.

    Attributes:
        flips: Of the alert's flips, those of this product.
        reviews: Reviews that the product displays at the time of the alert: created, and not deleted or removed.
        rating: The mean of their stars; None without reviews.
        rating_without: What the mean would be without these flips: each upgraded review back at its stars before, each
            deleted one back in with its stars. Of a review that turned twice only the latest flip is undone. What
            happened to a review after it turned is not followed.
    """

    product_id: str
    flips: int
    reviews: int
    rating: float | None
    rating_without: float | None


class ConnectorRef(msgspec.Struct, frozen=True):
    """What ties the members of a ring.

    Attributes:
        type: "staff", or the relation of a link: "owner", "bank_account", "device", "address", "other".
        id: The staff member, or the link.
    """

    type: str
    id: str


class RingMember(msgspec.Struct, frozen=True):
    """A seller that is more likely a client of the broker than not.

    Attributes:
        flips, expected: Of an insider's ring, flips of the reviews that the insider looked up, all that were reported.
            Of linked sellers, flips of the seller's strongest window. Expected are as many as peers have.
        odds: The odds that this seller is a client, given that the connector ties clients.
        since, until: The first and the latest of these flips.
        joined_at: When the seller became a member.
    """

    seller_id: str
    flips: int
    expected: float
    odds: float
    since: dt.datetime
    until: dt.datetime
    joined_at: dt.datetime


class Ring(msgspec.Struct, frozen=True):
    """Sellers that belong together: what ties them, and how strongly.

    Attributes:
        connectors: What ties them.
        members: At most 64, the strongest first; none once the ring has fallen apart.
        tied: How many sellers the connector ties that are known, members or not.
        odds, odds_without_strongest: The joint odds of all sellers that the connectors tie, and without the strongest
            member.
        fell_apart_at: When the evidence no longer tied two sellers or more; None while it does.
        merged_into: The ring that this one is a part of, because both have clients in common; None if it is its own.
        named_at: Since when it is named; anew after it has fallen apart. None in alerts of earlier versions.
    """

    connectors: list[ConnectorRef]
    members: list[RingMember]
    tied: int
    odds: float
    odds_without_strongest: float
    fell_apart_at: dt.datetime | None = None
    merged_into: str | None = None
    named_at: dt.datetime | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the alert rests on: the window with the strongest evidence, from `since` to the trigger.

    Attributes:
        flips, expected: Flips in the window, and flips that peers expect in it.
        ratio: Flips divided by expected flips; None if none are expected.
        odds: R, the odds that cheating started within the kept windows.
        also: Other watches on the subject whose odds are at least even.
        parts: What the odds consist of: the log odds of all parts add up to the natural log of `odds`.
        payment: Whether the flips look bought; None for removals by the platform and for rating shifts.
        threshold: The R that the watch had to reach.
        stars_moved: The stars that the flips add, as a sum: of an upgrade its new minus its old stars, of a deleted or
            removed review the displayed rating of its product just before minus its stars, 0 at least. A rating shift
            counts all changes that raised a review's stars, flips or not.
        products: Of a seller's alert, what the flips do to the displayed ratings: at most 20 products, those with most
            flips first. A product is left out if the task does not keep it any more (no rating event in two years), or
            if its sums cannot be those of reviews (reviews from before the task began were changed).
        upgraded, retracted: The two kinds of flips.
        incentives: Flips after something of value was offered.
        review_ids: The latest 50 reviews that flipped.
        reviews: The same reviews: what they were before and after, and what came before.
        event_ids: The event that triggered the alert.
        series: A point for each flip, the latest 60.
        linked: At most 20 other subjects, those with most flips first.
        ring: Of an alert about a ring: its members and what ties them.
    """

    flips: int
    expected: float
    ratio: float | None
    odds: float
    threshold: float
    since: dt.datetime
    stars_moved: float
    upgraded: int
    retracted: int
    median_hours_from_contact: float | None
    incentives: int
    also: list[OtherWatch] = []
    parts: list[EvidencePart] = []
    payment: Payment | None = None
    review_ids: list[str]
    reviews: list[TurnedReview] = []
    event_ids: list[str]
    series: list[Point]
    linked: list[Link]
    products: list[ProductEffect] = []
    ring: Ring | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One accusation.

    Attributes:
        finding_id: The same in all alerts on one subject between which the evidence stayed above the threshold.
        supersedes: The earlier alert of the finding that this one takes the place of, with a higher severity.
        kind: The watch with the strongest evidence.
        raised_at: Event time of the trigger; for staff the end of the day.
        detected_at: When the alert was sent.
        patterns: Scores of river's models.
        explanation: The evidence in sentences.
        checks: Innocent explanations that the data cannot rule out, as questions to a person.
        recommended_action: Advice. Volteface never executes it.
        model_version, config_digest, state_digest: What the numbers depend on: the model, the settings, and the
            state rows of the subject and its market.
    """

    alert_id: str
    finding_id: str = ""
    supersedes: str | None = None
    kind: Kind
    subject: Subject
    raised_at: dt.datetime
    detected_at: dt.datetime | None
    severity: Severity
    evidence: Evidence
    patterns: dict[str, float]
    explanation: str
    checks: list[str]
    recommended_action: Action
    model_version: str
    config_digest: str
    state_digest: str


def alert_id(kind: str, subject: Subject, event_id: str) -> str:
    """Return the alert's id: a digest of its kind, its subject and the event that triggered it (32 hex digits)."""
    parts = "\x1f".join((kind, subject.type, subject.id, event_id))
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()
