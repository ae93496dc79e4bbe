"""What ln R consists of: the parts of one window and one variant, step by step.

Invariant: each step gives the log odds that the calculation has reached; a part is the difference to the step before.
So the parts add up to ln R exactly. They are made for alerts only.
"""

from __future__ import annotations

import math
from typing import Final

from librt.vecs import vec

from stream.core.evidence.bayes import log_bayes_factor
from stream.core.evidence.contrasts import ContrastVariant
from stream.core.evidence.level import Level
from stream.core.evidence.parts import Part, PartName
from stream.core.evidence.window_counts import WindowCounts
from stream.core.evidence.window_factors import EXTRA_EXPECTED, WindowFactors
from stream.core.model.flip_windows import gap_seconds
from stream.core.model.strata import DAY

_NOTHING: Final = vec[float]()
#: A step that changes no more than this is left out (the next one then holds it), unless it is one of these: a reader
#: expects them.
_ROUNDING: Final = 1e-9
_ALWAYS: Final = ("start", "count", "deletions")


class Breakdown:
    """The parts of a window's evidence; the methods are called in their order.

    Args:
        factors: The factors of the subject's windows.
        variants: Of the watch's contrast.
        window: The number of the window.

    Attributes:
        variant: The one with the largest factor: flips and expected flips are of its groups.
        parts: The parts so far.
    """

    def __init__(self, factors: WindowFactors, variants: list[ContrastVariant], window: int) -> None:
        self._factors = factors
        self._variants = variants
        self._window = window
        self._by_variant = [factors.log_factor(variant, window, _NOTHING) for variant in variants]
        self.variant = variants[self._by_variant.index(max(self._by_variant))]
        self.parts = list[Part]()
        self._reached = self._start = 0.0

    def add_factors(self, log_start_prior: float) -> None:
        """Add the parts without alternative explanations.

        Args:
            log_start_prior: Of a start in the gap before the window.
        """
        factors, variant, start = self._factors, self.variant, log_start_prior
        counts = factors.totals.window(variant, self._window, _NOTHING)
        unknown, past = (
            factors.level(variant, WindowCounts(0.0, 0.0, 0.0, 0.0)),
            factors.level(variant, counts, controls=False),
        )
        level = factors.level(variant, counts)
        self._start = start
        self._reach("start", start, {"gap_days": gap_seconds(start) / DAY})
        self._add_level("count", counts, 0.0, unknown, {})
        self._add_level("baseline_uncertainty", counts, EXTRA_EXPECTED, unknown, {})
        self._add_level("own_level", counts, EXTRA_EXPECTED, past, {})
        controls = {"control_flips": counts.control_flips, "control_expected": counts.control_by_peers}
        self._add_level("controls", counts, EXTRA_EXPECTED, level, controls)
        numbers = {
            "flips": counts.flips,
            "expected": counts.by_long_run + EXTRA_EXPECTED,
            "level_flips": level.flips,
            "level_expected": level.by_long_run,
        }
        self._reach("long_run", min(self._reached, start + factors.by_long_run(counts, level)), numbers)
        numbers = {"flips": counts.flips, "deleted": counts.retracted, "peers_share": factors.retracted_share}
        self._reach("deletions", self._reached + factors.retraction(counts), numbers)
        numbers = {f"variant_{number}": value for number, value in enumerate(self._by_variant, 1)}
        self._reach("variants", start + factors.log_mean(self._variants, self._window, _NOTHING), numbers)

    def _add_level(
        self, name: PartName, counts: WindowCounts, added: float, level: Level, numbers: dict[str, float]
    ) -> None:
        """Add a part that compares the window with the expectation by peers.

        Args:
            name: Of the part.
            counts: WindowCounts of the exposed groups.
            added: To the expected flips.
            level: What is known of the subject's level.
            numbers: Further numbers of the part.
        """
        dispersion = self._factors.dispersion(counts.by_peers + EXTRA_EXPECTED, level)
        flips, expected = counts.flips, counts.by_peers + added
        shape, rate = level.flips / dispersion, level.by_peers / dispersion
        numbers |= {"flips": flips, "expected": expected, "level_flips": shape, "level_expected": rate}
        self._reach(name, self._start + log_bayes_factor(flips, expected, shape, rate), numbers)

    def add_alternative(self, name: PartName, removed: vec[float], price: float) -> None:
        """Add an alternative explanation, if it was considered.

        Args:
            name: Of the explanation.
            removed: What it takes out of each window; empty if it was not considered.
            price: The log of its price.
        """
        if not len(removed):
            return
        left = self._factors.log_mean(self._variants, self._window, removed) + price
        rest = self._factors.totals.window(self.variant, self._window, removed)
        numbers = {"left": left, "flips_left": rest.flips, "expected_left": rest.by_peers}
        self._reach(name, min(self._reached, self._start + left), numbers)

    def add_other_starts(self, log_odds: float, starts: int) -> None:
        """Add the windows that begin at other flips.

        Args:
            log_odds: ln R over all windows.
            starts: The number of windows.
        """
        share = math.exp(self._reached - log_odds)
        self._reach("other_starts", log_odds, {"starts": float(starts), "share": share})

    def _reach(self, name: PartName, reached: float, numbers: dict[str, float]) -> None:
        """Add the part after which the log odds are `reached`."""
        if abs(reached - self._reached) > _ROUNDING or name in _ALWAYS:
            self.parts.append(Part(name, reached - self._reached, numbers))
            self._reached = reached
