"""What the tasks of a file's events have to compare, as far as its lines alone tell: sellers and days, but not flips.

Invariant: at most MAX_SELLERS sellers of a task are held, many times the number that a comparison needs.
"""

from __future__ import annotations

import math
from typing import Final

from stream.contract.events import CRITICAL_STARS, Event, ReviewCreated, ReviewEdited
from stream.ops.trust import TaskSize

MAX_SELLERS: Final = 1000
_DAY_SECONDS: Final = 86_400.0
#: `TaskSize.sellers` counts the last two years.
_COUNTED_SECONDS: Final = 730 * _DAY_SECONDS


class TaskSizes:
    """Counts the sellers with critical reviews, by partition.

    Args:
        partitions: The number of partitions of the topics.
    """

    def __init__(self, partitions: int) -> None:
        #: By partition and seller, the times of the first and the last critical review (epoch seconds).
        self._critical: list[dict[str, tuple[float, float]]] = [{} for _ in range(partitions)]
        self._latest = [-math.inf] * partitions

    def add(self, partition: int, event: Event, at: float) -> None:
        """Count an event that occurred `at` (epoch seconds)."""
        self._latest[partition] = max(self._latest[partition], at)
        if not isinstance(event, ReviewCreated | ReviewEdited) or event.rating > CRITICAL_STARS:
            return
        sellers = self._critical[partition]
        first, last = sellers.get(event.seller_id, (at, at))
        if event.seller_id in sellers or len(sellers) < MAX_SELLERS:
            sellers[event.seller_id] = min(first, at), max(last, at)

    def of_tasks(self) -> dict[int, TaskSize]:
        """Return the sizes by partition number; their flips are 0."""
        return {number: self._of_task(number) for number in range(len(self._critical))}

    def _of_task(self, partition: int) -> TaskSize:
        latest = self._latest[partition]
        times = [time for time in self._critical[partition].values() if time[1] >= latest - _COUNTED_SECONDS]
        days = (latest - min(first for first, _ in times)) / _DAY_SECONDS if times else 0.0
        return TaskSize(len(times), 0, days)
