"""What verdicts, assignments, notes and appeals do to a case.

Invariant: pure. Every event gives a case and a named outcome, and an event that a case cannot follow changes nothing
but its log.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec

from stream.contract.cases import Case, CaseAppeal, CaseNote, CaseVerdict, Effect
from stream.contract.events import CaseAppealed, CaseAssigned, CaseEvent, CaseNoted, Verdict, VerdictRecorded
from stream.core.cases.alerts import MAX_ENTRIES, in_force, latest_accusation, pending_appeal
from stream.core.cases.rules import CaseRules

_Entry = TypeVar("_Entry", CaseVerdict, CaseAppeal)

Outcome = Literal[
    "verdict_in_force",
    "verdict_waits_for_second",
    "verdict_of_same_analyst",
    "verdict_outdated",
    "verdict_before_evidence",
    "case_assigned",
    "case_noted",
    "case_appealed",
    "appeal_outdated",
    "case_has_no_verdict",
    "case_closed",
]
#: For how long a subject raises no alerts after a verdict.
MUTE_DAYS: Final[dict[Verdict, int]] = {"confirmed": 0, "explained": 30, "dismissed": 30, "inconclusive": 7}
#: The longest time without alerts that a verdict can set.
MAX_MUTE_DAYS: Final = 3650
#: A decided case is closed when an appeal is no longer possible: six months, as in Art. 20 (1) of Regulation (EU)
#: 2022/2065.
APPEAL_DAYS: Final = 183


class Decision(NamedTuple):
    """A verdict that has come into force.

    Attributes:
        since: The start of the evidence's window.
        muted_until: None if the subject may raise alerts.
    """

    verdict: Verdict
    since: dt.datetime
    muted_until: dt.datetime | None


class CaseChange(NamedTuple):
    """What an event does: the case after it, the outcome, and the decision if a verdict came into force."""

    case: Case
    outcome: Outcome
    decision: Decision | None = None


def apply(case: Case, event: CaseEvent, rules: CaseRules) -> CaseChange:
    """Return what an event does to a case."""
    if case.state == "closed":
        return CaseChange(case, "case_closed")
    if isinstance(event, VerdictRecorded):
        change = _verdict(case, event, rules)
    elif isinstance(event, CaseAppealed):
        change = _appeal(case, event, rules)
    elif isinstance(event, CaseAssigned):
        change = CaseChange(msgspec.structs.replace(case, assignee=event.assignee_id), "case_assigned")
    else:
        assert isinstance(event, CaseNoted)
        change = CaseChange(_with_note(case, event), "case_noted")
    at = max(case.updated_at, event.occurred_at)
    return change._replace(case=msgspec.structs.replace(change.case, updated_at=at))


def closed(case: Case, now: dt.datetime) -> Case | None:
    """Return a decided case as closed if the time for an appeal is over; None if it is not."""
    verdict = in_force(case)
    if case.state != "decided" or verdict is None or verdict.recorded_at + dt.timedelta(days=APPEAL_DAYS) > now:
        return None
    return msgspec.structs.replace(case, state="closed")


def _verdict(case: Case, event: VerdictRecorded, rules: CaseRules) -> CaseChange:
    """Record a verdict.

    1. A verdict older than its case, or than the one in force, changes nothing.
    2. Nor does one whose analyst had not seen the latest accusing alert.
    3. An appeal is answered by others than the people of the verdict that is contested.
    4. Where a second analyst is needed, the verdict waits until the event names one, or another analyst records the
       same verdict.
    5. Otherwise it is in force, and those before it are superseded.
    """
    before = in_force(case)
    if event.occurred_at < case.opened_at or (before is not None and event.occurred_at < before.recorded_at):
        return CaseChange(_logged(case, event, "outdated"), "verdict_outdated")
    if not _has_seen_all(case, event.alert_id):
        return CaseChange(_logged(case, event, "newer_evidence"), "verdict_before_evidence")
    on_appeal = case.state == "appealed"
    excluded = {before.analyst_id, before.second_analyst_id} if on_appeal and before is not None else set()
    analyst_id, second = event.analyst_id, event.second_analyst_id
    if analyst_id in excluded or second == analyst_id or (second is not None and second in excluded):
        return CaseChange(_logged(case, event, "same_analyst"), "verdict_of_same_analyst")
    if second is None and rules.needs_second(case.subject.type, event.verdict, on_appeal=on_appeal):
        waiting = waiting_verdict(case)
        if waiting is None or waiting.verdict != event.verdict or waiting.analyst_id in {analyst_id, *excluded}:
            logged = _logged(case, event, "waits_for_second")
            return CaseChange(msgspec.structs.replace(logged, waits_for_second=True), "verdict_waits_for_second")
        second = waiting.analyst_id
    return _in_force(case, msgspec.structs.replace(event, second_analyst_id=second))


def waiting_verdict(case: Case) -> CaseVerdict | None:
    """Return the verdict that waits for a second analyst: the latest such one, whatever was refused after it."""
    return next((verdict for verdict in reversed(case.verdicts) if verdict.effect == "waits_for_second"), None)


def _has_seen_all(case: Case, alert_id: str | None) -> bool:
    """Return whether no accusing alert is newer than the one that an analyst saw.

    One that is not among the case's counts as older: it may have been, and whether it is yet to come is not known.
    """
    if alert_id is None:
        return True
    places = {alert.alert_id: place for place, alert in enumerate(case.alerts)}
    latest = latest_accusation(case)
    return latest is None or places.get(alert_id, -1) >= places[latest]


def _in_force(case: Case, event: VerdictRecorded) -> CaseChange:
    muted_until = _muted_until(event)
    superseded = [
        msgspec.structs.replace(one, effect="superseded") if one.effect in {"in_force", "waits_for_second"} else one
        for one in case.verdicts
    ]
    answered = [
        msgspec.structs.replace(appeal, answered_by=event.event_id) if appeal.answered_by is None else appeal
        for appeal in case.appeals
    ]
    logged = _logged(msgspec.structs.replace(case, verdicts=superseded), event, "in_force")
    decided = msgspec.structs.replace(
        logged,
        state="decided",
        waits_for_second=False,
        appeals=answered,
        muted_until=muted_until,
        due_at=None,
        reopened=None,
    )
    return CaseChange(decided, "verdict_in_force", Decision(event.verdict, case.evidence.since, muted_until))


def _muted_until(event: VerdictRecorded) -> dt.datetime | None:
    """Return until when a verdict mutes its subject; None if it does not."""
    at = event.occurred_at
    usual = at + dt.timedelta(days=MUTE_DAYS[event.verdict])
    until = usual if event.muted_until is None else min(event.muted_until, at + dt.timedelta(days=MAX_MUTE_DAYS))
    return until if until > at else None


def _logged(case: Case, event: VerdictRecorded, effect: Effect) -> Case:
    verdict = CaseVerdict(
        event_id=event.event_id,
        recorded_at=event.occurred_at,
        verdict=event.verdict,
        story=event.story if event.verdict == "explained" else None,
        analyst_id=event.analyst_id,
        second_analyst_id=event.second_analyst_id,
        note=event.note,
        effect=effect,
        kind=case.kind,
        severity=case.severity,
    )
    # Never forgotten: the verdict in force, and the one that waits for a second analyst.
    kept = in_force(case), waiting_verdict(case)
    return msgspec.structs.replace(case, verdicts=_latest([*case.verdicts, verdict], kept))


def _latest(entries: list[_Entry], kept: Sequence[_Entry | None]) -> list[_Entry]:
    """Return the latest entries of a case; those that must be kept are among them."""
    found = list(entries)
    while len(found) > MAX_ENTRIES:
        del found[next(place for place, entry in enumerate(found) if entry not in kept)]
    return found


def _appeal(case: Case, event: CaseAppealed, rules: CaseRules) -> CaseChange:
    """Record an appeal. One from before the verdict in force, or on a contested case, changes only the log."""
    verdict = in_force(case)
    if verdict is None:
        return CaseChange(case, "case_has_no_verdict")
    is_outdated = event.occurred_at < verdict.recorded_at
    answered_by = verdict.event_id if is_outdated else None
    appeal = CaseAppeal(event.event_id, event.occurred_at, event.appellant, event.note, answered_by)
    logged = msgspec.structs.replace(case, appeals=_latest([*case.appeals, appeal], [pending_appeal(case)]))
    if is_outdated:
        return CaseChange(logged, "appeal_outdated")
    if case.state == "appealed":
        return CaseChange(logged, "case_appealed")
    due_at = rules.due_at(event.occurred_at, case.severity)
    return CaseChange(msgspec.structs.replace(logged, state="appealed", assignee=None, due_at=due_at), "case_appealed")


def _with_note(case: Case, event: CaseNoted) -> Case:
    notes = [*case.notes, CaseNote(event.event_id, event.occurred_at, event.analyst_id, event.note)]
    return msgspec.structs.replace(case, notes=notes[-MAX_ENTRIES:])
