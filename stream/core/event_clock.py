"""Event time of one task: timers, midnights, and the days that tasks announce to each other.

Invariants: what is due before an event is applied before it, each item at its own time. A task reports a day once the
day is over for it, and applies no event later than `events_before` until the other tasks have reported theirs.
"""

from __future__ import annotations

import math
from typing import Final

from stream.core.baseline.day_sums import DaySums, quantize
from stream.core.messages.reports import AGGREGATOR, DayReport, ReportPart, StaffReport, report_parts
from stream.core.messages.wire import Message
from stream.core.model.strata import DAY, FOLLOW_UP_SECONDS
from stream.core.risk_set import RiskSet
from stream.core.state import codec
from stream.core.state.state import State

#: How often inactive sellers and products are dropped, in event time.
_DROP_INACTIVE_SECONDS: Final = 30 * DAY


class EventClock:
    """Advances a task's state in event time.

    Args:
        state: The task's state; its `clock` is the latest event time applied, in epoch seconds.
        risk_set: Moves the reviews whose timers are due.
        outbox: Where messages to other tasks are appended, in order.
    """

    def __init__(self, state: State, risk_set: RiskSet, outbox: list[Message]) -> None:
        self._state = state
        self._risk_set = risk_set
        self._outbox = outbox

    def advance(self, now: float) -> None:
        """Fire all timers and pass all midnights up to `now` (epoch seconds), and set the clock."""
        state, risk_set = self._state, self._risk_set
        baseline, timers = state.baseline, state.timers
        if state.clock == float("-inf"):
            baseline.start(now)
            self._announce(int(now // DAY) - 1)
            state.conclusions.start(int(now // DAY))
        while timers.next_due_at <= now and (review := timers.pop(now)) is not None:
            state.clock = review.due_at
            if review.due_at >= baseline.next_midnight:
                self._pass_midnight(review.due_at)
            risk_set.fire_timer(review)
        if now >= baseline.next_midnight:
            self._pass_midnight(now)
        state.clock = now

    def _pass_midnight(self, now: float) -> None:
        """Announce the day that has ended, and start the day of `now`. Several midnights may have passed."""
        state, baseline = self._state, self._state.baseline
        midnight, day = baseline.next_midnight, int(baseline.day_started_at // DAY)
        reports: list[StaffReport] = []
        for actor_id in sorted(state.staff):
            staff = state.staff[actor_id]
            changed = (one.name for one in staff.clients.values() if one.has_report() or not one.exposure)
            state.changed_names[codec.CLIENT_EXPOSURE].update(changed)
            report = staff.close_day(baseline, midnight)
            if not report.is_empty:
                reports.append(report)
            if not staff.exposure:
                del state.staff[actor_id]
            state.changed_names[codec.STAFF_EXPOSURE].add(actor_id)
        sums, baseline.today = baseline.today, DaySums()
        sums.looked_up_flips, sums.looked_up_expected = (
            quantize(sums.looked_up_flips),
            quantize(sums.looked_up_expected),
        )
        sums.marks = [quantize(value) for value in sums.marks]
        state.advance_reviewers(day)
        parts = report_parts(reports, state.take_linked_reports(), state.reviewers.take_reports())
        self._report(day, int(now // DAY) - 1, sums, list(parts))
        self.request_days()
        period = baseline.day_started_at // _DROP_INACTIVE_SECONDS
        baseline.advance_day(now)
        state.timers.sweep(len(state.reviews))
        state.cases.close_and_forget(baseline.day_started_at, ("seller",))
        # The period is taken from the midnight and not from the first event after it, which depends on whether the task
        # had to wait at that midnight.
        if baseline.day_started_at // _DROP_INACTIVE_SECONDS != period:
            period_start = baseline.day_started_at // _DROP_INACTIVE_SECONDS * _DROP_INACTIVE_SECONDS
            state.drop_inactive(period_start - FOLLOW_UP_SECONDS)

    def _report(self, day: int, through: int, sums: DaySums, parts: list[ReportPart]) -> None:
        """Report `day`, and announce that all days up to `through` are over for this task: with the last part."""
        state = self._state
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            self._outbox.append(
                DayReport(
                    reporter=state.number,
                    day=day,
                    through=through if is_last else state.announced_through,
                    sums=sums if is_last else DaySums(),
                    staff=part.staff,
                    linked=part.linked,
                    reviewers=part.reviewers,
                    part=number,
                )
            )
        state.announced_through = through
        if state.requested_through <= through:
            state.requested_through = -1

    def _announce(self, through: int) -> None:
        """Announce that all days up to `through` are over for this task; it has nothing to add to them."""
        self._report(through, through, DaySums(), [ReportPart([], [], [])])

    def announce_requested(self) -> None:
        """Announce the day that the aggregator has asked for as over: the input is empty."""
        if self._state.requested_through > self._state.announced_through:
            self._announce(self._state.requested_through)

    def request_days(self) -> None:
        """Ask the tasks that are behind for their days, if this is the aggregator's task."""
        if self._state.number == AGGREGATOR:
            self._outbox.extend(self._state.aggregator.requests())

    def withdraw_idle(self, now: float) -> None:
        """Withdraw an idle announcement, and start the day of the next event, at `now` (epoch seconds)."""
        state = self._state
        if math.isfinite(state.clock):
            if (state.announced_through + 1) * DAY > state.clock:
                self._announce(int(state.clock // DAY) - 1)
            if now // DAY * DAY > state.clock:
                self.advance(now // DAY * DAY)

    def events_before(self) -> float:
        """The time (epoch seconds) that events must stay below until other tasks have announced more days."""
        before: float = self._state.conclusions.events_before()
        return before
