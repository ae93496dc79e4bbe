"""Alternative explanations: innocent causes that would otherwise look like cheating.

Invariant: an alternative explanation is open to every subject and always has a price. A *burst* (a product fix, a
campaign) takes the busiest days out of a window. An *arrival cluster* takes out flips whose reviews were created
together: a review bomb too small for `Arrivals`, or of a seller without a known mean.
"""

from __future__ import annotations

import math
from typing import Final

from librt.vecs import append, vec
from mypy_extensions import i64

from stream.core.model.strata import DAY

#: The longest duration of a burst.
BURST_SECONDS: Final = 10 * DAY
#: Log of the price of a burst: every subject has one a year.
LOG_BURST_PRICE: Final = math.log(365 * DAY / BURST_SECONDS)

#: The reviews of an arrival cluster are created within this time, ...
CLUSTER_SECONDS: Final = 3 * DAY
#: ... and clusters are as frequent as bursts.
LOG_CLUSTER_PRICE: Final = LOG_BURST_PRICE


def bursts(times: vec[float], sums: vec[float], groups: i64) -> vec[float]:
    """Return what the busiest BURST_SECONDS of each window contain.

    Args:
        times: (w,), epoch seconds of the flips, the latest last. A window begins at each.
        sums: ((w + 1) * 4 * groups,), the totals before each flip and after the latest, without the meta columns.
        groups: The number of exposure groups.

    Returns:
        (w * 4 * groups,), the totals of each window's burst.
    """
    inside, width = vec[float]([0.0] * (len(sums) - 4 * groups)), 4 * groups
    end: i64 = len(times)
    start: i64 = 0
    stop: i64 = 0
    for window in range(len(times) - 1, -1, -1):
        while times[end - 1] > times[window] + BURST_SECONDS:
            end -= 1
        # Of the periods that begin within the window the one with most flips; of equal ones the latest.
        if end - window > stop - start:
            start, stop = window, end
        for kind in range(4):
            # Flips expected between a burst's last flip and the next flip do not belong to the burst.
            after = stop if kind in {0, 3} else stop - 1
            for column_number in range(kind * groups, kind * groups + groups):
                inside[window * width + column_number] = (
                    sums[after * width + column_number] - sums[start * width + column_number]
                )
    return inside


def arrival_clusters(created: vec[float], sums: vec[float], groups: i64) -> vec[float]:
    """Return each window's flips of reviews that were created within the busiest CLUSTER_SECONDS.

    The flips expected of the cluster stay in the window: they are few, and keeping them is the safe side.

    Args:
        created: (w,), creation of the flipped reviews, in epoch seconds.
        sums, groups: As in `bursts`.

    Returns:
        (w * 4 * groups,), the flips and deletions of each window's cluster.
    """
    width, count = 4 * groups, len(created)
    inside = vec[float]([0.0] * (len(sums) - width))
    # How many reviews of the cluster that begins with each review flip in the window.
    sizes = vec[i64]([0] * count)
    for window in range(count - 1, -1, -1):
        first: i64 = 0
        for candidate in range(count):
            sizes[candidate] += _in_cluster(created[window], created[candidate])
            if sizes[candidate] > sizes[first]:
                first = candidate
        for flip in range(window, count):
            if _in_cluster(created[flip], created[first]):
                for group in range(groups):
                    for column_number in (group, 3 * groups + group):
                        before = flip * width + column_number
                        inside[window * width + column_number] += sums[before + width] - sums[before]
    return inside


def _in_cluster(created_at: float, first: float) -> bool:
    """Return whether a review belongs to the cluster that begins with another."""
    return 0.0 <= created_at - first <= CLUSTER_SECONDS


def column(rows: vec[float], width: i64, column_number: i64) -> vec[float]:
    """Return one column of packed rows of the given width."""
    found = vec[float]()
    for at in range(column_number, len(rows), width):
        found = append(found, rows[at])
    return found
