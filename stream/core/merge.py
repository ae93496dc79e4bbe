"""The order of events within a task: its input streams merged by event time, as Kafka Streams picks the next record.

Rule of this room: the order depends only on what each stream holds, never on how it was cut into fetches. Each stream
puts its own small disorder right (up to the allowed lateness) and is read on only when its head is wanted; the
earliest head comes first. A stream without a head is waited for while it may still bring one. So a backlog is
applied in the order in which `volteface replay` applies the same records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Generic, NamedTuple, TypeVar

E = TypeVar("E")
R = TypeVar("R")

#: Most events of one stream held back for reordering; the earliest is then released early.
REORDER_LIMIT: Final = 50_000


class Ready(NamedTuple, Generic[E]):
    """An event whose turn it is."""

    at: float
    stream: int
    offset: int
    event: E
    late: bool


class Stream(Generic[R, E]):
    """One input: `inbox` holds records as they came, `heap` what may still be overtaken, `queue` what may not."""

    __slots__ = ("done", "heap", "inbox", "latest", "next_offset", "open", "queue")

    def __init__(self) -> None:
        self.inbox: deque[R] = deque()
        self.heap: list[tuple[float, int, E]] = []
        self.queue: deque[tuple[float, int, E, bool]] = deque()
        self.latest = float("-inf")
        self.next_offset = 0
        #: Offsets read and not yet done, in offset order, beside the done ones that wait for an earlier one.
        self.open: deque[int] = deque()
        self.done: set[int] = set()

    def push(self, at: float, offset: int, event: E, lateness_seconds: float) -> None:
        """Take an event in; release all that nothing on time can overtake any more."""
        self.open.append(offset)
        if at < self.latest - lateness_seconds:
            self.queue.append((at, offset, event, True))
            return
        self.latest = max(self.latest, at)
        heappush(self.heap, (at, offset, event))
        while self.heap and (self.heap[0][0] <= self.latest - lateness_seconds or len(self.heap) > REORDER_LIMIT):
            self.queue.append((*heappop(self.heap), False))

    def skip(self, offset: int) -> None:
        """A record was read that gives no event: it is done, also while an earlier one is not."""
        self.open.append(offset)
        self.finish(offset)

    def finish(self, offset: int) -> None:
        """An event of this stream has been applied."""
        self.done.add(offset)
        while self.open and self.open[0] in self.done:
            self.done.remove(self.open.popleft())

    @property
    def waiting(self) -> int:
        """Records read and not yet applied."""
        return len(self.inbox) + len(self.heap) + len(self.queue)

    @property
    def position(self) -> tuple[int, list[int]]:
        """The lowest offset still to do, and those above it that are done already."""
        return (self.open[0] if self.open else self.next_offset), sorted(self.done)


class Merge(Generic[R, E]):
    """Merges a task's streams. `read(stream, record)` turns a record into (time, offset, event), or None to skip."""

    def __init__(
        self, streams: int, lateness_seconds: float, read: Callable[[int, R], tuple[float, int, E] | None]
    ) -> None:
        self.streams: list[Stream[R, E]] = [Stream() for _ in range(streams)]
        self._lateness_seconds = lateness_seconds
        self._read = read

    def next(self, quiet: Callable[[int], bool]) -> Ready[E] | None:
        """The next event, or None while a stream that is not quiet has to be waited for (or all are empty)."""
        best: tuple[float, int] | None = None
        for index, stream in enumerate(self.streams):
            if not stream.queue:
                self._fill(index, stream)
            if stream.queue:
                at = stream.queue[0][0]
            elif not quiet(index):
                return None
            elif stream.heap:
                at = stream.heap[0][0]
            else:
                continue
            if best is None or (at, index) < best:
                best = (at, index)
        if best is None:
            return None
        stream = self.streams[best[1]]
        at, offset, event, late = stream.queue.popleft() if stream.queue else (*heappop(stream.heap), False)
        return Ready(at, best[1], offset, event, late)

    def _fill(self, index: int, stream: Stream[R, E]) -> None:
        inbox, read = stream.inbox, self._read
        while inbox and not stream.queue:
            item = read(index, inbox.popleft())
            if item is not None:
                stream.push(*item, self._lateness_seconds)
