"""The factors of one window: Bayes factors of its flips, and the retraction factor of its deletions.

Invariant: all factors are logs, and means over THETAS and DELTAS.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from librt.vecs import vec
from mypy_extensions import i64

from stream.core.evidence.bayes import (
    log_add,
    log_bayes_factor,
    log_retraction_factor,
    log_retraction_normalizers,
)
from stream.core.evidence.contrasts import ContrastVariant
from stream.core.evidence.level import Level, learned_level
from stream.core.evidence.window_counts import Totals, WindowCounts

#: Expected flips that are added to every window, because a baseline is itself a count of few flips.
EXTRA_EXPECTED: Final = 0.3


class Prior(NamedTuple):
    """What is known before a subject is evaluated.

    Attributes:
        flips, expected: Pseudo-counts of the subject's level: as if `flips` had been seen where `expected` were
            expected.
        retracted_share: The share of deletions among the flips of peers.
        looked_up_ratio: How many times as many flips are expected of the adjusted groups.
        expected_per_peer_flip: How many flips are expected of the subject for each flip of its peers; 0 if the
            uncertainty of the expectation is negligible.
    """

    flips: float
    expected: float
    retracted_share: float
    looked_up_ratio: float = 1.0
    expected_per_peer_flip: float = 0.0


class WindowFactors:
    """The factors of a subject's windows.

    Args:
        totals: The subject's totals.
        prior: What is known before.
    """

    def __init__(self, totals: Totals, prior: Prior) -> None:
        self.totals = totals
        self._prior_flips, self._prior_expected = prior.flips, prior.expected
        self.retracted_share = prior.retracted_share
        self._normalizers = log_retraction_normalizers(prior.retracted_share)
        self._expected_per_peer_flip = prior.expected_per_peer_flip

    def log_mean(self, variants: list[ContrastVariant], window: i64, removed: vec[float]) -> float:
        """Return the log of the mean over variants of a window's factor."""
        if len(variants) == 1:
            return self.log_factor(variants[0], window, removed)
        total = -math.inf
        for variant in variants:
            total = log_add(total, self.log_factor(variant, window, removed))
        return total - math.log(len(variants))

    def log_factor(self, variant: ContrastVariant, window: i64, removed: vec[float]) -> float:
        """Return the log of a window's factor: the smaller Bayes factor, times the retraction factor."""
        counts = self.totals.window(variant, window, removed)
        level = self.level(variant, counts)
        by_peers, by_long_run = self.by_peers(counts, level), self.by_long_run(counts, level)
        return self.retraction(counts) + (by_peers if by_peers < by_long_run else by_long_run)

    def level(self, variant: ContrastVariant, counts: WindowCounts, controls: bool = True) -> Level:
        """Return the level of the exposed groups; see `learned_level`."""
        return learned_level(self._prior_flips, self._prior_expected, counts, variant.level_variance, controls)

    def retraction(self, counts: WindowCounts) -> float:
        """Return the log of the retraction factor."""
        return log_retraction_factor(counts.flips, counts.retracted, self._normalizers)

    def by_peers(self, counts: WindowCounts, level: Level) -> float:
        """Return the log Bayes factor against the expectation by peers."""
        expected = counts.by_peers + EXTRA_EXPECTED
        dispersion = self.dispersion(expected, level)
        return log_bayes_factor(counts.flips, expected, level.flips / dispersion, level.by_peers / dispersion)

    def by_long_run(self, counts: WindowCounts, level: Level) -> float:
        """Return the log Bayes factor against the expectation by the long run."""
        return log_bayes_factor(counts.flips, counts.by_long_run + EXTRA_EXPECTED, level.flips, level.by_long_run)

    def dispersion(self, expected: float, level: Level) -> float:
        """Return by how much the uncertainty of the peers' count makes the level less certain.

        Uncertainties add: 1 / flips that the level is known from, and that of the peers' count in this window and where
        the level was learned.
        """
        return 1.0 + level.flips * self._expected_per_peer_flip * (1.0 / expected + 1.0 / level.by_peers)
