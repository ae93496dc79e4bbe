"""Extortionists in a simulated market: they are named over all tasks, and their victims' cases say so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import msgspec
import pytest

from stream.arena.contest import sorted_events
from stream.contract.alerts import Alert
from stream.contract.cases import Case
from stream.contract.events import ReviewCreated, ReviewDeleted
from stream.core.detector import Detector
from stream.core.messages.conclusions import Conclusion, NamedReviewer, WatchedReviewer
from stream.core.messages.reports import DayReport, ReviewerReport
from stream.core.messages.wire import Forget, ForwardedCaseEvent, encode_message
from stream.core.model.flip_windows import MAX_WINDOWS
from stream.core.reviewers.pending_reviewers import PendingReviewers
from stream.market import simulate
from stream.market.truth import MarketTruth, arranged
from stream.offline.local_bus import LocalBus
from tests.analysts import verdict
from tests.unit.core.alerting.test_parts import check

#: So large that thresholds are at even odds, and sellers' cases are many.
_BUDGET = 1000.0


class Outcome(NamedTuple):
    """The alerts of a run, its tasks at the end with their rows, and the truth of the market."""

    alerts: list[Alert]
    bus: LocalBus
    rows: list[dict[bytes, bytes]]
    truth: MarketTruth

    def named(self) -> set[str]:
        return {alert.subject.id for alert in self.alerts if alert.subject.type == "reviewer"}

    def cases(self) -> Iterator[Case]:
        for task in self.bus.tasks:
            yield from task.shown_cases()


def _detector(number: int, tasks: int, watches: bool) -> Detector:
    return Detector(_BUDGET, "digest", number, tasks, watches_reviewers=watches)


def _write(task: Detector, rows: dict[bytes, bytes]) -> None:
    """Write the rows that have changed."""
    for key, value in task.rows.changed():
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value


def _restored(task: Detector, tasks: int, rows: dict[bytes, bytes]) -> Detector:
    """Return a new task with the rows of one."""
    _write(task, rows)
    new = _detector(task.state.number, tasks, watches=True)
    new.rows.restore(rows.items())
    assert new.rows.digest() == task.rows.digest()
    return new


@cache
def run(tasks: int, restarts: int = 0, watches: bool = True) -> Outcome:
    market = simulate.simulate("extortion", 5, 80, 200)
    events = sorted_events(market)
    bus = LocalBus([_detector(number, tasks, watches) for number in range(tasks)])
    rows: list[dict[bytes, bytes]] = [{} for _ in range(tasks)]
    alerts: list[Alert] = []
    for count, event in enumerate(events, 1):
        alerts += bus.task_of(event.key).apply(event, event.occurred_at.timestamp())
        alerts += bus.deliver()
        if restarts and not count % (len(events) // restarts):
            bus.tasks = [_restored(task, tasks, rows[task.state.number]) for task in bus.tasks]
    for task in bus.tasks:
        _write(task, rows[task.state.number])
    return Outcome(alerts, bus, rows, arranged(market.truth, market.groups))


def test_extortionists_are_named_and_nobody_else() -> None:
    outcome = run(1)
    extortionists = {row.reviewer_id for row in outcome.truth.extortionists}
    assert len(extortionists) > 0
    assert outcome.named() == extortionists
    for alert in outcome.alerts:
        if alert.subject.type == "reviewer":
            check(alert)
            assert (alert.kind, alert.severity, alert.recommended_action) == ("reviewer.flips", "low", "investigate")
            assert all(review.seller_id for review in alert.evidence.reviews)
            assert {link.type for link in alert.evidence.linked} == {"seller"}


@pytest.mark.long
def test_the_number_of_tasks_and_restarts_change_nothing() -> None:
    whole, divided, restarted = (
        [(one.alert_id, one.evidence.parts) for one in run.alerts if one.subject.type == "reviewer"]
        for run in (run(1), run(3), run(3, 4))
    )
    assert whole == divided == restarted
    assert run(3, 4).alerts == run(3).alerts
    assert run(3, 4).rows == run(3).rows


def test_a_sellers_case_says_which_reviews_an_extortionist_turned() -> None:
    outcome = run(3)
    turned = {
        (row.reviewer_id, review.review_id)
        for row in outcome.truth.extortionists
        for review in row.reviews
        if review.flipped_at
    }
    cases = [case for case in outcome.cases() if case.extorted]
    assert cases
    for case in cases:
        assert case.subject.type == "seller"
        for one in case.extorted:
            assert set(one.review_ids) <= set(case.evidence.review_ids)
            assert {(one.reviewer_id, review_id) for review_id in one.review_ids} & turned
    alerts = [alert for alert in outcome.alerts if any(link.type == "reviewer" for link in alert.evidence.linked)]
    assert all("That speaks for the seller" in alert.explanation for alert in alerts)


def test_without_the_watch_no_reviewer_leaves_a_task_and_all_else_is_the_same() -> None:
    watched, unwatched = run(3), run(3, 0, watches=False)
    assert unwatched.named() == set()
    assert not any(case.extorted for case in unwatched.cases())
    for task in unwatched.bus.tasks:
        assert not task.state.reviewers.reviewers
        assert not task.state.aggregator.reviewers.histories
        assert not task.state.conclusions.reviewers.pending_watched
    others = [alert for alert in watched.alerts if alert.subject.type != "reviewer"]
    assert [one.alert_id for one in unwatched.alerts] == [one.alert_id for one in others]


def test_turning_the_watch_off_erases_all_reviewers() -> None:
    extorted = 0
    for number, rows in enumerate(run(3).rows):
        task, left = _detector(number, 3, watches=False), dict(rows)
        extorted += sum(bool(case.extorted) for case in run(3).bus.tasks[number].shown_cases())
        task.rows.restore(rows.items())
        _write(task, left)
        assert any(key[:2] in {b"t/", b"u/"} for key in rows) or number
        assert not any(key[:2] in {b"t/", b"u/"} for key in left)
        for case in task.shown_cases():
            assert not case.extorted
            assert case.subject.type == "reviewer" or not any(link.type == "reviewer" for link in case.linked)
    assert extorted


def test_further_flips_of_a_named_reviewer_count_at_once_and_take_nothing_away() -> None:
    task = _detector(0, 1, watches=True)
    task.rows.restore(run(1).rows[0].items())
    state = task.state
    case = next(case for case in task.shown_cases() if case.extorted)
    reviewer_id, seller_id = case.extorted[0].reviewer_id, case.subject.id
    known = state.reviewers.turned_by(seller_id)[reviewer_id]
    at = dt.datetime.fromtimestamp(state.clock, dt.UTC)
    for number in range(MAX_WINDOWS + 5):  # more than a conclusion holds
        common: Any = {"seller_id": f"other-{number}", "product_id": "p", "review_id": "r", "reviewer_id": reviewer_id}
        day = dt.timedelta(days=number)
        written = ReviewCreated(event_id=f"w{number}", occurred_at=at + day, rating=1, **common)
        turned = ReviewDeleted(
            event_id=f"t{number}", occurred_at=at + day + dt.timedelta(hours=1), deleted_by="author", **common
        )
        for event in (written, turned):
            task.apply(event, event.occurred_at.timestamp())
        assert state.reviewers.turned_by(f"other-{number}") == {reviewer_id: {"r"}}
        for message in task.take_outbox():
            task.on_message(message)
    assert state.reviewers.turned_by(seller_id)[reviewer_id] == known
    assert next(one for one in task.shown_cases() if one.case_id == case.case_id).extorted == case.extorted


def test_a_report_or_a_conclusion_from_before_brings_no_reviewer_back() -> None:
    task = _detector(0, 1, watches=False)
    task.on_message(DayReport(reporter=0, day=1, through=0, reviewers=[ReviewerReport("u", 1, [], 1)]))
    task.on_message(
        Conclusion(
            day=1, accused=[], withdrawn=[], watched=[WatchedReviewer(1, "u", is_watched=True)],
            reviewers=[NamedReviewer(1, "u", True, [("s", "r")])],
        )
    )  # fmt: skip
    assert not any(b"u" in encode_message(report) for report in task.state.aggregator.unconcluded.values())
    assert task.state.conclusions.reviewers == PendingReviewers()


def test_an_erased_reviewer_is_in_no_row_and_no_case() -> None:
    outcome = run(2)
    name = min(outcome.named()).encode()
    for number, written in enumerate(outcome.rows):
        task, rows = _detector(number, 2, watches=True), dict(written)
        task.rows.restore(rows.items())
        assert any(name in key or name in value for key, value in rows.items())
        for case in [case for case in task.shown_cases() if case.subject.type == "reviewer"]:
            task.on_message(ForwardedCaseEvent(event=verdict(case, case.updated_at, "confirmed"), day=10**6))
        task.on_message(Forget(reviewer_id=name.decode()))
        _write(task, rows)
        assert [key for key, value in rows.items() if name in key or name in value] == []
        assert not any(name in msgspec.json.encode(case) for case in task.shown_cases())
