"""The histories of staff over all tasks, in the aggregator's task, and who of them is accused of selling look-ups.

Invariant: what a day changes depends on its reports and not on their order. A staff member is evaluated on the days
with a new flip or removal.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain

from stream.core.baseline.market_totals import MarketTotals
from stream.core.messages.conclusions import Conclusion
from stream.core.messages.reports import DayReport, ReportedFlip, StaffReport
from stream.core.model.decisions import VerdictDecision
from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.model.sums import total
from stream.core.rings.connectors import Connector, LookedUp
from stream.core.rings.seller_totals import SellerTotals
from stream.core.staff.history import StaffHistory
from stream.core.staff.watches import STAFF_WATCHES, lookups_prior

#: Evaluates a staff member at the end of a day: the history, the market, the day, and the numbers of the watches
#: that have new evidence.
EvaluateStaff = Callable[[StaffHistory, MarketTotals, int, list[int]], None]


class StaffBook:
    """All staff.

    Args:
        evaluate: Called at the end of each day for each staff member with a new flip or removal of a critical review.

    Attributes:
        histories: By staff member.
        changed: Names of the rows that have changed since they were last written.
    """

    def __init__(self, evaluate: EvaluateStaff) -> None:
        self.histories: dict[str, StaffHistory] = {}
        self.changed: set[str] = set()
        self._evaluate = evaluate

    def add_day(
        self,
        day: int,
        evaluated_on: int,
        day_weight: float,
        reports: Iterable[DayReport],
        market: MarketTotals,
        conclusion: Conclusion,
    ) -> None:
        """Add the reports of a day, sorted by row name, and evaluate those that they are about.

        Args:
            day: Days since 1970-01-01.
            evaluated_on: The day that the evaluations belong to; later than `day` for reports that came late.
            day_weight: The forward-decay weight of the day.
            reports: Of all tasks.
            market: With the sums of the day.
            conclusion: Gets the accusations.
        """
        staff: defaultdict[str, list[StaffReport]] = defaultdict(list)
        for day_report in reports:
            for report in day_report.staff:
                staff[report.actor_id].append(report)
        for actor_id, its in sorted(staff.items()):
            history = self._add_reports(actor_id, its, day_weight, market)
            watches = [n for n, watch in enumerate(STAFF_WATCHES) if any(watch.count(report) for report in its)]
            self._evaluate(history, market, evaluated_on, watches)
            if _is_accused(history) and history.announced != [history.main_seller()]:
                _announce(history, day, conclusion)

    def looked_up(self, connector: Connector, market: MarketTotals, day: int, sellers: SellerTotals) -> LookedUp:
        """Return what is known of the reviews that staff looked up, for the connector of a staff member."""
        history = self.histories[connector.connector_id]
        ratio, flips = lookups_prior(history, market, day).looked_up_ratio, history.flips
        expected = max(flips.expected, flips.expected_long_run)
        return LookedUp(ratio, flips.count, expected, sellers, _is_accused(history))

    def accuse_for_ring(self, connector: Connector, day: int, conclusion: Conclusion) -> None:
        """Accuse a staff member who ties the clients of a broker, if it is not accused already."""
        history = self.histories[connector.connector_id]
        if not history.announced:
            _announce(history, day, conclusion)

    def clear_of_ring(self, connector: Connector, day: int, conclusion: Conclusion) -> None:
        """Withdraw the accusation of a staff member whom only a ring accuses that a verdict has cleared."""
        history = self.histories.get(connector.connector_id) if connector.type == "staff" else None
        if history is not None and history.announced and not _is_accused(history):
            history.announced = []
            self.changed.add(history.actor_id)
            conclusion.withdrawn.append((day, history.actor_id))

    def decide(self, decision: VerdictDecision, day: int, conclusion: Conclusion) -> bool:
        """Apply a verdict on a staff member that came into force on a day.

        Returns:
            Whether the staff member is known: one without a finding for two years is not.
        """
        history = self.histories.get(decision.subject_id)
        if history is None:
            return False
        history.decide(decision)
        self.changed.add(history.actor_id)
        if history.confirmed and not history.announced and history.flips.latest:
            _announce(history, day, conclusion)
        elif decision.clears and history.announced:
            history.announced = []
            conclusion.withdrawn.append((day, history.actor_id))
        return True

    def findings_of(self, connector: Connector) -> list[ReportedFlip]:
        """Return the latest flips that a connector ties."""
        history = self.histories.get(connector.connector_id) if connector.type == "staff" else None
        return connector.latest if history is None else history.flips.latest

    def drop_inactive(self, horizon: float) -> None:
        """Drop staff without a finding since `horizon` (epoch seconds): the bound on this class's memory."""
        for name in [name for name, history in self.histories.items() if history.last_active_at() < horizon]:
            del self.histories[name]
            self.changed.add(name)

    def row(self, name: str) -> bytes | None:
        """Return the state row of a staff member; None if the history was dropped."""
        history = self.histories.get(name)
        return None if history is None else encode(history)

    def load(self, name: str, value: bytes) -> None:
        """Restore a staff member's history from its state row."""
        self.histories[name] = decode(value, StaffHistory)

    def _add_reports(
        self, actor_id: str, reports: list[StaffReport], day_weight: float, market: MarketTotals
    ) -> StaffHistory:
        """Add one day's reports about a staff member to the member's history."""
        first_seen = min(report.first_seen for report in reports)
        history = self.histories.get(actor_id)
        if history is None:
            history = self.histories[actor_id] = StaffHistory(
                version=ROW_VERSION, actor_id=actor_id, first_seen=first_seen, log_odds=[None for _ in STAFF_WATCHES]
            )
        self.changed.add(actor_id)
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
            history.removals.expected += removed * market.critical_share(history.critical, history.removed, day_weight)
            history.removals.expected_long_run = history.removals.expected
        return history


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


def _in_order(findings: Iterable[list[ReportedFlip]]) -> list[ReportedFlip]:
    """Return the findings of several reports in order of time and event."""
    return sorted(chain.from_iterable(findings), key=lambda finding: (finding.flip.at, finding.event_id))
