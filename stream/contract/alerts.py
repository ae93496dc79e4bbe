"""The outbound contract: an alert and its evidence.

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
]
SubjectType = Literal["seller", "staff", "product"]
Severity = Literal["low", "medium", "high", "critical"]
Action = Literal[
    "watch",
    "investigate",
    "restore_ratings",
    "suspend_seller",
    "withhold_funds",
    "revoke_access",
    "refer_to_legal",
]


class Subject(msgspec.Struct, frozen=True):
    """The seller, staff member or product that the alert is about."""

    type: SubjectType
    id: str


class Point(msgspec.Struct, frozen=True, array_like=True):
    """The evidence at one flip: the flips since the window began, and the flips expected by then."""

    at: dt.datetime
    flips: int
    expected: float


class Link(msgspec.Struct, frozen=True):
    """Another subject that is linked to some of the flips: staff that looked reviews up, or the reviews' sellers."""

    type: SubjectType
    id: str
    flips: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the alert rests on: the window with the strongest evidence, from `since` to the trigger.

    Attributes:
        flips, expected, ratio: Flips in the window, flips expected in it, and their ratio.
        odds: R, the odds that cheating started within the kept windows.
        threshold: The R that the watch had to reach.
        stars_moved: Stars that the flips added to displayed ratings.
        upgraded, retracted: The two kinds of flips.
        incentives: Flips after something of value was offered.
        review_ids: The latest 50 reviews that flipped.
        event_ids: The event that triggered the alert.
        series: A point for each flip, the latest 60.
        linked: At most 20 other subjects, those with most flips first.
    """

    flips: int
    expected: float
    ratio: float
    odds: float
    threshold: float
    since: dt.datetime
    stars_moved: float
    upgraded: int
    retracted: int
    median_hours_from_contact: float | None
    incentives: int
    review_ids: list[str]
    event_ids: list[str]
    series: list[Point]
    linked: list[Link]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One accusation.

    Attributes:
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
