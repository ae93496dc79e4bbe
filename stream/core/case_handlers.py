"""What the events of analysts do: to the case, and to what is believed of its subject.

Invariant: a case is changed in the task that keeps it: a seller's in the seller's task, all others in the
aggregator's. A verdict that comes into force changes what is believed in the same step, so both are in one
checkpoint. For staff, rings and reviewers that step is the conclusion of the day.
"""

from __future__ import annotations

from stream.contract.events import CaseEvent
from stream.core.messages.wire import ForwardedCaseEvent, Message
from stream.core.model.decisions import HeldCaseEvent
from stream.core.model.strata import DAY
from stream.core.state import codec
from stream.core.state.state import State, seconds
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
        """Apply an event that came in this task's partition. Others' cases than sellers' are with the aggregator."""
        if event.subject.type != "seller":
            day = int(self._state.clock // DAY)
            self._outbox.append(ForwardedCaseEvent(event=event, day=day))  # type: ignore[arg-type]  # every case event is one
            return
        state = self._state
        decision = state.cases.on_event(event)
        seller = state.sellers.get(event.subject.id)
        # A seller is dropped after two years without a critical review; a later link alone gives it no past.
        if decision is None or seller is None or not seller.has_had_reviews:
            return
        state.changed_names[codec.FLIP].update(codec.flip_names(seller))
        state.changed_names[codec.SELLER].add(seller.seller_id)
        muted_until = seconds(decision.muted_until)
        apply_verdict(seller, state.baseline, decision.verdict, decision.since.timestamp(), muted_until, state.clock)

    def on_staff_event(self, message: ForwardedCaseEvent) -> None:
        """Take an event of a staff member's case, in the aggregator's task: shown at once, applied with its day."""
        self._state.aggregator.on_case_event(HeldCaseEvent(message.day, message.event))
        self._state.cases.show(message.event.case_id)
