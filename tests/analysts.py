"""Events of analysts for tests."""

from __future__ import annotations

import datetime as dt

from stream.contract.cases import Case
from stream.contract.events import CaseAppealed, CaseSubject, Story, Verdict, VerdictRecorded


def subject_of(case: Case) -> CaseSubject:
    """Return the subject of a case as its events name it."""
    assert case.subject.type != "product"
    return CaseSubject(case.subject.type, case.subject.id)


def verdict(
    case: Case,
    at: dt.datetime,
    answer: Verdict,
    *,
    analyst: str = "ana",
    second: str | None = None,
    story: Story | None = None,
    muted_until: dt.datetime | None = None,
    event_id: str = "",
    seen: str | None = None,
) -> VerdictRecorded:
    """Return a verdict on a case; `seen` is the latest alert that its analyst saw."""
    return VerdictRecorded(
        event_id=event_id or f"verdict-{case.case_id[:8]}-{at.timestamp():.0f}-{analyst}",
        occurred_at=at,
        case_id=case.case_id,
        subject=subject_of(case),
        verdict=answer,
        story=story,
        analyst_id=analyst,
        second_analyst_id=second,
        muted_until=muted_until,
        alert_id=seen,
    )


def appeal(case: Case, at: dt.datetime, event_id: str = "") -> CaseAppealed:
    """Return an appeal of the subject."""
    assert case.subject.type != "product"
    return CaseAppealed(
        event_id=event_id or f"appeal-{case.case_id[:8]}-{at.timestamp():.0f}",
        occurred_at=at,
        case_id=case.case_id,
        subject=subject_of(case),
        appellant=case.subject.type if case.subject.type in {"seller", "staff"} else "platform",
    )
