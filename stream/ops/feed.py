"""Feeds a file's events to their topics, keyed as the contract says."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

import msgspec
from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError

from stream.config import KafkaSettings, Settings
from stream.ops.client import connection

_PREFIXES: Final = (("outreach.", 1), ("contact.", 2))
#: Events sent and not yet acknowledged: the bound on the memory of a feed that is quicker than Kafka.
_IN_FLIGHT: Final = 100_000


class Head(msgspec.Struct):
    """What of a line decides where it goes."""

    type: str = ""
    seller_id: str | None = None
    occurred_at: str | None = None


_head = msgspec.json.Decoder(Head)


class Fed(NamedTuple):
    """How it went."""

    events: int
    failed: int
    seconds: float


@contextmanager
def lines(source: str) -> Iterator[IO[bytes]]:
    """The lines of a `.jsonl`, a `.jsonl.gz`, or standard input (`-`)."""
    if source == "-":
        yield sys.stdin.buffer
    elif source.endswith(".gz"):
        with gzip.open(source) as packed:
            yield cast("IO[bytes]", packed)
    else:
        with Path(source).open("rb") as plain, io.BufferedReader(plain.raw, 1 << 20) as buffered:
            yield buffered


def head(line: bytes) -> Head:
    """A line's type and key; an unreadable line has neither."""
    try:
        return _head.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Head()


def stream_of(kind: str) -> int:
    """The input stream of an event type; what is unknown goes the way of reviews, to be refused there."""
    return next((stream for prefix, stream in _PREFIXES if kind.startswith(prefix)), 0)


def feed(
    settings: Settings,
    kafka: KafkaSettings,
    source: str,
    speed: float | None,
    progress: Callable[[int], None],
) -> Fed:
    """Send every line; returns when all are acknowledged. `speed` is a factor of real time, None without limit."""
    failed: list[BaseException] = []
    room = threading.BoundedSemaphore(_IN_FLIGHT)
    begun, sent, clock = time.monotonic(), 0, Pace(speed)
    # linger: acknowledgement matters here, not latency; large batches halve the cost an event.
    producer = KafkaProducer(**connection(kafka), acks="all", linger_ms=20, batch_size=262_144)
    with closing(producer), lines(source) as file:
        for raw in file:
            line = raw.rstrip(b"\r\n")
            if not line:
                continue
            top = head(line)
            clock.wait(top.occurred_at)
            key = top.seller_id.encode() if top.seller_id else None
            sent += 1
            room.acquire()
            try:
                future: Any = producer.send(settings.input_topics[stream_of(top.type)], value=line, key=key)
                future.add_errback(failed.append)
                future.add_both(lambda _: room.release())
            except MessageSizeTooLargeError as error:  # raised at once, unlike all that the broker refuses
                failed.append(error)
                room.release()
            if sent % 1000 == 0:
                progress(sent)
        producer.flush()
    progress(sent)
    return Fed(sent, len(failed), time.monotonic() - begun)


class Pace:
    """Holds a feed to a factor of real time."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._start: tuple[float, float] | None = None

    def wait(self, occurred_at: str | None) -> None:
        """Sleep until the event's time has come."""
        if self._speed is None or occurred_at is None:
            return
        try:
            at = dt.datetime.fromisoformat(occurred_at).timestamp()
        except ValueError:
            return
        if self._start is None:
            self._start = (time.monotonic(), at)
        begun, first = self._start
        ahead = (at - first) / self._speed - (time.monotonic() - begun)
        if ahead > 0:
            time.sleep(ahead)
