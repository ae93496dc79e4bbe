"""Flips of each seller's looked-up reviews, over all staff members: how often they flip, whoever looks them up.

Invariant: the sums over the sellers of all staff connectors that are kept. They are derived and not stored; the terms
are multiples of a power of two, so the sums are exact in any order.
"""

from __future__ import annotations

from typing import Final

from stream.core.messages.reports import ClientReport

#: Pseudo-count of the level of a seller's looked-up reviews: mean 1, standard deviation 1/2.
_LEVEL_FLIPS: Final = 4.0


class SellerTotals:
    """The totals by seller."""

    def __init__(self) -> None:
        self._totals: dict[str, tuple[int, float, float]] = {}

    def add(self, report: ClientReport, sign: int = 1) -> None:
        """Add what a staff member's look-ups of a seller's reviews brought; with `sign` -1, take it out."""
        flips, expected, expected_long_run = self._totals.get(report.seller_id, (0, 0.0, 0.0))
        flips += sign * report.flips
        expected += sign * report.expected
        expected_long_run += sign * report.expected_long_run
        if flips or expected or expected_long_run:
            self._totals[report.seller_id] = flips, expected, expected_long_run
        else:
            self._totals.pop(report.seller_id, None)

    def level_without(self, own: ClientReport, ratio: float) -> float:
        """Return how many times as often as expected a seller's reviews flip that other staff looked up, 1 at least.

        Args:
            own: The seller's flips and expected flips that one staff member's look-ups brought.
            ratio: How many times as many flips are expected of looked-up reviews.
        """
        flips, expected, expected_long_run = self._totals.get(own.seller_id, (0, 0.0, 0.0))
        others = max(expected - own.expected, expected_long_run - own.expected_long_run, 0.0)
        return max(1.0, (_LEVEL_FLIPS + flips - own.flips) / (_LEVEL_FLIPS + ratio * others))
