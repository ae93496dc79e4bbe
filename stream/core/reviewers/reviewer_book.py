"""The reviewers of all tasks, in the aggregator's task: who turns a large part of its critical reviews.

Invariant: what a day changes depends on its reports and not on their order. A reviewer with flips on MIN_FLIPS days is
watched: all tasks then count its critical reviews. It is evaluated once all of them have, or after a month, on the days
with a report about it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from stream.core.baseline.market_totals import MarketTotals
from stream.core.evidence.flip_share import MIN_FLIPS
from stream.core.messages.conclusions import CONCLUSION_DELAY_DAYS, Conclusion, WatchedReviewer
from stream.core.messages.reports import DayReport, ReviewerReport
from stream.core.model.decisions import VerdictDecision
from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.model.strata import DAY, end_of_day
from stream.core.reviewers.reviewer_history import ReviewerHistory

#: The most reviewers with flips on one day, of which the oldest go; and the most that are watched.
MAX_SINGLE: Final = 100_000
MAX_WATCHED: Final = 20_000
#: How long the watch waits for tasks that have no events, from when the others have counted.
_PATIENCE_DAYS: Final = 30

#: Reports a named reviewer at the end of a day (days since 1970-01-01).
ReportReviewer = Callable[[ReviewerHistory, MarketTotals, int], None]


class ReviewerBook:
    """All reviewers.

    Args:
        is_on: Whether reviewers are watched; without it a verdict names nobody.
        reporters: The number of tasks.
        report: Called for each named reviewer on the days with a report about it.
        log_threshold: ln of the odds at which a reviewer is named.

    Attributes:
        histories: By reviewer.
        changed: Names of the rows that have changed since they were last written.
    """

    def __init__(self, is_on: bool, reporters: int, report: ReportReviewer, log_threshold: float) -> None:
        self._is_on = is_on
        self.histories: dict[str, ReviewerHistory] = {}
        self.changed: set[str] = set()
        #: Those that are not watched, the oldest first; derived.
        self._single: dict[str, None] = {}
        self._reporters = reporters
        self._report = report
        self._log_threshold = log_threshold

    def add_day(self, day: int, reports: Iterable[DayReport], market: MarketTotals, conclusion: Conclusion) -> None:
        """Add the reports of a day, sorted by row name, and evaluate those that they are about.

        Args:
            day: Days since 1970-01-01.
            reports: Of all tasks.
            market: With the sums of the day.
            conclusion: Gets the watched and the named reviewers.
        """
        by_reviewer: defaultdict[str, dict[int, ReviewerReport]] = defaultdict(dict)
        for report in reports:
            for one in report.reviewers:
                by_reviewer[one.reviewer_id][report.reporter] = one
        for reviewer_id, its in sorted(by_reviewer.items()):
            history = self._get_or_add(reviewer_id)
            flips, was_named = history.add(its, day), history.is_named
            self.changed.add(reviewer_id)
            if history.watched_on is None:
                self._watch(history, day, conclusion)
            elif self._is_counted(history, day):
                self._evaluate(history, market, day)
            if history.is_named != was_named:
                conclusion.reviewers.append(history.named(day, history.latest))
            elif history.is_named and flips:
                conclusion.reviewers.append(history.named(day, flips))
        self._drop_single()

    def _get_or_add(self, reviewer_id: str) -> ReviewerHistory:
        history = self.histories.get(reviewer_id)
        if history is None:
            history = ReviewerHistory(version=ROW_VERSION, reviewer_id=reviewer_id)
            self.histories[reviewer_id] = history
            self._single[reviewer_id] = None
        return history

    def _watch(self, history: ReviewerHistory, day: int, conclusion: Conclusion) -> None:
        """Begin to watch a reviewer with flips on enough days."""
        watched = len(self.histories) - len(self._single)
        if history.flip_days >= MIN_FLIPS and watched < MAX_WATCHED:
            self._begin_watch(history, day, conclusion)

    def _begin_watch(self, history: ReviewerHistory, day: int, conclusion: Conclusion) -> None:
        history.watched_on = day
        del self._single[history.reviewer_id]
        conclusion.watched.append(WatchedReviewer(day, history.reviewer_id, is_watched=True))

    def _is_counted(self, history: ReviewerHistory, day: int) -> bool:
        """Return whether the tasks have counted a watched reviewer's critical reviews."""
        if len(history.critical) == self._reporters:
            return True
        since = (history.watched_on or 0) + CONCLUSION_DELAY_DAYS + _PATIENCE_DAYS
        return bool(history.critical) and day >= since

    def _evaluate(self, history: ReviewerHistory, market: MarketTotals, day: int) -> None:
        """Evaluate a watched reviewer; one that is named stays so until its odds are less than even."""
        log_odds = history.evaluate(market.flip_share())
        if history.is_named:
            history.is_named = history.confirmed or log_odds >= 0
        else:
            history.is_named = log_odds >= self._log_threshold and end_of_day(day) >= history.muted_until
        if log_odds >= self._log_threshold and history.is_named:
            self._report(history, market, day)

    def _drop_single(self) -> None:
        while len(self._single) > MAX_SINGLE:
            self._drop(next(iter(self._single)))

    def decide(self, decision: VerdictDecision, day: int, conclusion: Conclusion) -> None:
        """Apply a verdict on a reviewer that came into force on a day.

        A confirmed reviewer is watched and named although nothing was kept of it any more.
        """
        if decision.subject_id not in self.histories:
            if not self._is_on or decision.verdict != "confirmed":
                return
            self._get_or_add(decision.subject_id).last_day = day
        history = self.histories[decision.subject_id]
        if decision.verdict == "confirmed" and history.watched_on is None:  # else it could be dropped and stay named
            self._begin_watch(history, day, conclusion)
        was_named = history.is_named
        history.decide(decision)
        self.changed.add(history.reviewer_id)
        if history.is_named != was_named:
            conclusion.reviewers.append(history.named(day, history.latest))

    def drop_inactive(self, horizon: float, day: int, conclusion: Conclusion) -> None:
        """Drop reviewers without a flip since `horizon` (epoch seconds), on a day."""
        last_day = horizon / DAY - 1
        for name in [name for name, history in self.histories.items() if history.last_day < last_day]:
            history = self.histories[name]
            if history.watched_on is not None:
                conclusion.watched.append(WatchedReviewer(day, name, is_watched=False))
            if history.is_named:
                history.is_named = False
                conclusion.reviewers.append(history.named(day, []))
            self._drop(name)

    def forget(self, reviewer_id: str) -> None:
        """Erase a reviewer. Each task erases it by itself."""
        if reviewer_id in self.histories:
            self._drop(reviewer_id)

    def _drop(self, name: str) -> None:
        del self.histories[name]
        self._single.pop(name, None)
        self.changed.add(name)

    def row(self, name: str) -> bytes | None:
        """Return the state row of a reviewer; None if it was dropped."""
        history = self.histories.get(name)
        return None if history is None else encode(history)

    def load(self, name: str, value: bytes) -> None:
        """Restore a reviewer from its state row."""
        self.histories[name] = decode(value, ReviewerHistory)

    def finish_load(self) -> None:
        """Derive what is not stored, after all rows are loaded."""
        single = sorted((one.last_day, name) for name, one in self.histories.items() if one.watched_on is None)
        self._single = {name: None for _, name in single}
