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
from typing import Final, Generic, TypeVar

E = TypeVar("E")
R = TypeVar("R")

#: Most events of one stream held back for reordering; the earliest is then released early.
REORDER_LIMIT: Final = 50_000


#: An event that nothing on time can overtake any more: its time, stream, offset, itself, and whether it came late.
#: A bare tuple, made once an event: a named one costs twice as much.
Ready = tuple[float, int, int, E, bool]


class Stream(Generic[R, E]):
    """One input: `inbox` holds records as they came, `heap` what may still be overtaken, `queue` what may not."""

    __slots__ = ("done", "heap", "inbox", "index", "latest", "next_offset", "open", "queue")

    def __init__(self, index: int) -> None:
        self.index = index
        self.inbox: deque[R] = deque()
        self.heap: list[tuple[float, int, E]] = []
        self.queue: deque[Ready[E]] = deque()
        self.latest = float("-inf")
        self.next_offset = 0
        #: Offsets read and not yet done, in offset order, beside the done ones that wait for an earlier one.
        self.open: deque[int] = deque()
        self.done: set[int] = set()

    def push(self, at: float, offset: int, event: E, lateness_seconds: float) -> None:
        """Take an event in; release all that nothing on time can overtake any more."""
        self.open.append(offset)
        if at < self.latest - lateness_seconds:
            self.queue.append((at, self.index, offset, event, True))
            return
        heap = self.heap
        heappush(heap, (at, offset, event))
        if at > self.latest:
            self.latest = at
            settled = at - lateness_seconds
            while heap[0][0] <= settled:
                self.release()
                if not heap:
                    break
        if len(heap) > REORDER_LIMIT:
            self.release()

    def release(self) -> None:
        """Queue the earliest event that was held back."""
        at, offset, event = heappop(self.heap)
        self.queue.append((at, self.index, offset, event, False))

    def skip(self, offset: int) -> None:
        """A record was read that gives no event: it is done, also while an earlier one is not."""
        self.open.append(offset)
        self.finish(offset)

    def finish(self, offset: int) -> None:
        """An event of this stream has been applied."""
        read, done = self.open, self.done
        if read[0] == offset:
            read.popleft()
        else:
            done.add(offset)
        while done and read and read[0] in done:
            done.remove(read.popleft())

    @property
    def waiting(self) -> int:
        """Records read and not yet applied."""
        return len(self.inbox) + len(self.heap) + len(self.queue)

    @property
    def lowest(self) -> int:
        """The lowest offset still to do."""
        return self.open[0] if self.open else self.next_offset

    @property
    def position(self) -> tuple[int, list[int]]:
        """The lowest offset still to do, and those above it that are done already."""
        return self.lowest, sorted(self.done)


class Merge(Generic[R, E]):
    """Merges a task's streams. `read(stream, record)` turns a record into (time, offset, event), or None to skip."""

    def __init__(
        self, streams: int, lateness_seconds: float, read: Callable[[int, R], tuple[float, int, E] | None]
    ) -> None:
        self.streams: list[Stream[R, E]] = [Stream(index) for index in range(streams)]
        self._lateness_seconds = lateness_seconds
        self._read = read
        #: The time of the next event, where `take` had to leave it.
        self.held: float | None = None

    def take(self, quiet: Callable[[int], bool], limit: int, until: float) -> list[Ready[E]]:
        """The next events, up to `limit`; fewer where a stream that is not quiet has to be waited for, or all end.

        Nothing from the time `until` on is taken, and so nothing behind it in its stream.

        The earliest stream gives all it has up to the next head of the others, so that they are compared once a run.
        """
        taken: list[Ready[E]] = []
        self.held = None
        while len(taken) < limit:
            heads = self._heads(quiet)
            if not heads:
                break
            if heads[0][0] >= until:
                self.held = heads[0][0]
                break
            stream = self.streams[heads[0][1]]
            bound = min(heads[1], (until, 0)) if len(heads) > 1 else (until, 0)
            if not stream.queue:
                stream.release()  # nothing more can come for now: what was held back has its turn
            queue = stream.queue
            while queue and len(taken) < limit and (queue[0][0], stream.index) < bound:
                taken.append(queue.popleft())
                if not queue:
                    self._fill(stream)
        return taken

    def finish(self, taken: list[Ready[E]]) -> None:
        """These events have been applied."""
        for _, stream, offset, _, _ in taken:
            self.streams[stream].finish(offset)

    def _heads(self, quiet: Callable[[int], bool]) -> list[tuple[float, int]]:
        """Time and number of each stream that has an event, earliest first; none while one has to be waited for."""
        heads: list[tuple[float, int]] = []
        for stream in self.streams:
            if not stream.queue:
                self._fill(stream)
            if stream.queue:
                heads.append((stream.queue[0][0], stream.index))
            elif not quiet(stream.index):
                return []
            elif stream.heap:
                heads.append((stream.heap[0][0], stream.index))
        heads.sort()
        return heads

    def _fill(self, stream: Stream[R, E]) -> None:
        inbox, read, lateness_seconds = stream.inbox, self._read, self._lateness_seconds
        while inbox and not stream.queue:
            item = read(stream.index, inbox.popleft())
            if item is not None:
                stream.push(*item, lateness_seconds)
