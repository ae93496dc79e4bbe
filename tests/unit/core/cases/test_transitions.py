"""What events do to a case: verdicts, second analysts, appeals, notes, and their bounds."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec
import pytest

from stream.contract.cases import Case
from stream.contract.events import CaseAssigned, CaseEvent, CaseNoted, Verdict
from stream.core.cases import transitions
from stream.core.cases.alerts import MAX_ENTRIES, in_force, with_alert
from stream.core.cases.rules import CaseRules, FourEyes
from stream.core.cases.transitions import APPEAL_DAYS, MAX_MUTE_DAYS
from tests.analysts import appeal, subject_of, verdict
from tests.sample_cases import HOUR, seller_alert, seller_case, staff_case

_RULES: Final = {name: CaseRules(name) for name in ("off", "staff", "on")}


def _after(case: Case, *events: CaseEvent, four_eyes: FourEyes = "staff") -> tuple[Case, list[str]]:
    outcomes: list[str] = []
    for event in events:
        change = transitions.apply(case, event, _RULES[four_eyes])
        case = change.case
        outcomes.append(change.outcome)
    return case, outcomes


def _at(case: Case, hours: float) -> dt.datetime:
    return case.opened_at + hours * HOUR


def test_a_verdict_decides_a_case_and_mutes_its_subject() -> None:
    case = seller_case()
    decided, _ = _after(case, verdict(case, _at(case, 1), "explained", story="campaign"))
    assert (decided.state, decided.due_at, decided.updated_at) == ("decided", None, _at(case, 1))
    assert decided.muted_until == _at(case, 1) + dt.timedelta(days=30)
    found = in_force(decided)
    assert found is not None
    assert (found.verdict, found.story, found.analyst_id) == ("explained", "campaign", "ana")


@pytest.mark.parametrize(("answer", "days"), [("confirmed", None), ("dismissed", 30), ("inconclusive", 7)])
def test_each_verdict_mutes_for_its_time(answer: Verdict, days: int | None) -> None:
    case = seller_case()
    decided, _ = _after(case, verdict(case, _at(case, 1), answer))
    assert decided.muted_until == (None if days is None else _at(case, 1) + dt.timedelta(days=days))


def test_an_analyst_may_set_the_end_of_the_mute_period() -> None:
    case = seller_case()
    decided, _ = _after(case, verdict(case, _at(case, 1), "dismissed", muted_until=_at(case, 9)))
    assert decided.muted_until == _at(case, 9)


def test_a_mute_period_has_a_longest_time_and_one_that_is_over_is_none() -> None:
    case = seller_case()
    for until, expected in (
        (_at(case, 1) + dt.timedelta(days=MAX_MUTE_DAYS + 1), _at(case, 1) + dt.timedelta(days=MAX_MUTE_DAYS)),
        (_at(case, 1), None),
        (_at(case, 0), None),
    ):
        change = transitions.apply(case, verdict(case, _at(case, 1), "dismissed", muted_until=until), _RULES["staff"])
        assert change.decision is not None
        assert change.decision.muted_until == change.case.muted_until == expected


def test_a_later_verdict_supersedes_and_an_older_one_changes_nothing() -> None:
    case = seller_case()
    decided, outcomes = _after(
        case,
        verdict(case, _at(case, 5), "dismissed"),
        verdict(case, _at(case, 6), "confirmed"),
        verdict(case, _at(case, 2), "explained"),
    )
    assert outcomes == ["verdict_in_force", "verdict_in_force", "verdict_outdated"]
    assert [one.effect for one in decided.verdicts] == ["superseded", "in_force", "outdated"]
    found = in_force(decided)
    assert found is not None
    assert found.verdict == "confirmed"


@pytest.mark.parametrize("seen", [None, "latest"])
def test_a_verdict_from_before_its_case_changes_nothing(seen: str | None) -> None:
    case = seller_case()
    known = None if seen is None else case.alerts[-1].alert_id
    after, outcomes = _after(case, verdict(case, _at(case, -200 * 24), "dismissed", seen=known))
    assert (after.state, after.due_at, outcomes) == ("open", case.due_at, ["verdict_outdated"])
    assert [one.effect for one in after.verdicts] == ["outdated"]
    assert transitions.closed(after, _at(case, 1)) is None


def test_a_verdict_decides_no_evidence_that_its_analyst_did_not_see() -> None:
    case, rules = seller_case(), _RULES["staff"]
    seen = case.alerts[-1].alert_id
    newer = with_alert(case, seller_alert("c" * 32, _at(case, 1)), rules)
    for unseen in (seen, "0" * 32):
        after, outcomes = _after(newer, verdict(case, _at(case, 2), "confirmed", seen=unseen))
        assert outcomes == ["verdict_before_evidence"]
        assert [one.effect for one in after.verdicts] == ["newer_evidence"]
        assert after == msgspec.structs.replace(newer, verdicts=after.verdicts, updated_at=_at(case, 2))
    for known in ("c" * 32, None):
        assert _after(newer, verdict(case, _at(case, 2), "confirmed", seen=known))[1] == ["verdict_in_force"]


def test_an_alert_that_is_no_longer_listed_is_older_evidence() -> None:
    case = seller_case()
    full = case
    for hour in range(MAX_ENTRIES):
        full = with_alert(full, seller_alert(f"{hour:032x}", _at(case, hour + 1)), _RULES["staff"])
    gone = case.alerts[-1].alert_id
    assert gone not in [alert.alert_id for alert in full.alerts]
    assert _after(full, verdict(case, _at(case, 99), "confirmed", seen=gone))[1] == ["verdict_before_evidence"]


def test_a_rating_shift_is_no_newer_evidence() -> None:
    case = seller_case()
    seen = case.alerts[-1].alert_id
    shift = msgspec.structs.replace(seller_alert("e" * 32, _at(case, 1)), kind="product.rating_shift")
    shifted = with_alert(case, shift, _RULES["staff"])
    for known in (seen, "e" * 32):
        assert _after(shifted, verdict(case, _at(case, 2), "confirmed", seen=known))[1] == ["verdict_in_force"]


@pytest.mark.parametrize(
    ("four_eyes", "about_staff", "answer", "needed"),
    [
        ("off", True, "confirmed", False),
        ("staff", True, "dismissed", True),
        ("staff", False, "confirmed", False),
        ("on", True, "dismissed", True),
        ("on", False, "confirmed", True),
        ("on", False, "dismissed", False),
    ],
)
def test_which_verdicts_need_a_second_analyst(
    four_eyes: FourEyes, about_staff: bool, answer: Verdict, needed: bool
) -> None:
    case = staff_case() if about_staff else seller_case()
    after, outcomes = _after(case, verdict(case, _at(case, 1), answer), four_eyes=four_eyes)
    assert after.waits_for_second is needed
    assert after.state == ("open" if needed else "decided")
    assert outcomes == ["verdict_waits_for_second" if needed else "verdict_in_force"]


def test_a_second_analyst_confirms_by_name_or_by_the_same_verdict() -> None:
    case = staff_case()
    named, _ = _after(case, verdict(case, _at(case, 1), "confirmed", second="ben"))
    assert named.state == "decided"
    waiting = verdict(case, _at(case, 1), "confirmed")
    for other, state in (
        (verdict(case, _at(case, 2), "confirmed", analyst="ben"), "decided"),
        (verdict(case, _at(case, 2), "dismissed", analyst="ben"), "open"),
        (verdict(case, _at(case, 2), "confirmed"), "open"),
    ):
        after, _ = _after(case, waiting, other)
        assert (after.state, after.waits_for_second) == (state, state == "open")
    both, _ = _after(case, waiting, verdict(case, _at(case, 2), "confirmed", analyst="ben"))
    found = in_force(both)
    assert found is not None
    assert {found.analyst_id, found.second_analyst_id} == {"ana", "ben"}


def test_nobody_is_the_own_second_analyst() -> None:
    case = staff_case()
    after, outcomes = _after(case, verdict(case, _at(case, 1), "confirmed", second="ana"))
    assert (after.state, outcomes) == ("open", ["verdict_of_same_analyst"])


def test_an_appeal_is_answered_by_another_analyst() -> None:
    case = seller_case()
    appealed, outcomes = _after(case, verdict(case, _at(case, 1), "confirmed"), appeal(case, _at(case, 2)))
    assert (appealed.state, outcomes[-1]) == ("appealed", "case_appealed")
    assert appealed.due_at is not None
    same, outcomes = _after(appealed, verdict(case, _at(case, 3), "dismissed"))
    assert (same.state, outcomes) == ("appealed", ["verdict_of_same_analyst"])
    other, _ = _after(appealed, verdict(case, _at(case, 3), "dismissed", analyst="ben", event_id="answer"))
    assert (other.state, other.appeals[0].answered_by) == ("decided", "answer")
    waiting, _ = _after(appealed, verdict(case, _at(case, 3), "dismissed", analyst="ben"), four_eyes="on")
    assert (waiting.state, waiting.waits_for_second) == ("appealed", True)


@pytest.mark.parametrize("four_eyes", ["off", "on"])
@pytest.mark.parametrize(
    ("analyst", "second"),
    [("ana", "cim"), ("ben", "cim"), ("cim", "ana"), ("cim", "ben"), ("ben", None), ("ana", None)],
)
def test_neither_of_the_two_people_of_a_verdict_answers_its_appeal(
    analyst: str, second: str | None, four_eyes: FourEyes
) -> None:
    case = seller_case()
    given = verdict(case, _at(case, 1), "confirmed", second="ben")
    appealed, _ = _after(case, given, appeal(case, _at(case, 2)))
    answer = verdict(case, _at(case, 3), "dismissed", analyst=analyst, second=second)
    after, outcomes = _after(appealed, answer, four_eyes=four_eyes)
    assert (after.state, outcomes) == ("appealed", ["verdict_of_same_analyst"])
    others, _ = _after(appealed, verdict(case, _at(case, 3), "dismissed", analyst="cim", second="dan"))
    assert others.state == "decided"


def test_a_verdict_that_waits_does_not_make_its_analyst_the_second_one_of_an_answer() -> None:
    """Ben has confirmed the verdict, then given another one, which waits; his verdict is contested."""
    case = staff_case()
    after, _ = _after(
        case,
        verdict(case, _at(case, 1), "confirmed", second="ben"),
        verdict(case, _at(case, 2), "dismissed", analyst="ben"),
        appeal(case, _at(case, 3)),
        verdict(case, _at(case, 4), "dismissed", analyst="cim"),
    )
    assert (after.state, after.waits_for_second) == ("appealed", True)
    answered, _ = _after(after, verdict(case, _at(case, 5), "dismissed", analyst="dan"))
    found = in_force(answered)
    assert found is not None
    assert (answered.state, found.second_analyst_id) == ("decided", "cim")


@pytest.mark.parametrize("refused", ["outdated", "same_analyst", "newer_evidence"])
def test_a_refused_verdict_does_not_hide_the_one_that_waits(refused: str) -> None:
    case = staff_case()
    seen = case.alerts[-1].alert_id
    between = {
        "outdated": verdict(case, _at(case, -5), "dismissed", analyst="cim"),
        "same_analyst": verdict(case, _at(case, 2), "dismissed", analyst="cim", second="cim"),
        "newer_evidence": verdict(case, _at(case, 2), "dismissed", analyst="cim", seen="0" * 32),
    }[refused]
    second = verdict(case, _at(case, 3), "confirmed", analyst="ben", seen=seen)
    after, _ = _after(case, verdict(case, _at(case, 1), "confirmed"), *[between] * MAX_ENTRIES, second)
    assert (after.state, after.waits_for_second) == ("decided", False)
    assert after.verdicts[-2].effect == refused


def test_another_verdict_takes_the_place_of_the_one_that_waits() -> None:
    case = staff_case()
    after, outcomes = _after(
        case,
        verdict(case, _at(case, 1), "confirmed"),
        verdict(case, _at(case, 2), "dismissed", analyst="ben"),
        verdict(case, _at(case, 3), "confirmed", analyst="cim"),
    )
    assert (after.state, set(outcomes)) == ("open", {"verdict_waits_for_second"})


def test_an_appeal_from_before_the_verdict_in_force_does_not_contest_it() -> None:
    case = seller_case()
    assigned = CaseAssigned(
        event_id="1", occurred_at=_at(case, 3), case_id=case.case_id, subject=subject_of(case), analyst_id="ana",
        assignee_id="ben",
    )  # fmt: skip
    decided, _ = _after(case, verdict(case, _at(case, 2), "confirmed", event_id="verdict"), assigned)
    after, outcomes = _after(decided, appeal(case, _at(case, 1)))
    assert outcomes == ["appeal_outdated"]
    assert [one.answered_by for one in after.appeals] == ["verdict"]
    assert after == msgspec.structs.replace(decided, appeals=after.appeals)


def test_a_further_appeal_changes_neither_the_due_date_nor_the_assignee() -> None:
    case, rules = seller_case(), _RULES["staff"]
    common: dict[str, Any] = {"case_id": case.case_id, "subject": subject_of(case), "analyst_id": "ben"}
    contested, _ = _after(
        case,
        verdict(case, _at(case, 1), "confirmed"),
        appeal(case, _at(case, 2)),
        CaseAssigned(event_id="1", occurred_at=_at(case, 3), assignee_id="ben", **common),
    )
    again = contested
    for hour in range(2 * MAX_ENTRIES):
        again, outcomes = _after(again, appeal(case, _at(case, 4 + hour)))
        assert outcomes == ["case_appealed"]
    assert (again.state, again.assignee, again.due_at) == ("appealed", "ben", contested.due_at)
    assert (again.appeals[0], len(again.appeals)) == (contested.appeals[0], MAX_ENTRIES)
    late = with_alert(again, seller_alert("f" * 32, _at(case, 1.5)), rules)
    assert late.due_at == contested.due_at
    answered, _ = _after(again, verdict(case, _at(case, 99), "dismissed", analyst="ben", event_id="answer"))
    assert {one.answered_by for one in answered.appeals} == {"answer"}


def test_a_verdict_keeps_what_was_judged() -> None:
    case = seller_case(severity="low")
    decided, _ = _after(case, verdict(case, _at(case, 1), "confirmed"))
    later = msgspec.structs.replace(seller_alert("c" * 32, _at(case, 2)), kind="seller.flips", severity="critical")
    again = with_alert(decided, later, _RULES["staff"])
    found = in_force(again)
    assert found is not None
    assert (again.kind, again.severity) == ("seller.flips", "critical")
    assert (found.kind, found.severity) == ("seller.contact_flips", "low")


def test_without_a_verdict_there_is_nothing_to_appeal() -> None:
    case = seller_case()
    after, outcomes = _after(case, appeal(case, _at(case, 1)))
    assert (after.state, after.appeals, outcomes) == ("open", [], ["case_has_no_verdict"])


def test_assignments_and_notes() -> None:
    case = seller_case()
    common: dict[str, Any] = {"case_id": case.case_id, "subject": subject_of(case), "analyst_id": "ana"}
    after, outcomes = _after(
        case,
        CaseAssigned(event_id="1", occurred_at=_at(case, 1), assignee_id="ben", **common),
        CaseNoted(event_id="2", occurred_at=_at(case, 2), note="Asked the seller.", **common),
    )
    assert (after.assignee, after.notes[0].note, outcomes) == (
        "ben",
        "Asked the seller.",
        ["case_assigned", "case_noted"],
    )
    free, _ = _after(after, CaseAssigned(event_id="3", occurred_at=_at(case, 3), **common))
    assert free.assignee is None


def test_lists_are_bounded_and_the_verdict_in_force_is_kept() -> None:
    case = seller_case()
    events: list[CaseEvent] = [verdict(case, _at(case, 100), "confirmed", event_id="kept")]
    events += [verdict(case, _at(case, hour), "dismissed", event_id=f"late-{hour}") for hour in range(30)]
    after, _ = _after(case, *events)
    assert len(after.verdicts) == MAX_ENTRIES
    found = in_force(after)
    assert found is not None
    assert found.event_id == "kept"


def test_new_evidence_opens_a_decided_case_again_and_older_evidence_does_not() -> None:
    case = seller_case()
    decided, _ = _after(case, verdict(case, _at(case, 10), "dismissed"))
    older = with_alert(decided, seller_alert("b" * 32, _at(case, 5)), _RULES["staff"])
    assert (older.state, older.reopened, len(older.alerts)) == ("decided", None, 2)
    newer = with_alert(decided, seller_alert("c" * 32, _at(case, 11)), _RULES["staff"])
    assert newer.state == "open"
    assert newer.reopened is not None
    assert newer.reopened.startswith("New evidence after the verdict of ")


def test_the_order_of_arrival_of_alerts_does_not_matter() -> None:
    case = seller_case()
    alerts = [seller_alert(name * 32, _at(case, hour)) for name, hour in (("b", 3), ("c", 2), ("d", 4))]
    one = other = case
    for alert in alerts:
        one = with_alert(one, alert, _RULES["staff"])
    for alert in reversed(alerts):
        other = with_alert(other, alert, _RULES["staff"])
    assert one == other


def test_an_appeal_and_an_earlier_alert_commute() -> None:
    case, rules = staff_case(), _RULES["staff"]
    decided, _ = _after(case, verdict(case, _at(case, 1), "confirmed", second="ben"))
    alert = msgspec.structs.replace(
        seller_alert("f" * 32, _at(case, 0.5)), subject=case.subject, kind=case.kind, severity="critical"
    )
    contested = appeal(case, _at(case, 2))
    one = with_alert(_after(decided, contested)[0], alert, rules)
    other, _ = _after(with_alert(decided, alert, rules), contested)
    assert one == other
    assert one.due_at == _at(case, 2) + dt.timedelta(days=1)


def test_a_rating_shift_joins_a_case_and_is_not_its_evidence() -> None:
    case = seller_case()
    shift = msgspec.structs.replace(
        seller_alert("e" * 32, _at(case, 1)), kind="product.rating_shift", explanation="A shift."
    )
    after = with_alert(case, shift, _RULES["staff"])
    assert [one.kind for one in after.alerts] == [case.kind, "product.rating_shift"]
    assert after.explanation == case.explanation
    decided, _ = _after(case, verdict(case, _at(case, 0.5), "dismissed"))
    assert with_alert(decided, shift, _RULES["staff"]).state == "decided"


def test_a_decided_case_is_closed_when_no_appeal_is_possible_any_more() -> None:
    case = seller_case()
    decided, _ = _after(case, verdict(case, _at(case, 1), "confirmed"))
    end = _at(case, 1) + dt.timedelta(days=APPEAL_DAYS)
    assert transitions.closed(decided, end - HOUR) is None
    closed = transitions.closed(decided, end)
    assert closed is not None
    _, outcomes = _after(closed, verdict(case, end, "dismissed"), appeal(case, end))
    assert outcomes == ["case_closed", "case_closed"]
    assert transitions.closed(case, end) is None
