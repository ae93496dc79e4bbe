"""The reviewers of one task: what is reported at midnight, and from when on conclusions count."""

from __future__ import annotations

import msgspec

from stream.core.aggregation.conclusions_in_force import ConclusionsInForce
from stream.core.messages.conclusions import CONCLUSION_DELAY_DAYS, Conclusion, NamedReviewer, WatchedReviewer
from stream.core.messages.reports import ReviewerReport
from stream.core.model.flip_windows import MAX_WINDOWS
from stream.core.reviewers.task_reviewers import TaskReviewers
from tests.unit.core.reviewers.test_reviewer_book import finding


def _restored(reviewers: TaskReviewers) -> TaskReviewers:
    """Return a copy from the rows of the state."""
    copy = TaskReviewers(is_on=True)
    for name in reviewers.names():
        row = reviewers.row(name)
        assert row is not None
        copy.load(name, row)
    return copy


def test_flips_are_reported_once_and_nothing_is_kept_of_a_reviewer_that_is_not_watched() -> None:
    reviewers = TaskReviewers(is_on=True)
    one, other = finding(1, 0, "s"), finding(1, 1, "s")
    reviewers.record_flip("u", one)
    reviewers = _restored(reviewers)
    reviewers.record_flip("u", other)
    reviewers.record_review("v")
    assert reviewers.take_reports() == [ReviewerReport("u", 2, [one, other], None)]
    assert reviewers.take_reports() == []
    assert list(reviewers.names()) == []
    assert reviewers.row("u") is None
    assert reviewers.changed == {"u"}


def test_a_watched_reviewers_reviews_are_reported_when_their_number_changes() -> None:
    reviewers = TaskReviewers(is_on=True)
    reviewers.record_flip("u", finding(1, 0, "s"))
    reviewers.watch("u", 4)
    reviewers.watch("v", 0)
    assert [(one.reviewer_id, one.flips, one.critical) for one in reviewers.take_reports()] == [
        ("u", 1, 5),
        ("v", 0, 0),
    ]
    assert reviewers.take_reports() == []
    reviewers = _restored(reviewers)
    reviewers.record_review("v")
    assert [(one.reviewer_id, one.critical) for one in reviewers.take_reports()] == [("v", 1)]
    reviewers.end_watch("v")
    reviewers.record_review("v")
    assert reviewers.take_reports() == []
    assert list(reviewers.names()) == ["u"]


def test_the_latest_flips_are_kept_and_all_are_counted() -> None:
    reviewers = TaskReviewers(is_on=True)
    for number in range(MAX_WINDOWS + 5):
        reviewers.record_flip("u", finding(1, number, "s"))
    (report,) = reviewers.take_reports()
    assert (report.flips, len(report.latest)) == (MAX_WINDOWS + 5, MAX_WINDOWS)


def test_nothing_is_kept_while_the_watch_is_off() -> None:
    reviewers = TaskReviewers(is_on=False)
    reviewers.record_flip("u", finding(1, 0, "s"))
    reviewers.watch("u", 4)
    assert list(reviewers.names()) == []
    assert reviewers.take_reports() == []


def test_conclusions_count_a_month_later_also_after_a_restart() -> None:
    accused = ConclusionsInForce(version=1)
    accused.start(10)
    conclusion = Conclusion(day=20, accused=[], withdrawn=[])
    conclusion.watched = [WatchedReviewer(20, "u", is_watched=True)]
    conclusion.reviewers = [NamedReviewer(20, "u", [("s1", "r1"), ("s2", "r2"), ("s1", "r3")])]
    accused.on_conclusion(conclusion)
    accused = msgspec.json.decode(msgspec.json.encode(accused), type=ConclusionsInForce)
    before = 19 + CONCLUSION_DELAY_DAYS
    assert accused.reviewers.take_watched(before) == []
    assert accused.reviewers.advance(before) == set()
    assert [one.reviewer_id for one in accused.reviewers.take_watched(before + 1)] == ["u"]
    assert accused.reviewers.take_watched(before + 1) == []
    assert accused.reviewers.advance(before + 1) == {"s1", "s2"}
    assert accused.reviewers.turned_by("s1") == {"u": {"r1", "r3"}}
    assert accused.reviewers.turned_by("s3") == {}


def test_what_a_reviewer_turned_is_replaced_and_ends_and_is_erased() -> None:
    reviewers = ConclusionsInForce(version=1).reviewers
    reviewers.pending = [
        NamedReviewer(1, "u", [("s1", "r1")]),
        NamedReviewer(2, "u", [("s2", "r2")]),
        NamedReviewer(3, "u", []),
        NamedReviewer(3, "v", [("s1", "r4")]),
    ]
    assert reviewers.advance(1) == {"s1"}
    assert reviewers.advance(2) == {"s1", "s2"}
    assert reviewers.turned_by("s1") == {}
    assert reviewers.advance(3) == {"s1", "s2"}
    assert reviewers.turned_by("s1") == {"v": {"r4"}}
    assert reviewers.forget("v") == {"s1"}
    assert reviewers.named == {}
