"""What a case's page shows, as plain values for its template.

Invariant: pure. Every number is a field of the case.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from stream.console import pictures
from stream.console.source.rows import RecordedEvent
from stream.contract.alerts import TurnedReview
from stream.contract.cases import Case, CaseVerdict
from stream.contract.events import CaseAppealed, CaseAssigned, CaseEvent, CaseNoted, VerdictRecorded
from stream.core.cases.alerts import in_force
from stream.offline.ring_words import ring_at_present, ring_claim
from stream.ops.statement import odds
from stream.texts import counted

_APPLIED_WITHIN: Final = dt.timedelta(minutes=5)


class Step(NamedTuple):
    """One step on a review's way to its change.

    Attributes:
        name: "written", "looked up", "contacted", "offered" or "turned".
        text: What happened, in words.
        hours_before: Before the change; None if it is not known.
    """

    name: str
    text: str
    hours_before: float | None

    @property
    def when(self) -> str:
        """How long before the change, in words."""
        hours = self.hours_before
        if hours is None or self.name == "turned":
            return ""
        return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"


def steps(review: TurnedReview) -> list[Step]:
    """Return what happened to a review, in the order of time: written, looked up, contacted, offered, turned."""
    found: list[Step] = []
    if review.written_at is not None:
        hours = (review.at - review.written_at).total_seconds() / 3600
        found.append(Step("written", _stars(review.stars_before), hours))
    known = {one.actor_id for one in review.look_ups}
    for look_up in review.look_ups:
        purpose = "" if look_up.has_purpose else ", no purpose"
        found.append(Step("looked up", f"by {look_up.actor_id}{purpose}", look_up.hours_before))
    found += [Step("looked up", f"by {actor}", None) for actor in review.looked_up_by if actor not in known]
    contact = review.contact
    if contact is not None:
        found.append(Step("contacted", (contact.channel or "contact").replace("_", " "), contact.hours_before))
    if contact is not None and contact.incentive_value is not None:
        offered = f"{contact.incentive_value:g} {contact.currency or ''}".strip()
        found.append(Step("offered", offered, contact.hours_before))
    elif review.value_offered:
        found.append(Step("offered", "something of value, at another time", None))
    after = "deleted" if review.stars_after is None else _stars(review.stars_after)
    # Steps without a time stand between writing and what is known to come later.
    found.sort(key=lambda step: (step.name != "written", step.hours_before is not None, -(step.hours_before or 0)))
    return [*found, Step("turned", f"{review.stars_before} → {after}", 0.0)]


def _stars(count: int) -> str:
    return counted(count, "star")


def _speaks_for_payment(case: Case, mark: str) -> bool:
    payment = case.evidence.payment
    return payment is not None and any(part.name == mark and part.log_odds > 0 for part in payment.parts)


def badges(case: Case) -> list[str]:
    """Return what an analyst should see at once in a list."""
    found = case.evidence
    names, ring = {part.name for part in found.parts}, ring_at_present(case)
    shown = [
        ("insider", "insider_client" in names),
        ("ring", "ring" in names),
        ("fell apart", ring is not None and ring.merged_into is None and not ring.members),
        ("part of another ring", ring is not None and ring.merged_into is not None),
        ("extortion", bool(case.extorted)),
        ("deletions", any(part.name == "deletions" and part.log_odds > 1 for part in found.parts)),
        ("incentives", _speaks_for_payment(case, "value_offered")),
        ("came back", case.reopened is not None),
        ("second analyst", case.waits_for_second),
        ("appeal", case.state == "appealed"),
    ]
    return [name for name, holds in shown if holds]


def claim(case: Case) -> str:
    """Return the claim in one line."""
    found = case.evidence
    removed = "was removed" if found.flips == 1 else "were removed"
    what = f"{counted(found.flips, 'critical review')} {removed if case.kind == 'staff.removals' else 'turned'}"
    whose = "" if found.ring is None else f"{ring_claim(found.ring)}: "
    return f"{whose}{what}, {found.expected:.1f} expected since {found.since:%d %b %Y}"


class LogEntry(NamedTuple):
    """An entry of a case's log."""

    at: dt.datetime
    who: str
    what: str
    note: str | None


def log_entries(case: Case, events: Iterable[CaseEvent]) -> list[LogEntry]:
    """Return everything that happened to a case, the latest first: its alerts, and every event of an analyst."""
    entries = [
        LogEntry(
            alert.raised_at, "Volteface", f"alert {alert.kind}, {alert.severity}, odds {odds(alert.odds)} to 1", None
        )
        for alert in case.alerts
    ]
    effects = {verdict.event_id: verdict for verdict in case.verdicts}
    entries += [_entry(event, effects.get(event.event_id)) for event in events]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def _entry(event: CaseEvent, verdict: CaseVerdict | None) -> LogEntry:
    if isinstance(event, VerdictRecorded):
        story = f" ({event.story.replace('_', ' ')})" if event.story else ""
        effect = "" if verdict is None else f": {verdict.effect.replace('_', ' ')}"
        return LogEntry(event.occurred_at, event.analyst_id, f"verdict {event.verdict}{story}{effect}", event.note)
    if isinstance(event, CaseAssigned):
        to = "gave the case back" if event.assignee_id is None else f"gave the case to {event.assignee_id}"
        what = "took the case" if event.assignee_id == event.analyst_id else to
        return LogEntry(event.occurred_at, event.analyst_id, what, None)
    if isinstance(event, CaseNoted):
        return LogEntry(event.occurred_at, event.analyst_id, "noted", event.note)
    assert isinstance(event, CaseAppealed)
    return LogEntry(event.occurred_at, event.appellant, "contested the verdict", event.note)


def with_pending_assignee(case: Case, events: Sequence[RecordedEvent], now: dt.datetime) -> Case:
    """Return a case with the assignee that the log names, also if no worker has applied the event yet.

    Args:
        case: The case.
        events: All its events, in the order of the log.
        now: The time of the clock.
    """
    for found in reversed(events):
        if isinstance(found.event, CaseAssigned):
            position = case.position
            if position is not None and position.task == found.partition:
                is_pending = found.offset >= position.offset
            else:  # an event about a staff member comes in any partition
                is_pending = found.recorded_at > now - _APPLIED_WITHIN
            return msgspec.structs.replace(case, assignee=found.event.assignee_id) if is_pending else case
    return case


def pending_verdict(case: Case, events: Sequence[RecordedEvent], now: dt.datetime) -> VerdictRecorded | None:
    """Return a verdict of the last minutes that no worker has applied yet."""
    latest = latest_verdict([found for found in events if found.recorded_at > now - _APPLIED_WITHIN])
    applied = {verdict.event_id for verdict in case.verdicts}
    return latest if latest is not None and latest.event_id not in applied else None


def latest_verdict(events: Sequence[RecordedEvent]) -> VerdictRecorded | None:
    """Return the latest verdict in the log."""
    return next((one.event for one in reversed(events) if isinstance(one.event, VerdictRecorded)), None)


def contested(case: Case) -> set[str]:
    """Return the people of a contested verdict, who cannot answer the appeal."""
    verdict = in_force(case) if case.state == "appealed" else None
    return set() if verdict is None else {verdict.analyst_id, verdict.second_analyst_id or verdict.analyst_id}


def marks(case: Case) -> list[pictures.Mark]:
    """Return look-ups, contacts and verdicts, for the picture of the evidence."""
    found = [
        pictures.Mark(
            review.at - dt.timedelta(hours=look_up.hours_before), 0,
            f"looked up by {look_up.actor_id}: {review.review_id}",
        )
        for review in case.evidence.reviews
        for look_up in review.look_ups
    ]  # fmt: skip
    found += [
        pictures.Mark(
            review.at - dt.timedelta(hours=review.contact.hours_before), 1,
            f"contact ({review.contact.channel}) about {review.review_id}",
        )
        for review in case.evidence.reviews
        if review.contact is not None
    ]  # fmt: skip
    found += [pictures.Mark(one.recorded_at, 2, f"{one.verdict} by {one.analyst_id}") for one in case.verdicts]
    return found
