"""The watch on reviewers at the end of days: who is watched and named, and what verdicts and erasure change."""

from __future__ import annotations

import math
import random

import pytest

from stream.contract.events import Verdict
from stream.core.baseline.market_totals import MarketTotals
from stream.core.messages.conclusions import Conclusion, NamedReviewer
from stream.core.messages.reports import DayReport, ReportedFlip, ReviewerReport
from stream.core.model.decisions import VerdictDecision
from stream.core.model.encoding import encode
from stream.core.model.flips import Flip
from stream.core.model.strata import DAY, FOLLOW_UP_SECONDS
from stream.core.reviewers import reviewer_book
from stream.core.reviewers.reviewer_book import ReviewerBook
from stream.core.reviewers.reviewer_history import ReviewerHistory

MARKET = MarketTotals(flips=100, written=1000)
REPORTERS = 2


def finding(day: int, number: int, seller_id: str) -> ReportedFlip:
    at = (day + (number + 1) / 100) * DAY
    flip = Flip(
        at, at - DAY, f"r{day}/{number}/{seller_id}", "p", 3.0, False, False, None, 4, (), False, 2, 5, None, None, None
    )  # fmt: skip
    return ReportedFlip(seller_id, f"{seller_id}/{day}/{number}", None, flip)


def report(day: int, flips: int = 1, reporter: int = 0, critical: int | None = None, name: str = "u") -> DayReport:
    latest = [finding(day, number, f"s{reporter}{number}") for number in range(flips)]
    reviewers = [ReviewerReport(name, flips, latest, critical)]
    return DayReport(reporter=reporter, day=day, through=day, reviewers=reviewers)


class Book:
    """A reviewer book that records what it reports."""

    def __init__(self) -> None:
        self.reported: list[tuple[str, int]] = []
        self.book = ReviewerBook(True, REPORTERS, self._report, math.log(33))

    def _report(self, history: ReviewerHistory, _market: MarketTotals, day: int) -> None:
        self.reported.append((history.reviewer_id, day))

    def day(self, day: int, *reports: DayReport) -> Conclusion:
        conclusion = Conclusion(day=day, accused=[], withdrawn=[])
        self.book.add_day(day, reports, MARKET, conclusion)
        return conclusion

    def decide(self, day: int, verdict: Verdict, muted_until: float = 0.0) -> Conclusion:
        conclusion = Conclusion(day=day, accused=[], withdrawn=[])
        self.book.decide(VerdictDecision(day * DAY, "u", verdict, muted_until), day, conclusion)
        return conclusion


def named() -> Book:
    """A book that has named a reviewer with six flips of six reviews in one task, and two open ones in the other."""
    book = Book()
    for day in range(6):
        book.day(day, report(day))
    book.day(40, report(40, 0, 0, critical=0), report(40, 0, 1, critical=2))
    return book


def test_a_reviewer_is_watched_from_its_second_day_with_a_flip_on() -> None:
    book = Book()
    assert book.day(1, report(1, flips=9), report(1, flips=9, reporter=1)).watched == []
    (watched,) = book.day(2, report(2)).watched
    assert (watched.reviewer_id, watched.day, watched.is_watched) == ("u", 2, True)
    assert book.day(3, report(3)).watched == []


def test_a_reviewer_is_evaluated_once_all_tasks_have_counted_its_reviews() -> None:
    book = Book()
    for day in range(9):
        book.day(day, report(day))
    book.day(40, report(40, 0, 0, critical=0))
    assert book.reported == []
    conclusion = book.day(41, report(41, 0, 1, critical=1))
    assert book.reported == [("u", 41)]
    assert [len(one.reviews) for one in conclusion.reviewers] == [9]


def test_a_task_without_events_is_waited_for_a_month() -> None:
    book = Book()
    for day in range(9):
        book.day(day, report(day))
    book.day(40, report(40, 0, 0, critical=1))
    book.day(60, report(60, 0, 0, critical=2))
    assert book.reported == []
    book.day(61, report(61, 0, 0, critical=3))
    assert book.reported == [("u", 61)]


def test_many_open_reviews_are_an_answer() -> None:
    book = Book()
    for day in range(6):
        book.day(day, report(day))
    book.day(40, report(40, 0, 0, critical=10), report(40, 0, 1, critical=30))
    assert book.reported == []
    history = book.book.histories["u"]
    assert history.reviews == 46
    assert history.log_odds is not None and history.log_odds < 0


def test_a_flip_during_the_watch_is_not_counted_twice() -> None:
    book = Book()
    for day in range(2):
        book.day(day, report(day))
    book.day(40, report(40, 0, 0, critical=3), report(40, 0, 1, critical=0))
    book.day(41, report(41, 1, 0, critical=3))
    assert book.book.histories["u"].reviews == 5
    book.day(42, report(42, 0, 0, critical=4))  # a new review
    assert book.book.histories["u"].reviews == 6


def test_all_flips_of_a_day_are_one_decision() -> None:
    book = Book()
    book.day(0, report(0, flips=20), report(0, flips=20, reporter=1))  # an account is closed
    book.day(1, report(1, flips=20))
    book.day(40, report(40, 0, 0, critical=0), report(40, 0, 1, critical=0))
    assert book.book.histories["u"].flip_days == 2
    assert book.book.histories["u"].reviews == 60
    assert book.reported == []


def test_the_order_of_reports_has_no_effect() -> None:
    rows = set()
    for seed in range(5):
        book = Book()
        for day in range(8):
            reports = [report(day, 2, task, name=name) for name in "uvw" for task in range(REPORTERS)]
            random.Random(seed).shuffle(reports)
            book.day(day, *reports)
        rows.add(b"".join(encode(one) for _, one in sorted(book.book.histories.items())))
    assert len(rows) == 1


def test_a_named_reviewer_stays_named_until_its_odds_are_less_than_even() -> None:
    book = named()
    assert book.reported == [("u", 40)]
    assert book.day(41, report(41, 0, 0, critical=4)).reviewers == []  # tasks know its reviews
    assert 0 <= (book.book.histories["u"].log_odds or -1) < math.log(33)
    assert book.day(42, report(42, 0, 0, critical=40)).reviewers == [NamedReviewer(42, "u", False, [])]
    assert book.day(43, report(43, 0, 0, critical=41)).reviewers == []


@pytest.mark.parametrize("verdict", ["explained", "dismissed"])
def test_after_a_verdict_that_clears_it_only_new_flips_count(verdict: Verdict) -> None:
    book = named()
    assert book.decide(45, verdict).reviewers == [NamedReviewer(45, "u", False, [])]
    assert book.day(46, report(46, 1, 0, critical=1)).reviewers == []
    history = book.book.histories["u"]
    assert (history.flip_days, history.reviews, history.log_odds) == (1, 3, None)
    for day in range(47, 54):
        book.day(day, report(day, 1, 0, critical=day - 45))
    assert book.reported[-1][1] > 50
    assert len(history.latest) == 8


def test_a_muted_reviewer_is_not_named() -> None:
    book = named()
    book.decide(45, "dismissed", muted_until=100 * DAY)
    for day in range(46, 56):
        assert book.day(day, report(day, 1, 0, critical=day - 45)).reviewers == []
    assert book.reported == [("u", 40)]
    book.day(100, report(100, 1, 0, critical=11))
    assert book.reported[-1] == ("u", 100)


def test_a_confirmed_reviewer_stays_named() -> None:
    book = named()
    assert book.decide(45, "confirmed").reviewers == []
    assert book.day(46, report(46, 0, 0, critical=300)).reviewers == []
    (one,) = book.day(46, report(46, 2, 0, critical=300)).reviewers  # what is new
    assert (one.is_named, len(one.reviews)) == (True, 2)
    assert book.decide(47, "explained").reviewers == [NamedReviewer(47, "u", False, [])]


def test_a_reviewer_of_whom_nothing_is_kept_is_named_once_it_is_confirmed() -> None:
    book = Book()
    assert book.decide(45, "dismissed").reviewers == []
    decided = book.decide(45, "confirmed")
    assert decided.reviewers == [NamedReviewer(45, "u", True, [])]
    assert [one.reviewer_id for one in decided.watched] == ["u"]  # so it is not dropped as one with a single flip
    conclusion = Conclusion(day=46, accused=[], withdrawn=[])
    book.book.drop_inactive(45 * DAY, 46, conclusion)
    assert conclusion.reviewers == []
    (one,) = book.day(46, report(46, 1, 0)).reviewers
    assert (one.is_named, len(one.reviews)) == (True, 1)
    off = ReviewerBook(False, 1, lambda *_: None, 0.0)
    off.decide(VerdictDecision(45 * DAY, "u", "confirmed", 0.0), 45, conclusion)
    assert off.histories == {}


def test_an_inconclusive_verdict_changes_nothing() -> None:
    book = named()
    before = encode(book.book.histories["u"])
    assert book.decide(45, "inconclusive").reviewers == []
    assert encode(book.book.histories["u"]) == before


def test_inactive_reviewers_are_dropped_and_no_longer_watched_or_named() -> None:
    book = named()
    book.day(10, report(10, name="single"))
    conclusion = Conclusion(day=900, accused=[], withdrawn=[])
    book.book.drop_inactive(900 * DAY - FOLLOW_UP_SECONDS, 900, conclusion)
    assert book.book.histories == {}
    assert [(one.reviewer_id, one.is_watched) for one in conclusion.watched] == [("u", False)]
    assert conclusion.reviewers == [NamedReviewer(900, "u", False, [])]
    assert book.book.changed == {"u", "single"}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    if not reviewer_book.__file__.endswith(".py"):
        pytest.skip("the compiled core holds the bounds as constants")
    monkeypatch.setattr(reviewer_book, "MAX_SINGLE", 3)
    monkeypatch.setattr(reviewer_book, "MAX_WATCHED", 2)
    book = Book()
    for day in range(6):
        book.day(day, report(day, name=f"single {day}"))
    assert sorted(book.book.histories) == ["single 3", "single 4", "single 5"]
    restored = ReviewerBook(True, REPORTERS, lambda *_: None, 0.0)
    for name in sorted(book.book.histories, reverse=True):
        row = book.book.row(name)
        assert row is not None
        restored.load(name, row)
    restored.finish_load()
    for name in ("single 3", "single 4", "single 5"):
        conclusion = Conclusion(day=7, accused=[], withdrawn=[])
        restored.add_day(7, [report(7, name=name)], MARKET, conclusion)
    assert sum(one.watched_on is not None for one in restored.histories.values()) == 2


def test_an_erased_reviewer_leaves_nothing() -> None:
    book = named()
    book.book.changed.clear()
    book.book.forget("u")
    assert book.book.histories == {}
    assert book.book.changed == {"u"}
    assert book.book.row("u") is None
