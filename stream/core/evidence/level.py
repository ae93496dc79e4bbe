"""A subject's level: how many times as often as its peers' its reviews flip, as a gamma distribution.

Invariant: the level is learned from the subject alone, from flips outside the exposed groups of the window.

Each exposure group has a level of its own around the subject's. So other groups show the level of the exposed ones
only to a variance, however many flips they have: uncertainties add, 1/K' = 1/K + variance. The exposed groups' own
past shows it without this limit.
"""

from __future__ import annotations

from stream.core.evidence.window_counts import WindowCounts


class Level:
    """A gamma distribution with the shape `flips` and a rate for each expectation; its mean is flips / rate."""

    __slots__ = ("by_long_run", "by_peers", "flips")

    def __init__(self, flips: float, by_peers: float, by_long_run: float) -> None:
        self.flips = flips
        self.by_peers = by_peers
        self.by_long_run = by_long_run


def learned_level(
    prior_flips: float, prior_expected: float, counts: WindowCounts, variance: float, controls: bool = True
) -> Level:
    """Return the level of the exposed groups.

    Args:
        prior_flips, prior_expected: Pseudo-counts.
        counts: Of the window, and before it.
        variance: Of the log of a group's level around the subject's.
        controls: Whether to learn from the controls in the window, too.
    """
    flips, by_peers = prior_flips + counts.other_flips, prior_expected + counts.other_by_peers
    by_long_run = prior_expected + counts.other_by_long_run
    if controls:
        flips += counts.control_flips
        by_peers += counts.control_by_peers
        by_long_run += counts.control_by_long_run
    dispersion = 1.0 + variance * flips
    return Level(
        flips / dispersion + counts.own_flips,
        by_peers / dispersion + counts.own_by_peers,
        by_long_run / dispersion + counts.own_by_long_run,
    )
