"""A subject's level: how many times as often as its peers' its reviews flip, as a gamma distribution.

Invariant: the level is learned from the subject alone, from flips outside the exposed groups of the window.

Each exposure group has a level of its own around the subject's. So other groups show the level of the exposed ones
only to a variance, however many flips they have: uncertainties add, 1/K' = 1/K + variance. The exposed groups' own
past shows it without this limit.
"""

from __future__ import annotations

from stream.core.evidence.window_counts import Counts


class Level:
    """A gamma distribution with the shape `flips` and a rate for each expectation; its mean is flips / rate."""

    __slots__ = ("by_long_run", "by_peers", "flips")

    def __init__(self, flips: float, by_peers: float, by_long_run: float) -> None:
        self.flips = flips
        self.by_peers = by_peers
        self.by_long_run = by_long_run


def learned_level(prior: Counts, other_groups: Counts, own_past: Counts, variance: float) -> Level:
    """Return the level of the exposed groups.

    Args:
        prior: Pseudo-counts.
        other_groups: Of the other groups before the window, and of the controls in it.
        own_past: Of the exposed groups before the window.
        variance: Of the log of a group's level around the subject's.
    """
    dispersion = 1.0 + variance * (prior.flips + other_groups.flips)
    return Level(
        (prior.flips + other_groups.flips) / dispersion + own_past.flips,
        (prior.by_peers + other_groups.by_peers) / dispersion + own_past.by_peers,
        (prior.by_long_run + other_groups.by_long_run) / dispersion + own_past.by_long_run,
    )
