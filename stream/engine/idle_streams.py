"""Decides which streams without records a task need not wait for.

Invariant: only Kafka's answers count, and only those to requests that were sent after the wait had begun: an answer
that lay in the process while it was frozen or busy says what was true before. A stream that has more records but brings
none is given up after a limit; one for which Kafka does not answer is waited for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Final, Generic, NamedTuple, TypeVar

S = TypeVar("S")

#: A stream that has more records but brings none is waited for this many times `max_idle_seconds`.
GIVE_UP_FACTOR: Final = 30


class Tail(NamedTuple):
    """What the client knows about the end of a partition.

    Attributes:
        position: The offset that is fetched next; None if it is unknown.
        end: The offset after the last record, as of Kafka's last answer; None before the first one.
        taken: The offset after the last record that was taken from the client.
        answered_ms: When Kafka last answered (epoch milliseconds).
    """

    position: int | None = None
    end: int | None = None
    taken: int = 0
    answered_ms: int | None = None


class _Stream:
    """One stream; times are monotonic seconds."""

    __slots__ = ("answered_ms", "asked_at", "next_offset", "position", "received_at")

    def __init__(self, now: float) -> None:
        self.received_at = now
        self.next_offset = 0
        #: As of the last look; and a time before the request whose answer found the stream at this position.
        self.position: int | None = None
        self.answered_ms: int | None = None
        self.asked_at = -math.inf


class IdleStreams(Generic[S]):
    """The streams of one task, and since when each has brought nothing.

    Args:
        streams: The streams.
        inputs: Those of them whose records are merged.
        tail: Returns what the client knows about a stream's end.
        max_idle_seconds: How long a stream that is read to its end is waited for.
    """

    def __init__(
        self, streams: Iterable[S], inputs: Iterable[S], tail: Callable[[S], Tail], max_idle_seconds: float
    ) -> None:
        now = time.monotonic()
        self._streams = {stream: _Stream(now) for stream in streams}
        self._inputs = [self._streams[stream] for stream in inputs]
        self._tail = tail
        self._max_idle_seconds = max_idle_seconds
        self._turned_at = now
        #: When records came after all inputs had been idle. The other streams may bring records of the same moment a
        #: little later, so each is waited for from this time on, however long it had been idle before. A stream that is
        #: never used therefore adds no latency while another one flows.
        self._active_since = now

    def begin(self) -> None:
        """Wait for each stream from now on."""
        self._turned_at = now = time.monotonic()
        for each in self._streams.values():
            each.received_at = now

    def turn(self) -> None:
        """Count the time since the last turn of the task's loop, but at most `max_idle_seconds` of it.

        In a longer turn the process was frozen, or a checkpoint waited for Kafka: no stream could bring records.
        """
        now = time.monotonic()
        excess = now - self._turned_at - self._max_idle_seconds
        self._turned_at = now
        if excess > 0:
            self._active_since = min(now, self._active_since + excess)
            for each in self._streams.values():
                each.received_at = min(now, each.received_at + excess)

    def received(self, stream: S, next_offset: int) -> None:
        """Note that records of a stream have come, up to the one before `next_offset`."""
        now = time.monotonic()
        if now - max(each.received_at for each in self._inputs) >= self._max_idle_seconds:
            self._active_since = now
        each = self._streams[stream]
        each.received_at, each.next_offset = now, next_offset

    def next_offset(self, stream: S) -> int:
        """Return the offset after the last record that has come."""
        return self._streams[stream].next_offset

    def position(self, stream: S) -> int | None:
        """Return the offset that is fetched next; None if it is unknown, or earlier records are still on their way."""
        tail = self._tail(stream)
        return None if tail.taken > self._streams[stream].next_offset else tail.position

    def is_idle(self, stream: S, with_others: bool = True) -> bool:
        """Return whether Kafka has found a stream at its end, `max_idle_seconds` after anything came that it waits for.

        Args:
            stream: The stream.
            with_others: Whether records of other streams announce some of this one, too.
        """
        asked_at, is_ended = self._look(stream)
        return is_ended and asked_at - self._waits_since(stream, with_others) >= self._max_idle_seconds

    def given_up_after_seconds(self, stream: S, with_others: bool = True) -> float | None:
        """Return how long a stream has been waited for that has more records and brings none; None within the limit."""
        asked_at, is_ended = self._look(stream)
        seconds = asked_at - self._waits_since(stream, with_others)
        return None if is_ended or seconds <= GIVE_UP_FACTOR * self._max_idle_seconds else seconds

    def is_empty(self, stream: S) -> bool:
        """Return whether Kafka has answered that a stream has never had a record."""
        asked_at, is_ended = self._look(stream)
        return is_ended and math.isfinite(asked_at) and self._streams[stream].position == 0

    def _waits_since(self, stream: S, with_others: bool) -> float:
        received_at = self._streams[stream].received_at
        return max(received_at, self._active_since) if with_others else received_at

    def _look(self, stream: S) -> tuple[float, bool]:
        """Return a time after which Kafka was asked for a stream's end, and whether the stream is read to that end.

        The client has one request for a partition on its way, so it sent the request of one answer after it had the
        answer before it. Both answers must find the same position: else the second one brought records, which may still
        be on their way to the task. The time is in monotonic seconds, and -inf if it is unknown.
        """
        each, tail = self._streams[stream], self._tail(stream)
        position = None if tail.taken > each.next_offset else tail.position
        if position is None or position != each.position:
            each.position, each.answered_ms, each.asked_at = position, tail.answered_ms, -math.inf
        elif tail.answered_ms != each.answered_ms:
            if each.answered_ms is not None:
                each.asked_at = time.monotonic() - max(0.0, time.time() - each.answered_ms / 1000)
            each.answered_ms = tail.answered_ms
        return each.asked_at, position is not None and tail.end is not None and position >= tail.end
