"""What a verdict changes in what is believed of a staff member.

Invariant: a verdict counts from the end of its day on, because staff are evaluated by the day. So its effect does not
depend on when the verdict reaches the aggregator within that day.
"""

from __future__ import annotations

import msgspec

from stream.contract.events import Verdict
from stream.core.staff.history import StaffHistory


class StaffDecision(msgspec.Struct, array_like=True, frozen=True):
    """A verdict on a staff member that came into force.

    Attributes:
        at, muted_until: Epoch seconds; `muted_until` is 0 if alerts may be raised.
        event_id: The verdict's event.
    """

    at: float
    event_id: str
    actor_id: str
    verdict: Verdict
    muted_until: float


def apply_decision(history: StaffHistory, decision: StaffDecision) -> None:
    """Apply a verdict to a staff member's history.

    "confirmed": the accusation stays until a later verdict. "explained" and "dismissed": it is withdrawn by the caller.
    All three: no window begins before the verdict. "inconclusive": the evidence stays.
    """
    history.muted_until = decision.muted_until
    history.confirmed = decision.verdict == "confirmed"
    if decision.verdict == "inconclusive":
        return
    history.verdict_at = decision.at
    history.finding = None
    history.flips.history = []
    history.removals.history = []
