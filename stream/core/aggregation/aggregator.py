"""The aggregator of evidence over tasks: it collects whole days of reports, and lets its books conclude them.

Invariant: a day is concluded once every task has reported all of it (or announced that it is idle), and days are
concluded in order. So the outcome depends on the reports and not on their order of arrival. A report of a day that is
concluded already counts in the next conclusion.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from stream.contract.events import CaseEvent
from stream.core.baseline.day_sums import forward_decay_weight
from stream.core.baseline.market_totals import MarketTotals
from stream.core.messages.conclusions import Conclusion
from stream.core.messages.reports import DayReport
from stream.core.messages.wire import DayRequest
from stream.core.model.decisions import HeldCaseEvent, VerdictDecision
from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.model.strata import DAY, FOLLOW_UP_SECONDS
from stream.core.reviewers.reviewer_book import ReviewerBook
from stream.core.rings.connector_book import ConnectorBook
from stream.core.rings.ring_book import RingBook
from stream.core.staff.staff_book import StaffBook

#: What is inactive is dropped once in this many days of event time.
_MONTH_DAYS: Final = 30


_PROGRESS_NAMES: Final = {"reported_through": "through", "concluded_through": "judged", "held": "decisions"}


class Progress(msgspec.Struct, kw_only=True, rename=_PROGRESS_NAMES):
    """How far each reporter has reported, and how far this aggregator has concluded."""

    version: int
    #: The last day that each task has reported, by the task's number.
    reported_through: dict[int, int] = msgspec.field(default_factory=dict)
    #: The last concluded day; None before the first.
    concluded_through: int | None = None
    #: Sums over all concluded days of all tasks.
    market: MarketTotals = msgspec.field(default_factory=MarketTotals)
    #: Events of the cases of staff, rings and reviewers, of days that are not concluded.
    held: list[HeldCaseEvent] = msgspec.field(default_factory=list)

    def complete_through(self, reporters: int) -> int | None:
        """Return the last day that every reporter has reported; None while one of them has not reported yet."""
        return min(self.reported_through.values()) if len(self.reported_through) == reporters else None


class UnconcludedRow(msgspec.Struct, array_like=True, gc=False):
    """The state row of a report whose day is not concluded."""

    version: int
    message: DayReport


#: Applies an event to a case; returns the decision if a verdict came into force.
DecideCase = Callable[[CaseEvent], VerdictDecision | None]


class Books(NamedTuple):
    """What the aggregator evaluates at the end of a day."""

    staff: StaffBook
    connectors: ConnectorBook
    rings: RingBook
    reviewers: ReviewerBook


class Aggregator:
    """Reports until their day is concluded, and the books that conclude them.

    Args:
        reporters: The number of tasks.
        books: What is evaluated.
        decide: Called with each event of a case of the books' subjects, in order of days.
        close: Closes the cases of these subjects whose time for an appeal is over, at a time in epoch seconds.

    Attributes:
        progress: How far reports and conclusions have come.
        unconcluded: Reports of days that are not concluded, by the name of their state row.
        changed_unconcluded: Names of the rows that have changed since they were last written.
    """

    def __init__(self, reporters: int, books: Books, decide: DecideCase, close: Callable[[float], None]) -> None:
        self.progress = Progress(version=ROW_VERSION)
        self.staff, self.connectors, self.rings, self.reviewers = books
        self.rings.findings_of = self.staff.findings_of
        self.unconcluded: dict[str, DayReport] = {}
        self.changed_unconcluded: set[str] = set()
        #: The day that each reporter was last asked for. After a restart the aggregator may ask again.
        self._requested: dict[int, int] = {}
        self._reporters = reporters
        self._decide = decide
        self._close = close

    def on_report(self, report: DayReport) -> Conclusion | None:
        """Take a report.

        Returns:
            The conclusion, if the report completes a day.
        """
        progress = self.progress
        if not report.is_empty:
            name = f"{report.day}/{report.reporter}/{report.part}"
            self.unconcluded[name] = report
            self.changed_unconcluded.add(name)
        # Sorted, so that the state row does not depend on the order of arrival.
        progress.reported_through = dict(sorted({**progress.reported_through, report.reporter: report.through}.items()))
        complete_through = progress.complete_through(self._reporters)
        if complete_through is None or (
            progress.concluded_through is not None and complete_through <= progress.concluded_through
        ):
            return None
        return self._conclude_through(complete_through)

    def on_case_event(self, held: HeldCaseEvent) -> None:
        """Take an event of a staff member's case; it counts once its day is concluded.

        One task sends all events of a staff member, so they stay in their order; that of others has no effect.
        """
        self.progress.held = sorted([*self.progress.held, held], key=lambda one: (one.day, one.event.subject.id))

    def requests(self) -> list[DayRequest]:
        """Return requests to the tasks that others are ahead of, each once for a day: an idle task then reports it."""
        reported = self.progress.reported_through
        furthest = max(reported.values(), default=-1)
        behind = [
            reporter
            for reporter in range(self._reporters)
            if max(reported.get(reporter, -1), self._requested.get(reporter, -1)) < furthest
        ]
        self._requested.update(dict.fromkeys(behind, furthest))
        return [DayRequest(reporter=reporter, day=furthest) for reporter in behind]

    def _conclude_through(self, complete_through: int) -> Conclusion:
        """Conclude all reported days up to a day in order."""
        conclusion = Conclusion(day=complete_through, accused=[], withdrawn=[], rings=[])
        days: defaultdict[int, list[str]] = defaultdict(list)
        for name, report in self.unconcluded.items():
            if report.day <= complete_through:
                days[report.day].append(name)
        for day in sorted(days):
            self._decide_through(day, conclusion)
            self._reach_day(day, conclusion)
            day_reports = [self.unconcluded.pop(name) for name in sorted(days[day])]
            self.changed_unconcluded.update(days[day])
            self._conclude_day(day, day_reports, conclusion)
        self._decide_through(complete_through, conclusion)
        self._reach_day(complete_through, conclusion)
        return conclusion

    def _decide_through(self, day: int, conclusion: Conclusion) -> None:
        """Apply the events of cases up to the end of a day; add to the conclusion."""
        held = self.progress.held
        while held and held[0].day <= day:
            decided_on, event = held[0].day, held.pop(0).event
            self._close(decided_on * DAY)
            decision = self._decide(event)
            if decision is None:  # no verdict in force
                continue
            if event.subject.type == "ring":
                for connector in self.connectors.connectors_of(decision.subject_id) if decision.clears else ():
                    self.staff.clear_of_ring(connector, decided_on, conclusion)
                conclusion.rings += self.rings.decide(decision, decided_on)
            elif event.subject.type == "reviewer":
                self.reviewers.decide(decision, decided_on, conclusion)
            elif self.staff.decide(decision, decided_on, conclusion) and decision.clears:
                conclusion.rings += self.rings.clear_staff(decision, decided_on)
        self._close(day * DAY)

    def _reach_day(self, day: int, conclusion: Conclusion) -> None:
        """Note that a day is concluded; in a new month, drop what is inactive.

        By the month and not by the day, because the number of days that are concluded at once depends on when reports
        arrive.
        """
        concluded_through = self.progress.concluded_through
        if concluded_through is not None and day <= concluded_through:
            return
        month = day // _MONTH_DAYS
        if concluded_through is not None and month > concluded_through // _MONTH_DAYS:
            horizon = month * _MONTH_DAYS * DAY - FOLLOW_UP_SECONDS
            self.staff.drop_inactive(horizon)
            conclusion.rings += self.rings.drop_inactive(horizon, day)
            self.reviewers.drop_inactive(horizon, day, conclusion)
        self.progress.concluded_through = day

    def _conclude_day(self, day: int, day_reports: list[DayReport], conclusion: Conclusion) -> None:
        """Conclude one day. The reports are sorted by row name, so their order of arrival has no effect."""
        market, day_weight = self.progress.market, forward_decay_weight(day)
        for day_report in day_reports:
            market.add(day_report.sums, day_weight)
        evaluated_on = max(day, self.progress.concluded_through or day)
        self.staff.add_day(day, evaluated_on, day_weight, day_reports, market, conclusion)
        self._evaluate_rings(day_reports, evaluated_on, conclusion)
        self.reviewers.add_day(evaluated_on, day_reports, market, conclusion)

    def _evaluate_rings(self, day_reports: list[DayReport], day: int, conclusion: Conclusion) -> None:
        """Evaluate the connectors that a day's reports are about; add to the conclusion's rings."""
        connectors = self.connectors.add_day(day, day_reports)
        for connector in connectors:
            if connector.type == "link":
                self.connectors.evaluate(connector, day)
                continue
            looked_up = self.staff.looked_up(connector, self.progress.market, day, self.connectors.sellers)
            self.connectors.evaluate(connector, day, looked_up)
            if connector.ties_clients:
                self.staff.accuse_for_ring(connector, day, conclusion)
        conclusion.rings += self.rings.update(connectors, day)

    def forget_reviewer(self, reviewer_id: str) -> None:
        """Erase a reviewer, also in reports and events of cases whose day is not concluded."""
        self.reviewers.forget(reviewer_id)
        held, erased = self.progress.held, ("reviewer", reviewer_id)
        self.progress.held = [one for one in held if (one.event.subject.type, one.event.subject.id) != erased]
        self._erase_from_reports(lambda name: name == reviewer_id)

    def forget_reviewers(self) -> None:
        """Erase all reviewers, also in reports whose day is not concluded; their cases stay, and events of these."""
        for reviewer_id in list(self.reviewers.histories):
            self.reviewers.forget(reviewer_id)
        self._erase_from_reports(lambda _: True)

    def _erase_from_reports(self, is_erased: Callable[[str], bool]) -> None:
        """Erase reviewers from the reports of days that are not concluded."""
        for name, report in self.unconcluded.items():
            kept = [one for one in report.reviewers if not is_erased(one.reviewer_id)]
            if len(kept) < len(report.reviewers):
                self.unconcluded[name] = msgspec.structs.replace(report, reviewers=kept)
                self.changed_unconcluded.add(name)

    def progress_row(self, _: str) -> bytes:
        """Return the state row of the progress."""
        return encode(self.progress)

    def load_progress(self, _: str, value: bytes) -> None:
        """Restore the progress from its state row."""
        self.progress = decode(value, Progress)

    def unconcluded_row(self, name: str) -> bytes | None:
        """Return the state row of a report; None once its day is concluded."""
        message = self.unconcluded.get(name)
        return None if message is None else encode(UnconcludedRow(ROW_VERSION, message))

    def load_unconcluded(self, name: str, value: bytes) -> None:
        """Restore a report from its state row."""
        self.unconcluded[name] = decode(value, UnconcludedRow).message
