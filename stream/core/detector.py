"""The detector of one task: it applies events and messages in order, and gives alerts.

Invariant: the state is a function of the sequence of applied events and messages alone. There is no clock, no
randomness and no batching: time is the latest event time applied, and what is due before an event is applied before it.
"""

from __future__ import annotations

import hashlib
import math

import msgspec

from stream.contract.alerts import Alert
from stream.contract.cases import Case
from stream.contract.events import Event
from stream.core.aggregation.aggregator import Books
from stream.core.alerting import reviewer_alerts, ring_alerts, staff_alerts
from stream.core.alerting.alert_fields import utc
from stream.core.alerting.policy import AlertPolicy
from stream.core.alerting.ring_alerts import fields_of, subject_of
from stream.core.baseline.market_totals import MarketTotals
from stream.core.case_handlers import CaseHandlers
from stream.core.cases.rules import CASE_RULES, CaseRules
from stream.core.event_clock import EventClock
from stream.core.event_handlers import EventHandlers
from stream.core.messages.conclusions import Conclusion, conclusion_parts
from stream.core.messages.reports import DayReport, ReportedFlip
from stream.core.messages.wire import DayRequest, Forget, ForwardedCaseEvent, Message
from stream.core.model.encoding import encode
from stream.core.model.flip_windows import MAX_WINDOWS
from stream.core.model.strata import DAY, end_of_day
from stream.core.reviewers.reviewer_book import ReviewerBook
from stream.core.reviewers.reviewer_history import ReviewerHistory
from stream.core.rings.connector_book import ConnectorBook
from stream.core.rings.ring_book import RingBook
from stream.core.rings.ring_view import RingView
from stream.core.risk_set import RiskSet
from stream.core.staff.history import StaffHistory
from stream.core.staff.staff_book import StaffBook
from stream.core.state import codec
from stream.core.state.deduplication import DeduplicationResult
from stream.core.state.state import State
from stream.core.state.state_rows import StateRows


class Detector:
    """Detection for one task.

    Args:
        budget: False alarms allowed for each 1,000 subjects a year and watch family.
        config_digest: Digest of the settings, which every alert carries.
        number: The task's partition number.
        tasks: The number of tasks, that is of partitions.
        pseudonyms: Fingerprint of the pseudonym key; empty if ids are kept as they are.
        rules: How cases are decided.
        watches_reviewers: Whether ids of reviewers may leave a task, for the watch on those who turn many reviews.

    Attributes:
        state: The state of the task.
        rows: The rows that hold it.
        outbox: Messages to other tasks, in order, since `take_outbox` was last called.
    """

    def __init__(
        self,
        budget: float,
        config_digest: str,
        number: int = 0,
        tasks: int = 1,
        pseudonyms: str = "",
        rules: CaseRules = CASE_RULES,
        watches_reviewers: bool = False,
    ) -> None:
        self._policy = AlertPolicy(budget, config_digest)
        connectors = ConnectorBook(
            {
                "staff": self._policy.log_ring_thresholds["ring.insider"],
                "link": self._policy.log_ring_thresholds["ring.linked"],
            }
        )
        rings = RingBook(connectors, self._report_ring)
        reviewers = ReviewerBook(
            watches_reviewers, tasks, self._report_reviewer, self._policy.log_thresholds["reviewer"]
        )
        books = Books(StaffBook(self._evaluate_staff), connectors, rings, reviewers)
        self.state = State(number, tasks, books, pseudonyms, rules, watches_reviewers)
        self.rows = StateRows(self.state)
        self.outbox: list[Message] = []
        self._risk_set = RiskSet(self.state)
        self._clock = EventClock(self.state, self._risk_set, self.outbox)
        self._cases = CaseHandlers(self.state, self.outbox)
        self._handlers = EventHandlers(self.state, self._risk_set, self._policy, self._cases)
        self._staff_alerts: list[Alert] = []

    def apply(self, event: Event, at: float, late: bool = False) -> list[Alert]:
        """Apply the next event.

        Args:
            event: The event. A second delivery is dropped and counted.
            at: Its time, in epoch seconds. A time before the clock does not set the clock back.
            late: Whether it came later than the allowed lateness; late events are counted.

        Returns:
            The alerts that it triggers.
        """
        state = self.state
        delivery = state.deduplicator.add(event, at)
        if delivery is DeduplicationResult.REPEATED:
            state.counts["duplicate"] += 1
            return []
        if delivery is DeduplicationResult.ID_USED_AGAIN:
            state.counts["event_id_used_again"] += 1
        if (state.announced_through + 1) * DAY > state.clock:
            self._clock.withdraw_idle(at)
        if at > state.clock:
            self._clock.advance(at)
        state.counts["applied"] += 1
        if late:
            state.counts["late"] += 1
        alerts = self._handlers.handle(event, at)
        if not alerts:
            return []
        seller = state.sellers[event.key]
        state.changed_names[codec.SELLER].add(seller.seller_id)  # its row holds the time of the alert
        flip = codec.flip_row(seller, (seller.flip_count - 1) % MAX_WINDOWS) or b""
        signed = self._sign(alerts, codec.seller_row(seller) + flip + codec.baseline_row(state.baseline))
        for alert in signed:
            state.cases.on_alert(alert, seller.seller_id if alert.subject.type == "product" else None)
        state.note_named_reviewers(seller.seller_id)
        return signed

    def on_message(self, message: Message) -> list[Alert]:
        """Take a message of a task (this one included) or of the `forget` command.

        Returns:
            Alerts on staff, if the message completes a day.
        """
        if not self.state.reviewers.is_on:
            message = _without_reviewers(message)
        if isinstance(message, Conclusion):
            self.state.conclusions.on_conclusion(message)
            return []
        if isinstance(message, ForwardedCaseEvent):
            self._cases.on_staff_event(message)
            return []
        if isinstance(message, Forget):
            self._risk_set.forget_reviewer(message.reviewer_id)
            self.state.forget_reviewer(message.reviewer_id)
            return []
        if isinstance(message, DayRequest):
            if message.day > self.state.announced_through:  # else the report was on its way
                self.state.requested_through = message.day
            return []
        before = self.state.aggregator.progress.concluded_through
        conclusion = self.state.aggregator.on_report(message)
        if conclusion is not None:
            self.outbox.extend(conclusion_parts(conclusion, -1 if before is None else before))
        alerts, self._staff_alerts = self._staff_alerts, []
        return alerts

    def take_outbox(self) -> list[Message]:
        """Empty the outbox and return what it held."""
        messages = list(self.outbox)
        self.outbox.clear()
        return messages

    def take_cases(self) -> list[tuple[str, Case | None]]:
        """Return the cases that have changed since the last call, by id; None for one that was dropped."""
        return [(name, None if case is None else self._shown(case)) for name, case in self.state.cases.take_changed()]

    def shown_cases(self) -> list[Case]:
        """Return all cases, those of staff with the events of days that are not concluded."""
        return [self._shown(case) for case in self.state.cases.cases.values()]

    def _shown(self, case: Case) -> Case:
        held = self.state.aggregator.progress.held
        return self.state.cases.shown(case, [one.event for one in held]) if held else case

    def on_idle(self) -> None:
        """Announce days that the aggregator has asked for: the input is empty, and no task need wait for this one."""
        self._clock.announce_requested()
        self._clock.request_days()

    def on_blocked(self, now: float) -> None:
        """Announce the days before the next event, at `now` (epoch seconds), which has to wait for other tasks."""
        self._clock.withdraw_idle(now)
        self._clock.request_days()

    def events_before(self) -> float:
        """The time (epoch seconds) that events must stay below until other tasks have announced more days."""
        return self._clock.events_before()

    def max_events(self, limit: int) -> int:
        """How many events may be applied before `events_before` is asked again; it is not known before the first."""
        return limit if math.isfinite(self.state.clock) else 1

    def _evaluate_staff(self, history: StaffHistory, market: MarketTotals, day: int, watches: list[int]) -> None:
        self._raise(staff_alerts.evaluate(self._policy, history, market, day, watches), history, market)

    def _report_reviewer(self, history: ReviewerHistory, market: MarketTotals, day: int) -> None:
        self._raise(reviewer_alerts.evaluate(self._policy, history, market, day), history, market)

    def _raise(self, alerts: list[Alert], *rows: msgspec.Struct) -> None:
        """Raise alerts that rest on these rows, in the aggregator's task."""
        if alerts:
            signed = self._sign(alerts, b"".join(encode(row) for row in rows))
            self._staff_alerts += signed
            for alert in signed:
                self.state.cases.on_alert(alert)

    def _report_ring(self, ring: RingView, findings: list[ReportedFlip], day: int) -> None:
        market = self.state.aggregator.progress.market
        alerts = ring_alerts.evaluate(self._policy, ring, findings, market, day) if ring.members else []
        self._raise(alerts, *ring.connectors, market)
        self.state.cases.on_ring(subject_of(ring), fields_of(ring), utc(end_of_day(day)))

    def _sign(self, alerts: list[Alert], rows: bytes) -> list[Alert]:
        """Give alerts the digest of the rows that they rest on: their subject's and its market's."""
        digest = hashlib.blake2b(rows, digest_size=16).hexdigest()
        self.state.counts["alerts"] += len(alerts)
        return [msgspec.structs.replace(alert, state_digest=digest) for alert in alerts]


def _without_reviewers(message: Message) -> Message:
    """Return a message without what it says of reviewers: it may be from before the watch on them was turned off."""
    if isinstance(message, Conclusion) and (message.watched or message.reviewers):
        return msgspec.structs.replace(message, watched=[], reviewers=[])
    if isinstance(message, DayReport) and message.reviewers:
        return msgspec.structs.replace(message, reviewers=[])
    return message
