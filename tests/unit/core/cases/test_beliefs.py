"""Verdicts change what is believed: weight, past, windows and mute period of a seller; accusations of staff."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import msgspec
import pytest

from stream.contract.alerts import Alert
from stream.contract.cases import Case
from stream.contract.events import AnyEvent, Event, Verdict
from stream.core.cases.rules import CaseRules
from stream.core.detector import Detector
from stream.core.evidence.watches import PAST_WEIGHT
from stream.core.messages.conclusions import CONCLUSION_DELAY_DAYS
from stream.core.messages.wire import ForwardedCaseEvent, Message
from stream.core.model.encoding import encode
from stream.core.model.strata import DAY
from stream.core.subjects.seller import Seller
from stream.market import simulate
from stream.offline.local_bus import LocalTasks
from tests.analysts import appeal, verdict

_SECOND: Final = dt.timedelta(seconds=1)


def _events(scenario: str, seed: int, sellers: int, days: int) -> list[Event]:
    events, _ = simulate.market(scenario, seed, sellers, days)
    return [msgspec.convert(event, AnyEvent) for event in events]


def _cases(tasks: LocalTasks) -> dict[str, Case]:
    return {case.subject.id: case for task in tasks.tasks for case in task.state.cases.cases.values()}


class _Run:
    """A market's run; an analyst answers the first alert on each subject at once.

    Args:
        answer: The verdict; None for no analyst.
        tasks: The number of tasks.
        second, muted_until: Of the verdicts.
        detector: The class of the detectors.
    """

    def __init__(
        self,
        events: list[Event],
        answer: Verdict | None,
        tasks: int = 1,
        second: str | None = "ben",
        muted_until: dt.datetime | None = None,
        detector: Any = Detector,
    ) -> None:
        self.tasks = LocalTasks(3.0, "digest", tasks, detector)
        self.alerts: list[Alert] = []
        self.decided_at: dict[str, dt.datetime] = {}
        for event in events:
            for alert in self._apply(event):
                self.alerts.append(alert)
                subject = alert.subject
                if answer is not None and subject.type != "product" and subject.id not in self.decided_at:
                    self.decided_at[subject.id] = at = max(alert.raised_at, event.occurred_at) + _SECOND
                    case = _cases(self.tasks)[subject.id]
                    self._apply(verdict(case, at, answer, second=second, muted_until=muted_until))

    def _apply(self, event: Event) -> list[Alert]:
        return self.tasks.apply(event, event.occurred_at.timestamp())

    def seller(self, seller_id: str) -> Seller:
        return self.tasks.task_of(seller_id).state.sellers[seller_id]

    def alerts_on(self, subject_id: str) -> Iterator[Alert]:
        return (alert for alert in self.alerts if alert.subject.id == subject_id)


@cache
def _market() -> list[Event]:
    return _events("access", 3, 100, 200)


@cache
def _run(answer: Verdict | None, tasks: int = 1, second: str | None = "ben") -> _Run:
    """Return the run of the market, which no test may change."""
    return _Run(_market(), answer, tasks, second)


@pytest.fixture
def events() -> list[Event]:
    return _market()


@pytest.fixture
def unanswered() -> _Run:
    return _run(None)


@pytest.mark.parametrize("answer", [pytest.param("explained", marks=pytest.mark.long), "dismissed", "confirmed"])
def test_no_window_begins_before_the_verdict(events: list[Event], answer: Verdict) -> None:
    run = _run(answer)
    sellers = [alert for alert in run.alerts if alert.subject.type == "seller"]
    assert len(run.decided_at) >= 3
    for alert in sellers:
        decided_at = run.decided_at[alert.subject.id]
        if alert.raised_at > decided_at:
            assert alert.evidence.since > decided_at


@pytest.mark.parametrize(
    ("answer", "days"), [("explained", 30), pytest.param("inconclusive", 7, marks=pytest.mark.long)]
)
def test_a_muted_seller_raises_no_alert(events: list[Event], answer: Verdict, days: int) -> None:
    run = _run(answer)
    for alert in run.alerts:
        decided_at = run.decided_at.get(alert.subject.id)
        if decided_at is not None and alert.raised_at > decided_at:
            assert alert.raised_at >= decided_at + dt.timedelta(days=days)


def test_a_confirmed_cheat_counts_nothing_until_a_later_verdict(events: list[Event]) -> None:
    run = _Run(events, "confirmed")
    sellers = [name for name in run.decided_at if name in run.tasks.tasks[0].state.sellers]
    assert sellers
    for name in sellers:
        assert run.seller(name).weight <= 1e-12
    name = sellers[0]
    seller, last = run.seller(name), events[-1].occurred_at + _SECOND
    run.tasks.apply(verdict(_cases(run.tasks)[name], last, "dismissed", analyst="ben"), last.timestamp())
    assert seller.weight == pytest.approx(1 / (1 + seller.decayed_expected / 2))


def test_a_confirmed_sellers_later_alerts_may_be_severe_without_marks_of_payment() -> None:
    run = _run("confirmed")
    later = [
        alert
        for alert in run.alerts
        if alert.subject.type == "seller" and alert.raised_at > run.decided_at[alert.subject.id]
    ]
    assert later
    for alert in later:
        assert "An earlier verdict confirmed the seller" in alert.explanation
    first = [alert for alert in run.alerts if alert.subject.type == "seller" and alert not in later]
    assert not any("An earlier verdict" in alert.explanation for alert in first)


def test_the_weight_at_risk_is_that_of_the_sellers_after_any_verdict(events: list[Event]) -> None:
    for answer in ("confirmed", "explained", "inconclusive"):
        state = _run(answer).tasks.tasks[0].state
        for number, stratum in enumerate(state.baseline.strata):
            weights = [
                seller.weight * (sums.plain + sums.looked_up)
                for seller in state.sellers.values()
                if (sums := seller.exposure.get(number)) is not None
            ]
            assert stratum.weight == pytest.approx(math.fsum(weights), abs=1e-6)


def _first_decision(events: list[Event], answer: Verdict) -> tuple[LocalTasks, Seller, Case, list[float]]:
    """Run until the first case of a seller and answer it; return what the totals were before."""
    tasks = LocalTasks(3.0, "digest", 1)
    for event in events:
        alerts = tasks.apply(event, event.occurred_at.timestamp())
        if any(alert.subject.type == "seller" for alert in alerts):
            break
    case = next(case for case in _cases(tasks).values() if case.subject.type == "seller")
    seller = tasks.tasks[0].state.sellers[case.subject.id]
    seller.settle(tasks.tasks[0].state.baseline, tasks.tasks[0].state.clock)
    before = seller.totals()
    tasks.apply(verdict(case, event.occurred_at, answer), event.occurred_at.timestamp())
    return tasks, seller, case, before


def test_what_was_explained_is_the_own_past_at_full_weight(events: list[Event]) -> None:
    _, seller, _, before = _first_decision(events, "explained")
    assert [PAST_WEIGHT * value for value in seller.totals()] == pytest.approx(before)
    assert (len(seller.history), seller.flips) == (0, [])


def test_confirmed_flips_are_no_part_of_the_own_past(events: list[Event]) -> None:
    _, seller, case, before = _first_decision(events, "confirmed")
    groups = len(before) // 4
    in_window = sum(before[:groups]) - sum(seller.totals()[:groups])
    # The alert counts the exposed flips of its window, and the window has others.
    assert in_window >= case.evidence.flips
    assert min(seller.totals()) >= -1e-9


def test_an_inconclusive_verdict_leaves_the_evidence(events: list[Event]) -> None:
    _, seller, _, before = _first_decision(events, "inconclusive")
    assert seller.totals() == pytest.approx(before)
    assert seller.flips


def test_an_inconclusive_case_opens_again_with_further_evidence(events: list[Event]) -> None:
    run = _run("inconclusive")
    reopened = [case for case in _cases(run.tasks).values() if case.reopened]
    assert reopened
    assert all("inconclusive" in str(case.reopened) for case in reopened)


def test_one_open_case_for_each_accused_subject(unanswered: _Run) -> None:
    cases = [case for task in unanswered.tasks.tasks for case in task.state.cases.cases.values()]
    accused = {alert.subject.id for alert in unanswered.alerts if alert.subject.type != "product"}
    assert sorted(case.subject.id for case in cases) == sorted(accused)
    for case in cases:
        own = list(unanswered.alerts_on(case.subject.id))
        assert {alert.alert_id for alert in own} <= {one.alert_id for one in case.alerts}
        assert case.explanation == own[-1].explanation


@pytest.mark.parametrize(
    "answer", ["confirmed", *(pytest.param(one, marks=pytest.mark.long) for one in ("explained", "inconclusive"))]
)
def test_a_restored_state_goes_on_as_the_other(events: list[Event], answer: Verdict) -> None:
    half = len(events) * 2 // 3
    tasks = _Run(events[:half], answer).tasks
    task = tasks.tasks[0]
    assert task.state.cases.cases
    restored = Detector(3.0, "digest")
    restored.rows.restore([(key, value) for key, value in task.rows.changed() if value is not None])
    assert restored.rows.digest() == task.rows.digest()
    restored.outbox.extend(task.take_outbox())
    tasks_restored = LocalTasks(3.0, "digest", 1)
    tasks_restored.tasks = [restored]
    for event in events[half:]:
        at = event.occurred_at.timestamp()
        assert tasks_restored.apply(event, at) == tasks.apply(event, at)
    assert restored.rows.digest() == task.rows.digest()


@pytest.mark.parametrize("tasks", [pytest.param(1, marks=pytest.mark.long), 4])
def test_a_verdict_on_staff_needs_two_analysts_and_withdraws_the_accusation(events: list[Event], tasks: int) -> None:
    alone = _run("dismissed", tasks, second=None)
    cases = [case for case in _cases(alone.tasks).values() if case.subject.type == "staff"]
    assert cases
    assert all(case.waits_for_second for case in cases)
    both = _Run(events, "dismissed", tasks, muted_until=events[-1].occurred_at)
    histories = both.tasks.tasks[0].state.aggregator.staff.histories
    withdrawn = [case.subject.id for case in cases]
    assert not any(histories[name].announced for name in withdrawn)
    for task in both.tasks.tasks:
        today = int(task.state.clock // DAY)
        in_force = task.state.conclusions.in_force(today)
        for name in withdrawn:
            if today >= both.decided_at[name].timestamp() // DAY + CONCLUSION_DELAY_DAYS:
                assert name not in in_force


def test_a_confirmed_insider_stays_accused(events: list[Event]) -> None:
    run = _run("confirmed")
    histories = run.tasks.tasks[0].state.aggregator.staff.histories
    confirmed = [history for history in histories.values() if history.confirmed]
    assert confirmed
    assert all(history.announced for history in confirmed if history.flips.latest)


class _Recorded:
    """A detector that remembers the messages that it receives. Not a subclass: a compiled class may have none."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._detector = Detector(*args, **options)
        self.received: list[Message] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def on_message(self, message: Message) -> list[Alert]:
        self.received.append(message)
        return self._detector.on_message(message)


def _aggregator_after(messages: list[Message]) -> Detector:
    aggregator = Detector(3.0, "digest", 0, 4)
    for message in messages:
        aggregator.on_message(message)
    return aggregator


def test_events_of_staff_cases_may_come_before_the_alert_that_they_answer(events: list[Event]) -> None:
    """In a backlog a task is weeks ahead of the conclusions, so what it sends arrives before earlier alerts."""
    run = _Run(events, "confirmed", 4, detector=_Recorded)
    aggregator: Any = run.tasks.tasks[0]
    received = aggregator.received
    sent = [message for message in received if isinstance(message, ForwardedCaseEvent)]
    assert sent
    in_order = _aggregator_after(received)
    early = _aggregator_after([*sent, *(message for message in received if message not in sent)])
    assert early.rows.digest() == in_order.rows.digest()
    assert early.shown_cases() == in_order.shown_cases()
    on_staff = [case for case in early.shown_cases() if case.subject.type == "staff"]
    assert [each.effect for case in on_staff for each in case.verdicts] == ["in_force"]


def test_an_event_of_a_staff_case_is_shown_before_its_day_is_concluded(unanswered: _Run) -> None:
    aggregator = unanswered.tasks.tasks[0]
    case = next(case for case in aggregator.shown_cases() if case.subject.type == "staff")
    detector = Detector(3.0, "digest")
    detector.rows.restore([(b"k/" + case.case_id.encode(), encode(case))])
    at = case.updated_at + _SECOND
    message = ForwardedCaseEvent(event=verdict(case, at, "confirmed", second="ben"), day=int(at.timestamp() // DAY))
    assert detector.on_message(message) == []
    (shown,) = detector.take_cases()
    assert shown[1] is not None
    assert [each.effect for each in shown[1].verdicts] == ["in_force"]
    assert detector.state.cases.cases[case.case_id].state == "open"
    assert detector.take_cases() == []


def test_the_number_of_tasks_does_not_change_what_a_verdict_on_staff_does(events: list[Event]) -> None:
    """The alert that opens a case differs between numbers of tasks, and each is answered."""
    for tasks in (1, 4):
        run = _run("explained", tasks)
        for alert in run.alerts:
            decided_at = run.decided_at.get(alert.subject.id)
            if alert.subject.type == "staff" and decided_at is not None and alert.raised_at > decided_at:
                assert alert.evidence.since > decided_at


def test_verdicts_on_unknown_cases_are_counted(events: list[Event], unanswered: _Run) -> None:
    case = next(case for case in _cases(unanswered.tasks).values() if case.subject.type == "seller")
    other = msgspec.structs.replace(case, case_id="0" * 32)
    detector = Detector(3.0, "digest", rules=CaseRules("off"))
    at = events[0].occurred_at
    assert detector.apply(verdict(other, at, "confirmed"), at.timestamp()) == []
    assert detector.apply(appeal(other, at), at.timestamp()) == []
    assert detector.state.counts["case_unknown"] == 2
