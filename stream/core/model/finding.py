"""A finding: what alerts have reported about a subject so far."""

from __future__ import annotations

import msgspec

from stream.contract.alerts import Severity


class Finding(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The alerts of one subject whose windows overlap, as one thing that was found.

    Attributes:
        finding_id: The same in all its alerts.
        alert_id: The latest alert.
        raised_at: When that was raised, in epoch seconds.
        until: The last time at which the evidence was above the threshold, in epoch seconds.
        severity, flips, log_odds: Of the latest alert.
    """

    finding_id: str
    alert_id: str
    raised_at: float
    until: float
    severity: Severity
    flips: int
    log_odds: float
