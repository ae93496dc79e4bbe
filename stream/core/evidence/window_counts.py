"""The counts of one window, from a subject's totals before each of its flips and after the latest.

Invariant: totals are packed rows of 4 * groups columns: flips, flips expected by peers, flips expected by the long run,
deletions, each for all exposure groups.
"""

from __future__ import annotations

from librt.vecs import append, vec
from mypy_extensions import i64

from stream.core.evidence.contrasts import ContrastVariant


class WindowCounts:
    """One window as one variant of a contrast sees it: flips, and flips expected by peers and by the long run.

    Written out as plain numbers, because a seller's flip makes hundreds of these.

    Attributes:
        flips, by_peers, by_long_run: Of the exposed groups, in the window.
        retracted: Deletions among the exposed flips.
        control_flips, control_by_peers, control_by_long_run: Of the controls, in the window.
        own_flips, own_by_peers, own_by_long_run: Of the exposed groups before the window, times the weight of the past.
        other_flips, other_by_peers, other_by_long_run: The same of all other groups.
    """

    __slots__ = (
        "by_long_run",
        "by_peers",
        "control_by_long_run",
        "control_by_peers",
        "control_flips",
        "flips",
        "other_by_long_run",
        "other_by_peers",
        "other_flips",
        "own_by_long_run",
        "own_by_peers",
        "own_flips",
        "retracted",
    )

    def __init__(self, flips: float, by_peers: float, by_long_run: float, retracted: float) -> None:
        self.flips = flips
        self.by_peers = by_peers
        self.by_long_run = by_long_run
        self.retracted = retracted
        self.control_flips = self.control_by_peers = self.control_by_long_run = 0.0
        self.own_flips = self.own_by_peers = self.own_by_long_run = 0.0
        self.other_flips = self.other_by_peers = self.other_by_long_run = 0.0


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
        #: (3 * w,), the totals before each window over all groups: flips, expected by peers, by the long run.
        before = vec[float]()
        for row in range(0, self._latest, 4 * groups):
            for kind in range(row, row + 3 * groups, groups):
                total = 0.0
                for column in range(kind, kind + groups):
                    total += rows[column]
                before = append(before, total)
        self._before = before

    def window(self, variant: ContrastVariant, window: i64, removed: vec[float]) -> WindowCounts:
        """Return the counts of a window.

        Args:
            variant: Which groups are exposed, and which are controls.
            window: The number of the window.
            removed: (w * 4 * groups,), what an alternative explanation takes out of each window; empty for nothing.
        """
        rows, groups, weight = self.rows, self.groups, self._past_weight
        before = 4 * groups * window
        since = self._latest - before  # from a column before the window to the same one after it
        flips = by_peers = by_long_run = retracted = 0.0
        own_flips = own_by_peers = own_by_long_run = 0.0
        for group in variant.exposed:
            cell = before + group
            own_flips += rows[cell]
            flips += rows[since + cell] - rows[cell]
            cell += groups
            own_by_peers += rows[cell]
            by_peers += rows[since + cell] - rows[cell]
            cell += groups
            own_by_long_run += rows[cell]
            by_long_run += rows[since + cell] - rows[cell]
            cell += groups
            retracted += rows[since + cell] - rows[cell]
        found = WindowCounts(flips, by_peers, by_long_run, retracted)
        flips = by_peers = by_long_run = 0.0
        for group in variant.controls:
            cell = before + group
            flips += rows[since + cell] - rows[cell]
            cell += groups
            by_peers += rows[since + cell] - rows[cell]
            cell += groups
            by_long_run += rows[since + cell] - rows[cell]
        found.control_flips, found.control_by_peers, found.control_by_long_run = flips, by_peers, by_long_run
        if len(removed):
            self._remove(found, variant, before, removed)
        found.own_flips, found.other_flips = weight * own_flips, weight * (self._before[3 * window] - own_flips)
        found.own_by_peers = weight * own_by_peers
        found.other_by_peers = weight * (self._before[3 * window + 1] - own_by_peers)
        found.own_by_long_run = weight * own_by_long_run
        found.other_by_long_run = weight * (self._before[3 * window + 2] - own_by_long_run)
        return found

    def _remove(self, found: WindowCounts, variant: ContrastVariant, before: i64, removed: vec[float]) -> None:
        """Take what an alternative explanation removes out of a window's counts."""
        groups = self.groups
        for group in variant.exposed:
            found.flips -= removed[before + group]
            found.by_peers -= removed[before + groups + group]
            found.by_long_run -= removed[before + 2 * groups + group]
            found.retracted -= removed[before + 3 * groups + group]
        for group in variant.controls:
            found.control_flips -= removed[before + group]
            found.control_by_peers -= removed[before + groups + group]
            found.control_by_long_run -= removed[before + 2 * groups + group]

    def series(self, variant: ContrastVariant, window: i64) -> list[tuple[float, float]]:
        """Return exposed flips and flips expected by peers since a window began, up to each of its flips."""
        width: i64 = 4 * self.groups
        last: i64 = len(self.rows) - width
        first_flips, first_expected = self._exposed(variant, width * window)
        found, largest = list[tuple[float, float]](), 0.0
        for row in range(width * (window + 1), len(self.rows), width):
            flips, _ = self._exposed(variant, row)
            # A row holds what was expected just before its flip; only the latest totals hold what the flip added.
            _, expected = self._exposed(variant, row if row == last else row - width)
            largest = max(largest, expected - first_expected)  # rounding may lower a sum by its last bit
            found.append((flips - first_flips, largest))
        return found

    def _exposed(self, variant: ContrastVariant, row: i64) -> tuple[float, float]:
        """Return flips and flips expected by peers of the exposed groups, in the row that begins at `row`."""
        flips = expected = 0.0
        for group in variant.exposed:
            flips += self.rows[row + group]
            expected += self.rows[row + self.groups + group]
        return flips, expected
