"""The contract, outbound: an alert and its evidence.

Rule of this room: everything but `detected_at` follows from the input and the settings alone, so the same input
gives the same alert, id for id.
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
    """Whom the alert is about."""

    type: SubjectType
    id: str


class Point(msgspec.Struct, frozen=True, array_like=True):
    """Where the evidence stood at one of the flips: how many there were since it began, and how many were expected."""

    at: dt.datetime
    flips: int
    expected: float


class Link(msgspec.Struct, frozen=True):
    """Somebody else who has to do with so many of the flips: staff who looked reviews up, or sellers they belong to."""

    type: SubjectType
    id: str
    flips: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the alert rests on: the window that speaks loudest, from `since` to the trigger.

    `expected` is what the subject's peers would have had, `ratio` is flips over expected, `odds` the evidence R
    and `threshold` what it had to reach. `event_ids` are the trigger's. `series` tells how it came to that, by flip
    (the latest 60), `linked` who else has to do with it (at most 20, those with most flips first).
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
    """One accusation; `recommended_action` is advice and is never executed by Volteface.

    `checks` are the innocent explanations that the data cannot rule out, as questions to a person.
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
    """The alert's name: a digest of its subject, its watch and the event that triggered it (32 hex digits)."""
    parts = "\x1f".join((kind, subject.type, subject.id, event_id))
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()
