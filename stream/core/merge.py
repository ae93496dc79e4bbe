"""The order of events within a task: its input streams merged by event time, as Kafka Streams picks the next record.

Invariant: the order depends on the records of each stream alone, never on how they were split into fetches. So a task
applies a backlog in the order in which `volteface replay` applies the same records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

E = TypeVar("E")
R = TypeVar("R")

#: The most events of one stream that are held back for reordering; beyond it the earliest is released early.
REORDER_LIMIT: Final = 50_000

#: An event in its final place: time (epoch seconds), stream, offset, event, and whether it came late: more than the
#: allowed lateness behind its stream, or behind the merge. A plain tuple, made for every event: a named tuple costs
#: twice as much.
Ready = tuple[float, int, int, E, bool]


class Stream(Generic[R, E]):
    """One input stream of a task.

    Args:
        index: The number of the stream within the task.

    Attributes:
        inbox: Records as they were fetched.
        heap: Events that an event on time may still overtake: (time, offset, event).
        queue: Events in their final order.
        latest: The latest event time read, in epoch seconds.
        next_offset: The offset after the latest record fetched.
        held: Whether the first record of the inbox cannot be read yet. The stream is not read on meanwhile.
    """

    __slots__ = ("done_offsets", "heap", "held", "inbox", "index", "latest", "next_offset", "open_offsets", "queue")

    def __init__(self, index: int) -> None:
        self.index = index
        self.inbox: deque[R] = deque()
        self.held = False
        self.heap: list[tuple[float, int, E]] = []
        self.queue: deque[Ready[E]] = deque()
        self.latest = float("-inf")
        self.next_offset = 0
        #: Offsets read and not finished, in order; and finished offsets above the lowest unfinished one.
        self.open_offsets: deque[int] = deque()
        self.done_offsets: set[int] = set()

    def push(self, at: float, offset: int, event: E, lateness_seconds: float) -> None:
        """Take in an event, and queue all events that no event on time can overtake any more.

        Args:
            at: Event time, in epoch seconds.
            offset: The record's offset.
            event: The event.
            lateness_seconds: The allowed lateness; an event further behind `latest` is queued at once, as late.
        """
        self.open_offsets.append(offset)
        if at < self.latest - lateness_seconds:
            self.queue.append((at, self.index, offset, event, True))
            return
        heap = self.heap
        heappush(heap, (at, offset, event))
        if at > self.latest:
            self.latest = at
            on_time_since = at - lateness_seconds
            while heap[0][0] <= on_time_since:
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
        """Mark a record that gives no event as finished; earlier ones may still be open."""
        self.open_offsets.append(offset)
        self.finish(offset)

    def finish(self, offset: int) -> None:
        """Mark the record of an event as finished: the event has been applied."""
        read, done = self.open_offsets, self.done_offsets
        if read[0] == offset:
            read.popleft()
        else:
            done.add(offset)
        while done and read and read[0] in done:
            done.remove(read.popleft())

    def pass_over(self, offset: int) -> None:
        """Continue at an offset below which no record is left; all earlier records are finished."""
        self.next_offset = max(self.next_offset, offset)
        self.done_offsets = {done for done in self.done_offsets if done >= offset}

    @property
    def waiting(self) -> int:
        """The number of records read and not yet applied."""
        return len(self.inbox) + len(self.heap) + len(self.queue)

    @property
    def low_offset(self) -> int:
        """The lowest offset that is not finished."""
        return self.open_offsets[0] if self.open_offsets else self.next_offset

    @property
    def position(self) -> tuple[int, list[int]]:
        """The lowest offset that is not finished, and the finished offsets above it."""
        return self.low_offset, sorted(self.done_offsets)


class Merge(Generic[R, E]):
    """Merges a task's input streams by event time.

    Each stream sorts its own small disorder, up to the allowed lateness. A stream is read on only when its first event
    is needed, and the earliest first event comes next. A stream without an event is waited for, unless it is idle.

    Args:
        streams: The number of streams.
        lateness_seconds: The allowed lateness, in seconds of event time.
        read: From a stream's number and a record to (time, offset, event), or None to skip the record. It may put the
            record back, set the stream's `held` and return None; then the stream is waited for until this is unset.

    Attributes:
        clock: The latest event time taken, in epoch seconds. A restored task sets it, so that an event is late after a
            restart, too.
    """

    def __init__(
        self, streams: int, lateness_seconds: float, read: Callable[[int, R], tuple[float, int, E] | None]
    ) -> None:
        self.streams: list[Stream[R, E]] = [Stream(index) for index in range(streams)]
        self.clock = float("-inf")
        self._lateness_seconds = lateness_seconds
        self._read = read
        #: The time of the next event (epoch seconds) if the last `take` left it because of `before`.
        self.blocked_at: float | None = None

    def take(self, idle: Callable[[int], bool], limit: int, before: float) -> list[Ready[E]]:
        """Return the next events in order.

        The earliest stream gives all its events up to the first event of the others, so streams are compared once a
        run.

        Args:
            idle: Whether the stream of this number is idle, so that the merge need not wait for it.
            limit: The most events to return.
            before: No event at or after this time (epoch seconds) is taken, nor an event behind it in its stream. If
                one is next, `blocked_at` is its time.

        Returns:
            Fewer than `limit` events if a stream has to be waited for, or no stream has more.
        """
        taken: list[Ready[E]] = []
        self.blocked_at = None
        while len(taken) < limit:
            heads = self._heads(idle)
            if not heads:
                break
            if heads[0][0] >= before:
                self.blocked_at = heads[0][0]
                break
            stream = self.streams[heads[0][1]]
            bound = min(heads[1], (before, 0)) if len(heads) > 1 else (before, 0)
            if not stream.queue:
                stream.release()  # an idle stream: its events need not be held back
            queue = stream.queue
            while queue and len(taken) < limit and (queue[0][0], stream.index) < bound:
                taken.append(self._on_time_or_late(queue.popleft()))
                if not queue:
                    self._fill(stream)
        return taken

    def _on_time_or_late(self, event: Ready[E]) -> Ready[E]:
        """Mark an event as late if its whole stream is behind the others: it came after they were read without it."""
        at = event[0]
        if at >= self.clock:
            self.clock = at
        elif at < self.clock - self._lateness_seconds and not event[4]:
            return (at, event[1], event[2], event[3], True)
        return event

    def finish(self, taken: list[Ready[E]]) -> None:
        """Mark events as applied."""
        for _, stream, offset, _, _ in taken:
            self.streams[stream].finish(offset)

    def _heads(self, idle: Callable[[int], bool]) -> list[tuple[float, int]]:
        """Return time and number of each stream's first event, earliest first; none while a stream is waited for."""
        heads: list[tuple[float, int]] = []
        for stream in self.streams:
            if not stream.queue:
                self._fill(stream)
            if stream.queue:
                heads.append((stream.queue[0][0], stream.index))
            elif stream.held or not idle(stream.index):
                return []
            elif stream.heap:
                heads.append((stream.heap[0][0], stream.index))
        heads.sort()
        return heads

    def _fill(self, stream: Stream[R, E]) -> None:
        """Read a stream's inbox until one of its events is in final order."""
        inbox, read, lateness_seconds = stream.inbox, self._read, self._lateness_seconds
        while inbox and not stream.queue and not stream.held:
            item = read(stream.index, inbox.popleft())
            if item is not None:
                stream.push(*item, lateness_seconds)
