"""The outbound contract: a case, which is one subject with all its alerts and what people decided about it.

Invariant: every field except `position` is a function of the input and the settings, so the same events and verdicts
give the same cases with the same ids.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import msgspec

from stream.contract.alerts import Action, Evidence, Kind, Link, Ring, Severity, Subject
from stream.contract.alerts import alert_id as digest_of
from stream.contract.events import Appellant, Story, Verdict

CaseState = Literal["open", "decided", "appealed", "closed"]
Effect = Literal["in_force", "waits_for_second", "same_analyst", "outdated", "newer_evidence", "superseded"]


class CaseAlert(msgspec.Struct, frozen=True):
    """An alert of a case, in short."""

    alert_id: str
    kind: Kind
    raised_at: dt.datetime
    severity: Severity
    odds: float


class CaseVerdict(msgspec.Struct, frozen=True):
    """A verdict as it was recorded.

    Attributes:
        effect: "in_force"; "waits_for_second" if a second analyst must confirm it first; "same_analyst" if it answers
            an appeal and one of its analysts gave or confirmed the verdict that is contested, or its second analyst is
            the first one; "outdated" if it is older than its case or than the verdict in force; "newer_evidence" if its
            analyst had not seen the latest accusing alert; "superseded" once a later verdict is in force.
        kind, severity: Of the case when the verdict was recorded: what was judged. None in records of before, which did
            not keep it.
    """

    event_id: str
    recorded_at: dt.datetime
    verdict: Verdict
    story: Story | None
    analyst_id: str
    second_analyst_id: str | None
    note: str | None
    effect: Effect
    kind: Kind | None = None
    severity: Severity | None = None


class CaseNote(msgspec.Struct, frozen=True):
    """A note of an analyst."""

    event_id: str
    noted_at: dt.datetime
    author: str
    note: str


class CaseAppeal(msgspec.Struct, frozen=True):
    """An appeal; `answered_by` is the event of the verdict that answered it.

    An appeal from before the verdict in force is answered by that verdict when it is recorded.
    """

    event_id: str
    appealed_at: dt.datetime
    appellant: Appellant
    note: str | None
    answered_by: str | None


class ExtortedReviews(msgspec.Struct, frozen=True):
    """Reviews of a case that were turned by a reviewer who turns a large part of its critical reviews at many sellers.

    A point for the seller: such a reviewer may have asked it for money.

    Attributes:
        review_ids: Those among the reviews of the latest alert.
    """

    reviewer_id: str
    review_ids: list[str]


class Position(msgspec.Struct, frozen=True):
    """How much of the input a case reflects.

    Attributes:
        task: The number of the task that keeps the case.
        offset: The offset in this task's partition of the verdicts topic below which every event is applied.
    """

    task: int
    offset: int


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One subject with all its alerts, verdicts and notes.

    Attributes:
        state: "open": waits for a verdict, or for a second analyst. "decided": has a verdict in force. "appealed": the
            verdict in force is contested. "closed": decided, and the time for an appeal is over.
        opened_at, updated_at: Event time.
        severity: The highest of all alerts.
        kind, evidence, explanation, checks, recommended_action, patterns, model_version, config_digest: Of the latest
            alert, as they were when it was raised.
        alerts, verdicts, notes, appeals: The latest 20 each, in order of time.
        linked: At most 20 other subjects that the alerts name.
        assignee: The analyst who has the case.
        due_at: When it should be decided, by its severity; None unless it waits for a verdict.
        waits_for_second: Whether a verdict waits for a second analyst.
        muted_until: Until when the subject raises no alerts; None if it may.
        reopened: Why a decided case is open again; None if it is not.
        priority: The order of the queue, 0 to 1; the highest comes first.
        position: How much of the input the case reflects.
        extorted: Of a seller's case: at most 20 reviewers who are named for turning a large part of their critical
            reviews, with the reviews of this case that they turned. A point for the seller.
        ring: Of a ring's case: its members at present; `evidence.ring` is the ring of the latest alert.
    """

    case_id: str
    subject: Subject
    state: CaseState
    opened_at: dt.datetime
    updated_at: dt.datetime
    severity: Severity
    kind: Kind
    alerts: list[CaseAlert]
    evidence: Evidence
    explanation: str
    checks: list[str]
    recommended_action: Action
    patterns: dict[str, float]
    model_version: str
    config_digest: str
    linked: list[Link]
    assignee: str | None = None
    due_at: dt.datetime | None = None
    waits_for_second: bool = False
    verdicts: list[CaseVerdict] = []
    notes: list[CaseNote] = []
    appeals: list[CaseAppeal] = []
    muted_until: dt.datetime | None = None
    reopened: str | None = None
    priority: float = 0.0
    position: Position | None = None
    ring: Ring | None = None
    extorted: list[ExtortedReviews] = []


def case_id(subject: Subject, alert_id: str) -> str:
    """Return the case's id: a digest of its subject and the alert that opened it (32 hex digits)."""
    return digest_of("case", subject, alert_id)
