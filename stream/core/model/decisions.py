"""What a verdict on a staff member, a ring or a reviewer decides.

Invariant: an event of a case counts from the end of its day on, because staff are evaluated by the day. So its effect
does not depend on when it reaches the aggregator: in a backlog that may be weeks before the alert that it answers.
"""

from __future__ import annotations

import msgspec

from stream.contract.events import Verdict, Verdicts


class HeldCaseEvent(msgspec.Struct, array_like=True, frozen=True):
    """An event of a case about a staff member, a ring or a reviewer whose day is not concluded.

    Attributes:
        day: The day of the event clock of the task that applied it: a late event belongs to a later day than its own.
    """

    day: int
    event: Verdicts


class VerdictDecision(msgspec.Struct, frozen=True):
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
