"""What verdicts, assignments, notes and appeals do to a case.

Invariant: pure. Every event gives a case and a named outcome, and an event that a case cannot follow changes nothing
but its log.
"""

from __future__ import annotations

import datetime as dt
from typing import Final, Literal, NamedTuple

import msgspec

from stream.contract.cases import Case, CaseAppeal, CaseNote, CaseVerdict, Effect
from stream.contract.events import CaseAppealed, CaseAssigned, CaseEvent, CaseNoted, Verdict, VerdictRecorded
from stream.core.cases.alerts import MAX_ENTRIES, in_force
from stream.core.cases.rules import CaseRules

Outcome = Literal[
    "verdict_in_force",
    "verdict_waits_for_second",
    "verdict_of_same_analyst",
    "verdict_outdated",
    "case_assigned",
    "case_noted",
    "case_appealed",
    "case_has_no_verdict",
    "case_closed",
]
#: For how long a subject raises no alerts after a verdict.
MUTE_DAYS: Final[dict[Verdict, int]] = {"confirmed": 0, "explained": 30, "dismissed": 30, "inconclusive": 7}
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

    1. A verdict older than the one in force changes nothing.
    2. An appeal is answered by another analyst than the one whose verdict is contested.
    3. Where a second analyst is needed, the verdict waits until the event names one, or another analyst records the
       same verdict.
    4. Otherwise it is in force, and those before it are superseded.
    """
    before = in_force(case)
    if before is not None and event.occurred_at < before.recorded_at:
        return CaseChange(_logged(case, event, "outdated"), "verdict_outdated")
    if case.state == "appealed" and before is not None and event.analyst_id == before.analyst_id:
        return CaseChange(_logged(case, event, "same_analyst"), "verdict_of_same_analyst")
    analyst_id, second = event.analyst_id, event.second_analyst_id
    if second == analyst_id:
        return CaseChange(_logged(case, event, "same_analyst"), "verdict_of_same_analyst")
    on_appeal = case.state == "appealed"
    if second is None and rules.needs_second(case.subject.type, event.verdict, on_appeal=on_appeal):
        waiting = case.verdicts[-1] if case.verdicts and case.verdicts[-1].effect == "waits_for_second" else None
        if waiting is None or waiting.verdict != event.verdict or waiting.analyst_id == analyst_id:
            logged = _logged(case, event, "waits_for_second")
            return CaseChange(msgspec.structs.replace(logged, waits_for_second=True), "verdict_waits_for_second")
        second = waiting.analyst_id
    return _in_force(case, msgspec.structs.replace(event, second_analyst_id=second))


def _in_force(case: Case, event: VerdictRecorded) -> CaseChange:
    muted_until = event.muted_until
    if muted_until is None and MUTE_DAYS[event.verdict]:
        muted_until = event.occurred_at + dt.timedelta(days=MUTE_DAYS[event.verdict])
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
    )
    verdicts = [*case.verdicts, verdict]
    while len(verdicts) > MAX_ENTRIES:  # the verdict in force is never forgotten
        verdicts.pop(0 if verdicts[0].effect != "in_force" else 1)
    return msgspec.structs.replace(case, verdicts=verdicts)


def _appeal(case: Case, event: CaseAppealed, rules: CaseRules) -> CaseChange:
    if in_force(case) is None:
        return CaseChange(case, "case_has_no_verdict")
    appeal = CaseAppeal(event.event_id, event.occurred_at, event.appellant, event.note, None)
    case = msgspec.structs.replace(
        case,
        state="appealed",
        appeals=[*case.appeals, appeal][-MAX_ENTRIES:],
        assignee=None,
        due_at=rules.due_at(event.occurred_at, case.severity),
    )
    return CaseChange(case, "case_appealed")


def _with_note(case: Case, event: CaseNoted) -> Case:
    notes = [*case.notes, CaseNote(event.event_id, event.occurred_at, event.analyst_id, event.note)]
    return msgspec.structs.replace(case, notes=notes[-MAX_ENTRIES:])
