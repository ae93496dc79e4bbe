"""The reviewers of one task: what is reported at midnight, and from when on conclusions count."""

from __future__ import annotations

import msgspec

from stream.core.aggregation.conclusions_in_force import ConclusionsInForce
from stream.core.messages.conclusions import CONCLUSION_DELAY_DAYS, Conclusion, NamedReviewer, WatchedReviewer
from stream.core.messages.reports import ReviewerReport
from stream.core.model.flip_windows import MAX_WINDOWS
from stream.core.reviewers.task_reviewers import MAX_TURNED, TaskReviewers
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
    conclusions = ConclusionsInForce(version=1)
    conclusions.start(10)
    conclusion = Conclusion(day=20, accused=[], withdrawn=[])
    conclusion.watched = [WatchedReviewer(20, "u", is_watched=True)]
    conclusion.reviewers = [NamedReviewer(20, "u", True, [("s1", "r1")]), NamedReviewer(19, "v", False, [])]
    conclusions.on_conclusion(conclusion)
    pending = msgspec.json.decode(msgspec.json.encode(conclusions), type=ConclusionsInForce).reviewers
    before = 19 + CONCLUSION_DELAY_DAYS
    assert pending.take_watched(before) == []
    assert [one.reviewer_id for one in pending.take_named(before)] == ["v"]
    assert [one.reviewer_id for one in pending.take_watched(before + 1)] == ["u"]
    assert pending.take_watched(before + 1) == []
    assert [one.reviews for one in pending.take_named(before + 1)] == [[("s1", "r1")]]
    conclusions.reviewers.forget("u")
    assert [one.reviewer_id for one in conclusions.reviewers.pending] == ["v"]
    assert conclusions.reviewers.pending_watched == []


def test_what_a_named_reviewer_has_turned_adds_up_until_it_is_named_no_longer() -> None:
    reviewers = TaskReviewers(is_on=True)
    assert reviewers.name("u", [("s1", "r1"), ("s2", "r2"), ("s1", "r3")]) == {"s1", "s2"}
    assert reviewers.name("u", [("s3", "r4"), ("s1", "r1")]) == {"s3"}
    assert reviewers.turned_by("s1") == {"u": {"r1", "r3"}}
    reviewers.name("v", [])
    reviewers.record_flip("v", finding(1, 0, "s1"))  # counts at once
    assert reviewers.turned_by("s1").keys() == {"u", "v"}
    restored = TaskReviewers(is_on=True)
    for name in reviewers.names():
        restored.load(name, reviewers.row(name) or b"")
    for one in (reviewers, restored):
        one.take_reports()
        assert one.end_name("u") == {"s1", "s2", "s3"}
        assert one.turned_by("s2") == {}
        assert one.turned_by("s1").keys() == {"v"}
        assert list(one.names()) == ["v"]
        one.forget("v")
        assert one.turned_by("s1") == {}
    assert TaskReviewers(is_on=False).name("u", [("s1", "r1")]) == set()


def test_the_oldest_reviews_of_a_named_reviewer_go() -> None:
    reviewers = TaskReviewers(is_on=True)
    for number in range(MAX_TURNED + 60):  # more than one conclusion holds: later ones add to the first
        reviewers.name("u", [(f"s{number}", "r")])
    assert len(reviewers.reviewers["u"].turned) == MAX_TURNED
    assert reviewers.turned_by("s59") == {}
    assert reviewers.turned_by("s60") == {"u": {"r"}}
    longest = "x" * 128
    reviewers.name("w", [(longest, f"{number:128}") for number in range(MAX_TURNED)])
    assert len(reviewers.row("w") or b"") < 300_000
