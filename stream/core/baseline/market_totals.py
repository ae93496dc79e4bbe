"""What all tasks' markets add up to: the peers of a staff member.

Invariant: totals are sums of quantized numbers, so they do not depend on the order in which tasks reported.
"""

from __future__ import annotations

import msgspec

from stream.core.baseline.day_sums import DaySums, forward_decay_weight
from stream.core.model.marks import no_marks


class MarketTotals(msgspec.Struct, kw_only=True):
    """Sums over all days and tasks.

    Totals that fade within a year (`looked_up_*`, `removed`, `critical`, `marks`) are multiplied by their day's
    forward-decay weight.
    """

    flips: int = 0
    retracted: int = 0
    #: Critical reviews that have come to be at risk.
    written: int = 0
    #: Flips of looked-up reviews, and those expected of them, in seller weights.
    looked_up_flips: float = 0.0
    looked_up_expected: float = 0.0
    #: Reviews that the platform removed, and the critical ones among them.
    removed: float = 0.0
    critical: float = 0.0
    #: Marks of payment, see `add_marks`, in seller weights.
    marks: list[float] = msgspec.field(default_factory=no_marks)

    def add(self, sums: DaySums, day_weight: float) -> None:
        """Add one task's day."""
        self.flips += sums.flips
        self.retracted += sums.retracted
        self.written += sums.written
        self.looked_up_flips += sums.looked_up_flips
        self.looked_up_expected += sums.looked_up_expected
        self.removed += day_weight * sums.removed
        self.critical += day_weight * sums.critical
        if sums.marks:
            self.marks = [one + other for one, other in zip(self.marks, sums.marks, strict=True)]

    def critical_share(self, own_critical: float, own_removed: float, day_weight: float) -> float:
        """Return the share of critical reviews among what others removed.

        Laplace's rule with the weight of five removals, half of them critical, for a market with few removals.

        Args:
            own_critical, own_removed: Of a staff member, whose removals are left out; as `critical` and `removed`.
            day_weight: The forward-decay weight of the present day.
        """
        critical = max(self.critical - own_critical, 0.0) / day_weight
        return (critical + 2.5) / (max(self.removed - own_removed, 0.0) / day_weight + 5)

    def flip_share(self) -> float:
        """Return the share of critical reviews that turn.

        Laplace's rule with the weight of ten reviews, one of which turns, for a market with few reviews.
        """
        return (self.flips + 1) / (self.written + 10)

    def present_marks(self, day: int) -> list[float]:
        """Return the marks of payment of peers' flips at the end of a day (days since 1970-01-01)."""
        weight = forward_decay_weight(day)
        return [value / weight for value in self.marks]
