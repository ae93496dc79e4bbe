"""The counts of one window, from a subject's totals before each of its flips and after the latest.

Invariant: totals are packed rows of 4 * groups columns: flips, flips expected by peers, flips expected by the long run,
deletions, each for all exposure groups.
"""

from __future__ import annotations

from librt.vecs import vec
from mypy_extensions import i64

from stream.core.evidence.contrasts import ContrastVariant


class Counts:
    """Flips, and the flips expected by peers and by the long run."""

    __slots__ = ("by_long_run", "by_peers", "flips")

    def __init__(self, flips: float, by_peers: float, by_long_run: float) -> None:
        self.flips = flips
        self.by_peers = by_peers
        self.by_long_run = by_long_run

    def plus(self, other: Counts) -> Counts:
        """Return the sum of both."""
        return Counts(self.flips + other.flips, self.by_peers + other.by_peers, self.by_long_run + other.by_long_run)

    def times(self, factor: float) -> Counts:
        """Return all counts times a factor."""
        return Counts(self.flips * factor, self.by_peers * factor, self.by_long_run * factor)


class WindowCounts:
    """One window as one variant of a contrast sees it.

    Attributes:
        exposed, controls: Of the exposed groups and of the controls, in the window.
        retracted: Deletions among the exposed flips.
        own_past: Of the exposed groups before the window, times the weight of the past.
        other_past: The same of all other groups.
    """

    __slots__ = ("controls", "exposed", "other_past", "own_past", "retracted")

    def __init__(
        self, exposed: Counts, retracted: float, controls: Counts, own_past: Counts, other_past: Counts
    ) -> None:
        self.exposed = exposed
        self.retracted = retracted
        self.controls = controls
        self.own_past = own_past
        self.other_past = other_past


class Totals:
    """A subject's totals.

    Args:
        rows: ((w + 1) * 4 * groups,), before each of w flips and after the latest.
        groups: The number of exposure groups.
        past_weight: The weight of everything before a window.
    """

    def __init__(self, rows: vec[float], groups: i64, past_weight: float) -> None:
        self.rows = rows
        self.groups: i64 = groups
        self._past_weight = past_weight
        self._latest: i64 = len(rows) - 4 * groups
        self._all = vec[i64](list(range(groups)))

    def window(self, variant: ContrastVariant, window: i64, removed: vec[float]) -> WindowCounts:
        """Return the counts of a window.

        Args:
            variant: Which groups are exposed, and which are controls.
            window: The number of the window.
            removed: (w * 4 * groups,), what an alternative explanation takes out of each window; empty for nothing.
        """
        before = 4 * self.groups * window
        own = self._sums(variant.exposed, self.rows, before)
        everything = self._sums(self._all, self.rows, before)
        other = Counts(
            everything.flips - own.flips, everything.by_peers - own.by_peers, everything.by_long_run - own.by_long_run
        )
        return WindowCounts(
            self._since(variant.exposed, before, removed),
            self._retracted_since(variant.exposed, before, removed),
            self._since(variant.controls, before, removed),
            own.times(self._past_weight),
            other.times(self._past_weight),
        )

    def _sums(self, chosen: vec[i64], rows: vec[float], start: i64) -> Counts:
        """Return the sums of some groups in the row that begins at `start`."""
        groups = self.groups
        flips = by_peers = by_long_run = 0.0
        for group in chosen:
            flips += rows[start + group]
            by_peers += rows[start + groups + group]
            by_long_run += rows[start + 2 * groups + group]
        return Counts(flips, by_peers, by_long_run)

    def _since(self, chosen: vec[i64], before: i64, removed: vec[float]) -> Counts:
        """Return the counts of some groups since the row that begins at `before`, without what is removed."""
        rows, latest, groups = self.rows, self._latest, self.groups
        flips = by_peers = by_long_run = 0.0
        for group in chosen:
            flips += rows[latest + group] - rows[before + group]
            by_peers += rows[latest + groups + group] - rows[before + groups + group]
            by_long_run += rows[latest + 2 * groups + group] - rows[before + 2 * groups + group]
        if len(removed):
            for group in chosen:
                flips -= removed[before + group]
                by_peers -= removed[before + groups + group]
                by_long_run -= removed[before + 2 * groups + group]
        return Counts(flips, by_peers, by_long_run)

    def _retracted_since(self, chosen: vec[i64], before: i64, removed: vec[float]) -> float:
        rows, latest, first, retracted = self.rows, self._latest, 3 * self.groups, 0.0
        for group in chosen:
            retracted += rows[latest + first + group] - rows[before + first + group]
            if len(removed):
                retracted -= removed[before + first + group]
        return retracted

    def series(self, variant: ContrastVariant, window: i64) -> list[tuple[float, float]]:
        """Return exposed flips and flips expected by peers since a window began, up to each of its flips."""
        width: i64 = 4 * self.groups
        last: i64 = len(self.rows) - width
        first = self._sums(variant.exposed, self.rows, width * window)
        found, largest = list[tuple[float, float]](), 0.0
        for row in range(width * (window + 1), len(self.rows), width):
            flips = self._sums(variant.exposed, self.rows, row).flips - first.flips
            # A row holds what was expected just before its flip; only the latest totals hold what the flip added.
            expected = self._sums(variant.exposed, self.rows, row if row == last else row - width)
            largest = max(largest, expected.by_peers - first.by_peers)  # rounding may lower a sum by its last bit
            found.append((flips, largest))
        return found
