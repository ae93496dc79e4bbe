"""The aggregator of evidence over tasks: it collects whole days of reports, and evaluates staff and rings.

Invariant: a day is concluded once every task has reported all of it (or announced that it is idle), and days are
concluded in order. So the outcome depends on the reports and not on their order of arrival. A report of a day that is
concluded already counts in the next conclusion.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final

import msgspec

from stream.contract.events import CaseEvent
from stream.core.baseline.day_sums import forward_decay_weight
from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.model.strata import DAY, FOLLOW_UP_SECONDS
from stream.core.model.sums import total
from stream.core.staff.connectors import Connector, LookedUp
from stream.core.staff.decisions import HeldCaseEvent, StaffDecision, apply_decision
from stream.core.staff.history import StaffHistory
from stream.core.staff.market_totals import MarketTotals
from stream.core.staff.messages import Conclusion, DayReport, DayRequest, StaffFinding, StaffReport
from stream.core.staff.ring_book import RingBook
from stream.core.staff.watches import STAFF_WATCHES, lookups_prior

#: Inactive staff are dropped once in this many days of event time.
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
    #: Events of the cases of staff, of days that are not concluded.
    held: list[HeldCaseEvent] = msgspec.field(default_factory=list)

    def complete_through(self, reporters: int) -> int | None:
        """Return the last day that every reporter has reported; None while one of them has not reported yet."""
        return min(self.reported_through.values()) if len(self.reported_through) == reporters else None


class UnconcludedRow(msgspec.Struct, array_like=True, gc=False):
    """The state row of a report whose day is not concluded."""

    version: int
    message: DayReport


#: Evaluates one staff member at the end of a day: the history, the market, the day, and the numbers of the watches
#: that have new evidence.
EvaluateStaff = Callable[[StaffHistory, MarketTotals, int, list[int]], None]
#: Applies an event to a staff member's case; returns the decision if a verdict came into force.
DecideStaff = Callable[[CaseEvent], StaffDecision | None]


class StaffAggregator:
    """Reports until their day is concluded, and the histories of staff.

    Args:
        reporters: The number of tasks.
        evaluate: Called at the end of each day for each staff member with a new flip or removal of a critical review.
        decide: Called with each event of a staff member's case, in order of days.
        close: Closes the cases of staff and rings whose time for an appeal is over, at a time in epoch seconds.
        rings: The rings of all tasks' sellers.

    Attributes:
        progress: How far reports and conclusions have come.
        histories: By staff member.
        unconcluded: Reports of days that are not concluded, by the name of their state row.
        changed_unconcluded, changed_histories: Names of the rows that have changed since they were last written.
    """

    def __init__(
        self,
        reporters: int,
        evaluate: EvaluateStaff,
        decide: DecideStaff,
        close: Callable[[float], None],
        rings: RingBook,
    ) -> None:
        self.progress = Progress(version=ROW_VERSION)
        self.rings = rings
        rings.findings_of = self._findings_of
        self.histories: dict[str, StaffHistory] = {}
        self.unconcluded: dict[str, DayReport] = {}
        self.changed_unconcluded: set[str] = set()
        self.changed_histories: set[str] = set()
        #: The day that each reporter was last asked for. After a restart the aggregator may ask again.
        self._requested: dict[int, int] = {}
        self._reporters = reporters
        self._evaluate = evaluate
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
                self._apply_to_ring(decision, decided_on, conclusion)
            elif (history := self.histories.get(decision.subject_id)) is not None:  # else inactive for two years
                self._apply_to_staff(history, decision, decided_on, conclusion)
        self._close(day * DAY)

    def _apply_to_ring(self, decision: StaffDecision, decided_on: int, conclusion: Conclusion) -> None:
        """Apply a verdict on a ring; staff that only the ring accuses are accused no more if it is cleared."""
        for connector in self.rings.connectors_of(decision.subject_id) if decision.clears else ():
            history = self.histories.get(connector.connector_id) if connector.type == "staff" else None
            if history is not None and history.announced and not _is_accused(history):
                history.announced = []
                self.changed_histories.add(history.actor_id)
                conclusion.withdrawn.append((decided_on, history.actor_id))
        conclusion.rings += self.rings.decide(decision, decided_on)

    def _apply_to_staff(
        self, history: StaffHistory, decision: StaffDecision, decided_on: int, conclusion: Conclusion
    ) -> None:
        """Apply a verdict on a staff member; add to the accusations and withdrawals."""
        apply_decision(history, decision)
        self.changed_histories.add(history.actor_id)
        if history.confirmed and not history.announced and history.flips.latest:
            _announce(history, decided_on, conclusion)
        elif decision.clears:
            if history.announced:
                history.announced = []
                conclusion.withdrawn.append((decided_on, history.actor_id))
            conclusion.rings += self.rings.clear_staff(decision, decided_on)

    def _reach_day(self, day: int, conclusion: Conclusion) -> None:
        """Note that a day is concluded; in a new month, drop the histories of inactive staff.

        By the month and not by the day, because the number of days that are concluded at once depends on when reports
        arrive.
        """
        concluded_through = self.progress.concluded_through
        if concluded_through is not None and day <= concluded_through:
            return
        month = day // _MONTH_DAYS
        if concluded_through is not None and month > concluded_through // _MONTH_DAYS:
            horizon = month * _MONTH_DAYS * DAY - FOLLOW_UP_SECONDS
            self._drop_inactive(horizon)
            conclusion.rings += self.rings.drop_inactive(horizon, day)
        self.progress.concluded_through = day

    def _conclude_day(self, day: int, day_reports: list[DayReport], conclusion: Conclusion) -> None:
        """Conclude one day. The reports are sorted by row name, so their order of arrival has no effect."""
        market, day_weight = self.progress.market, forward_decay_weight(day)
        staff: defaultdict[str, list[StaffReport]] = defaultdict(list)
        for day_report in day_reports:
            market.add(day_report.sums, day_weight)
            for report in day_report.staff:
                staff[report.actor_id].append(report)
        evaluated_on = max(day, self.progress.concluded_through or day)
        for actor_id, reports in sorted(staff.items()):
            history = self._add_reports(actor_id, reports, day_weight)
            watches = [n for n, watch in enumerate(STAFF_WATCHES) if any(watch.count(report) for report in reports)]
            self._evaluate(history, market, evaluated_on, watches)
            if _is_accused(history) and history.announced != [history.main_seller()]:
                _announce(history, day, conclusion)
        self._evaluate_rings(day_reports, evaluated_on, conclusion)

    def _evaluate_rings(self, day_reports: list[DayReport], day: int, conclusion: Conclusion) -> None:
        """Evaluate the connectors that a day's reports are about; add to the conclusion's rings."""
        for connector in self.rings.add_day(day, day_reports):
            if connector.type == "link":
                conclusion.rings += self.rings.evaluate(connector, day)
                continue
            history = self.histories[connector.connector_id]
            ratio, flips = lookups_prior(history, self.progress.market, day).looked_up_ratio, history.flips
            looked_up = LookedUp(
                ratio,
                flips.count,
                max(flips.expected, flips.expected_long_run),
                self.rings.sellers,
                _is_accused(history),
            )
            conclusion.rings += self.rings.evaluate(connector, day, looked_up)
            if connector.ties_clients and not history.announced:
                _announce(history, day, conclusion)

    def _add_reports(self, actor_id: str, reports: list[StaffReport], day_weight: float) -> StaffHistory:
        """Add one day's reports about a staff member to the member's history."""
        first_seen = min(report.first_seen for report in reports)
        history = self.histories.get(actor_id)
        if history is None:
            history = self.histories[actor_id] = StaffHistory(
                version=ROW_VERSION, actor_id=actor_id, first_seen=first_seen, log_odds=[None for _ in STAFF_WATCHES]
            )
        self.changed_histories.add(actor_id)
        history.first_seen = min(first_seen, history.first_seen)
        for report in reports:
            history.looked_up_flips += report.looked_up_flips
            history.looked_up_expected += report.looked_up_expected
            history.removed += day_weight * report.removed
            history.critical += day_weight * report.critical
            # A report lists the latest findings of a day and only counts the ones before them.
            history.flips.count += report.flips - len(report.latest)
            history.flips.retracted += report.retracted - len([one for one in report.latest if one.flip.retracted])
            history.removals.count += report.critical - len(report.latest_removed)
        since = history.evaluated_since()
        history.flips.add(_in_order(report.latest for report in reports), since, one_window=False)
        history.removals.add(_in_order(report.latest_removed for report in reports), since, one_window=True)
        history.flips.expected += total(report.expected for report in reports)
        history.flips.expected_long_run += total(report.expected_long_run for report in reports)
        removed = total(report.removed for report in reports)
        if removed:
            history.removals.expected += removed * self.progress.market.critical_share(history, day_weight)
            history.removals.expected_long_run = history.removals.expected
        return history

    def _findings_of(self, connector: Connector) -> list[StaffFinding]:
        """Return the latest flips that a connector ties."""
        history = self.histories.get(connector.connector_id) if connector.type == "staff" else None
        return connector.latest if history is None else history.flips.latest

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

    def history_row(self, name: str) -> bytes | None:
        """Return the state row of a staff member; None if the history was dropped."""
        history = self.histories.get(name)
        return None if history is None else encode(history)

    def load_history(self, name: str, value: bytes) -> None:
        """Restore a staff member's history from its state row."""
        self.histories[name] = decode(value, StaffHistory)

    def _drop_inactive(self, horizon: float) -> None:
        """Drop staff without a finding since `horizon` (epoch seconds): the bound on this class's memory."""
        for name in [name for name, history in self.histories.items() if history.last_active_at() < horizon]:
            del self.histories[name]
            self.changed_histories.add(name)


def _is_accused(history: StaffHistory) -> bool:
    """Return whether a staff member is accused of flips of looked-up reviews, by a watch of its own or by a verdict."""
    return history.confirmed or any(
        watch.names_clients and history.alerted_at.get(watch.kind, -math.inf) >= history.evaluated_since()
        for watch in STAFF_WATCHES
    )


def _announce(history: StaffHistory, day: int, conclusion: Conclusion) -> None:
    """Add an accusation of a day, with its main seller, to a conclusion."""
    history.announced = [main_seller := history.main_seller()]
    conclusion.accused.append((day, history.actor_id, main_seller))


def _in_order(findings: Iterable[list[StaffFinding]]) -> list[StaffFinding]:
    """Return the findings of several reports in order of time and event."""
    return sorted(chain.from_iterable(findings), key=lambda finding: (finding.flip.at, finding.event_id))
