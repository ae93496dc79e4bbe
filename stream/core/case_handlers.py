"""What the events of analysts do: to the case, and to what is believed of its subject.

Invariant: a case is changed in the task that keeps it: a seller's in the seller's task, a staff member's in the
aggregator's. A verdict that comes into force changes what is believed in the same step, so both are in one checkpoint.
"""

from __future__ import annotations

import datetime as dt

from stream.contract.events import CaseEvent
from stream.core.staff.decisions import StaffDecision
from stream.core.staff.messages import Message, StaffCaseEvent
from stream.core.state import codec
from stream.core.state.state import State
from stream.core.subjects.verdicts import apply_verdict


class CaseHandlers:
    """Applies events of cases.

    Args:
        state: The task's state.
        outbox: Messages to other tasks.
    """

    def __init__(self, state: State, outbox: list[Message]) -> None:
        self._state = state
        self._outbox = outbox

    def handle(self, event: CaseEvent) -> None:
        """Apply an event that came in this task's partition. The case of a staff member is with the aggregator."""
        if event.subject.type == "staff":
            self._outbox.append(StaffCaseEvent(event=event))  # type: ignore[arg-type]  # every case event is one
            return
        state = self._state
        decision = state.cases.on_event(event)
        seller = state.sellers.get(event.subject.id)
        if decision is None or seller is None:  # a seller is dropped after two years without a critical review
            return
        state.changed_names[codec.FLIP].update(codec.flip_names(seller))
        state.changed_names[codec.SELLER].add(seller.seller_id)
        muted_until = _seconds(decision.muted_until)
        apply_verdict(seller, state.baseline, decision.verdict, decision.since.timestamp(), muted_until, state.clock)

    def on_staff_event(self, event: CaseEvent) -> None:
        """Apply an event of a staff member's case, in the aggregator's task."""
        decision = self._state.cases.on_event(event)
        if decision is not None:
            self._state.aggregator.on_decision(
                StaffDecision(
                    event.occurred_at.timestamp(), event.event_id, event.subject.id, decision.verdict,
                    _seconds(decision.muted_until),
                )
            )  # fmt: skip


def _seconds(time: dt.datetime | None) -> float:
    return 0.0 if time is None else time.timestamp()
