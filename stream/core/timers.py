"""When reviews change band: the next one that is due, among millions, at a cost that does not grow with them.

Rule of this room: timers come out in the order of (time, review id), whatever the order in which they were set.

Nearly all reviews that are in one place (an age, or a time since contact) came there in the order in which they will
leave it, so a queue for each place holds them sorted, and only the heads of the queues are compared. The few that
come out of turn (late events, look-ups) go to a heap. A timer is not taken out when its review is moved or goes: it
is stale, known by its review's `due` being another, and passed over when its time comes, or swept out.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush, heapreplace

from stream.core.bands import PLACES
from stream.core.reviews import Review


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
        #: (time, review id, place) of the head of each queue that is not empty.
        self._heads: list[tuple[float, str, int]] = []
        self._strays: list[Timer] = []
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
        if due < self.next_due:  # noqa: PLR1730  # calling min() would cost as much as the rest
            self.next_due = due
        if cell & 1:  # looked up: it may leave by that clock or by its age
            heappush(self._strays, timer)
            return
        place = (cell >> 1) % PLACES
        queue = self._queues[place]
        if not queue:
            queue.append(timer)
            heappush(self._heads, (due, review.review_id, place))
            return
        last = queue[-1]
        if due > last.due or (due == last.due and review.review_id >= last.review_id):
            queue.append(timer)
        else:
            heappush(self._strays, timer)

    def pop(self, now: float) -> Review | None:
        """Take out the earliest review that is due by `now`, if any is."""
        heads, strays = self._heads, self._strays
        while True:
            if strays and (not heads or (strays[0].due, strays[0].review_id) < heads[0][:2]):
                if strays[0].due > now:
                    self.next_due = strays[0].due
                    return None
                timer = heappop(strays)
            elif not heads or heads[0][0] > now:
                self.next_due = heads[0][0] if heads else math.inf
                return None
            else:
                place = heads[0][2]
                queue = self._queues[place]
                timer = queue.popleft()
                if queue:
                    heapreplace(heads, (queue[0].due, queue[0].review_id, place))
                else:
                    heappop(heads)
            review = timer.review
            if review.due == timer.due:
                return review

    def sweep(self, live: int) -> None:
        """Drop the stale ones where they outweigh the `live`: the bound on their number."""
        if len(self) <= 2 * live + 1024:
            return
        self._queues = tuple(deque(timer for timer in queue if timer.review.due == timer.due) for queue in self._queues)
        self._strays = [timer for timer in self._strays if timer.review.due == timer.due]
        heapify(self._strays)
        self._heads = [(queue[0].due, queue[0].review_id, place) for place, queue in enumerate(self._queues) if queue]
        heapify(self._heads)
