"""What a verdict on a staff member, a ring or a reviewer decides, and what it changes in a staff member's history.

Invariant: an event of a case counts from the end of its day on, because staff are evaluated by the day. So its effect
does not depend on when it reaches the aggregator: in a backlog that may be weeks before the alert that it answers.
"""

from __future__ import annotations

import msgspec

from stream.contract.events import Verdict, Verdicts
from stream.core.staff.history import StaffHistory


class HeldCaseEvent(msgspec.Struct, array_like=True, frozen=True):
    """An event of a case about a staff member, a ring or a reviewer whose day is not concluded.

    Attributes:
        day: The day of the event clock of the task that applied it: a late event belongs to a later day than its own.
    """

    day: int
    event: Verdicts


class StaffDecision(msgspec.Struct, frozen=True):
    """A verdict on a staff member, a ring or a reviewer that came into force.

    Attributes:
        at, muted_until: Epoch seconds; `muted_until` is 0 if alerts may be raised.
    """

    at: float
    subject_id: str
    verdict: Verdict
    muted_until: float

    @property
    def clears(self) -> bool:
        """Whether the subject did nothing wrong."""
        return self.verdict in {"explained", "dismissed"}


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
