"""Timers: when reviews change cells, among millions, at a cost that does not grow with their number.

Invariant: timers fire in order of (time, review id), in whatever order they were set.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from stream.core.model.strata import N_BUCKETS
from stream.core.subjects.reviews import Review

#: The number of the heap, after those of the queues.
_HEAP: Final = N_BUCKETS


@mypyc_attr(acyclic=True)
class Timer:
    """The time at which a review leaves its cell; stale once the review's `due_at` differs."""

    __slots__ = ("due_at", "name", "review")

    def __init__(self, due_at: float, name: str, review: Review) -> None:
        self.due_at = due_at
        self.name = name
        self.review = review

    def __lt__(self, other: Timer) -> bool:
        return self.due_at < other.due_at or (self.due_at == other.due_at and self.name < other.name)


class Timers:
    """All timers of a task; each open review has exactly one that is not stale.

    Nearly all reviews of one age bucket entered it in the order in which they will leave it. So each bucket has a
    sorted queue, and only the first timers of the queues are compared. The few timers that are out of order (late
    events, look-ups) go to a heap. When a review moves or is removed, its old timer stays and is stale: it is skipped
    when it is due, or swept out.

    Attributes:
        next_due_at: No timer is due before this, in epoch seconds; a stale one may be due then.
    """

    def __init__(self) -> None:
        self._queues: tuple[deque[Timer], ...] = tuple(deque() for _ in range(N_BUCKETS))
        self._heap: list[Timer] = []
        #: When the first timer of each queue and of the heap is due, in epoch seconds; infinity for an empty one.
        self._heads = vec[float]([math.inf] * (N_BUCKETS + 1))
        self.next_due_at = math.inf

    def __len__(self) -> int:
        count = len(self._heap)
        for queue in self._queues:
            count += len(queue)
        return count

    def fill(self, reviews: Iterable[Review]) -> None:
        """Set the timers of all open reviews; no timer is set yet."""
        for review in sorted(reviews, key=lambda review: (review.due_at, review.name)):
            self.set(review)

    def set(self, review: Review) -> None:
        """Set the timer of a review to its `due_at`."""
        due_at, cell = review.due_at, review.cell
        timer = Timer(due_at, review.name, review)
        bucket = (cell >> 1) % N_BUCKETS
        queue = self._queues[bucket]
        if cell & 1 or (queue and timer < queue[-1]):  # looked up: due by look-up or by age, so out of order
            heappush(self._heap, timer)
            bucket = _HEAP
        else:
            queue.append(timer)
        if due_at < self._heads[bucket]:
            self._heads[bucket] = due_at
            if due_at < self.next_due_at:  # noqa: PLR1730  # calling min() would cost as much as the rest
                self.next_due_at = due_at

    def pop(self, now: float) -> Review | None:
        """Remove the earliest timer that is due by `now` (epoch seconds) and return its review; None if none is due."""
        while self.next_due_at <= now:
            timer = self._take(self._first())
            self.next_due_at = self._heads[self._first()]
            if timer.review.due_at == timer.due_at:
                return timer.review
        return None

    def _first(self) -> i64:
        """Return the number of the queue, or of the heap, with the earliest timer."""
        heads, first = self._heads, i64(0)
        for bucket in range(1, len(heads)):
            if heads[bucket] > heads[first] or heads[bucket] == math.inf:
                continue
            if heads[bucket] < heads[first] or self._head(bucket) < self._head(first):
                first = bucket
        return first

    def _head(self, bucket: i64) -> Timer:
        return self._heap[0] if bucket == _HEAP else self._queues[bucket][0]

    def _take(self, bucket: i64) -> Timer:
        if bucket == _HEAP:
            timer = heappop(self._heap)
            self._heads[bucket] = self._heap[0].due_at if self._heap else math.inf
        else:
            queue = self._queues[bucket]
            timer = queue.popleft()
            self._heads[bucket] = queue[0].due_at if queue else math.inf
        return timer

    def sweep(self, open_reviews: int) -> None:
        """Drop the stale timers if there are more than twice as many timers as open reviews: this bounds them."""
        if len(self) <= 2 * open_reviews + 1024:
            return
        self._queues = tuple(
            deque(timer for timer in queue if timer.review.due_at == timer.due_at) for queue in self._queues
        )
        self._heap = [timer for timer in self._heap if timer.review.due_at == timer.due_at]
        heapify(self._heap)
        firsts = [queue[0].due_at if queue else math.inf for queue in (*self._queues, self._heap)]
        self._heads = vec[float](firsts)
        self.next_due_at = min(firsts)
