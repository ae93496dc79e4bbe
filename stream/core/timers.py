"""When reviews change band: the next one that is due, among millions, at a cost that does not grow with them.

Rule of this room: timers come out in the order of (time, review id), whatever the order in which they were set.

Nearly all reviews that are in one place (an age, or a time since contact) came there in the order in which they will
leave it, so a queue for each place holds them sorted, and only the heads of the queues are compared. The few that
come out of turn (late events, look-ups) go to a heap, whose head is compared with the others. A timer is not taken
out when its review is moved or goes: it is stale, known by its review's `due` being another, and passed over when its
time comes, or swept out.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from stream.core.bands import PLACES
from stream.core.reviews import Review

#: Where the head of the heap is compared, after those of the places.
_STRAYS: Final = PLACES


@mypyc_attr(acyclic=True)
class Timer:
    """A review that may come out at `due`."""

    __slots__ = ("due", "review", "review_id")

    def __init__(self, due: float, review_id: str, review: Review) -> None:
        self.due = due
        self.review_id = review_id
        self.review = review

    def __lt__(self, other: Timer) -> bool:
        return self.due < other.due or (self.due == other.due and self.review_id < other.review_id)


class Timers:
    """All timers of a task; each open review has exactly one that is not stale."""

    def __init__(self) -> None:
        self._queues: tuple[deque[Timer], ...] = tuple(deque() for _ in range(PLACES))
        self._strays: list[Timer] = []
        #: When the first timer of each queue is due, and that of the heap; infinity where there is none.
        self._heads = vec[float]([math.inf] * (PLACES + 1))
        #: No timer is due before this (it may be that of a stale one).
        self.next_due = math.inf

    def __len__(self) -> int:
        return sum(map(len, self._queues)) + len(self._strays)

    def fill(self, reviews: Iterable[Review]) -> None:
        """Set the timers of all open reviews; there are none yet."""
        for review in sorted(reviews, key=lambda review: (review.due, review.review_id)):
            self.set(review)

    def set(self, review: Review) -> None:
        """Have the review come out at its `due`."""
        due, cell = review.due, review.cell
        timer = Timer(due, review.review_id, review)
        place = (cell >> 1) % PLACES
        queue = self._queues[place]
        if cell & 1 or (queue and timer < queue[-1]):  # looked up: it may leave by that clock or by its age
            heappush(self._strays, timer)
            place = _STRAYS
        else:
            queue.append(timer)
        if due < self._heads[place]:
            self._heads[place] = due
            if due < self.next_due:  # noqa: PLR1730  # calling min() would cost as much as the rest
                self.next_due = due

    def pop(self, now: float) -> Review | None:
        """Take out the earliest review that is due by `now`, if any is."""
        while self.next_due <= now:
            timer = self._take(self._first())
            self.next_due = self._heads[self._first()]
            if timer.review.due == timer.due:
                return timer.review
        return None

    def _first(self) -> i64:
        """Where the earliest head is."""
        heads, first = self._heads, i64(0)
        for place in range(1, len(heads)):
            if heads[place] > heads[first] or heads[place] == math.inf:
                continue
            if heads[place] < heads[first] or self._head(place) < self._head(first):
                first = place
        return first

    def _head(self, place: i64) -> Timer:
        return self._strays[0] if place == _STRAYS else self._queues[place][0]

    def _take(self, place: i64) -> Timer:
        if place == _STRAYS:
            timer = heappop(self._strays)
            self._heads[place] = self._strays[0].due if self._strays else math.inf
        else:
            queue = self._queues[place]
            timer = queue.popleft()
            self._heads[place] = queue[0].due if queue else math.inf
        return timer

    def sweep(self, live: int) -> None:
        """Drop the stale ones where they outweigh the `live`: the bound on their number."""
        if len(self) <= 2 * live + 1024:
            return
        self._queues = tuple(deque(timer for timer in queue if timer.review.due == timer.due) for queue in self._queues)
        self._strays = [timer for timer in self._strays if timer.review.due == timer.due]
        heapify(self._strays)
        firsts = [queue[0].due if queue else math.inf for queue in (*self._queues, self._strays)]
        self._heads = vec[float](firsts)
        self.next_due = min(firsts)
