"""Sends a file's events to their topics, keyed by seller.

Invariant: each event once and in the file's order. While Kafka is away, the feed waits.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from stream.config import KafkaSettings, Settings
from stream.engine.kafka_auth import connection, partitions_of
from stream.ops.event_files import head, lines, stream_of

log = logging.getLogger(__name__)

#: The most events that are sent and not acknowledged: the bound on memory if Kafka is slower than the file.
_IN_FLIGHT: Final = 100_000
#: How much of the file is read at once.
_CHUNK_BYTES: Final = 256 * 1024


class FeedResult(NamedTuple):
    """The outcome of a feed.

    Attributes:
        events: Events sent.
        failed: Events that Kafka refused.
        seconds: The duration.
    """

    events: int
    failed: int
    seconds: float


def feed(
    settings: Settings,
    kafka: KafkaSettings,
    source: str,
    speed: float | None,
    progress: Callable[[int], None],
) -> FeedResult:
    """Send every line, and return once Kafka has acknowledged or refused all of them.

    Args:
        settings, kafka: All settings.
        source: A `.jsonl` or `.jsonl.gz` file, or `-`.
        speed: A multiple of real time; None for no limit.
        progress: Called with the number of events sent so far.

    Raises:
        LookupError: A topic is missing.
    """
    return asyncio.run(_feed(settings, kafka, source, Pace(speed), progress))


async def _feed(
    settings: Settings, kafka: KafkaSettings, source: str, pace: Pace, progress: Callable[[int], None]
) -> FeedResult:
    begun, sent = time.monotonic(), 0
    # linger: latency does not matter here, and large batches halve the cost of an event.
    producer = AIOKafkaProducer(
        **connection(kafka), acks="all", enable_idempotence=True, linger_ms=20, max_batch_size=_CHUNK_BYTES
    )
    async with producer:
        sender = _Sender(producer)
        for topic in settings.input_topics:
            if not await partitions_of(producer, topic):
                raise LookupError(f"topic {topic} does not exist: run `volteface topics create`")
        with lines(source) as file:
            async for batch in _batches(file):
                for line in batch:
                    top = head(line)
                    await pace.wait(top.occurred_at)
                    key = top.seller_id.encode() if top.seller_id else None
                    await sender.send(settings.input_topics[stream_of(top.type)], key, line)
                    sent += 1
                progress(sent)
        await producer.flush()
    return FeedResult(sent, sender.failed, time.monotonic() - begun)


async def _batches(file: io.BufferedIOBase) -> AsyncIterator[list[bytes]]:
    """Yield the file's lines without the empty ones, as they arrive: a pipe's lines do not wait for a full buffer."""
    rest = b""
    while chunk := await asyncio.to_thread(file.read1, _CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        yield [line for each in whole if (line := each.rstrip(b"\r"))]
    if last := rest.rstrip(b"\r"):
        yield [last]


class _Sender:
    """Sends lines, and counts those that Kafka refuses."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.failed = 0
        self._producer = producer
        self._slots = asyncio.BoundedSemaphore(_IN_FLIGHT)

    async def send(self, topic: str, key: bytes | None, line: bytes) -> None:
        """Send a line; wait if too many are not acknowledged."""
        await self._slots.acquire()
        try:
            while True:
                try:
                    future = await self._producer.send(topic, line, key=key)
                    break
                except KafkaTimeoutError:  # the partition's batch is full, because Kafka is away
                    log.warning("Kafka accepts no records for %s: waiting; no event is lost", topic)
        except MessageSizeTooLargeError:  # raised at once, unlike refusals by the broker
            self.failed += 1
            self._slots.release()
        else:
            future.add_done_callback(self._answered)

    def _answered(self, future: asyncio.Future[Any]) -> None:
        self._slots.release()
        self.failed += future.exception() is not None


class Pace:
    """Limits a feed to a multiple of real time."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._start: tuple[float, float] | None = None

    async def wait(self, occurred_at: str | None) -> None:
        """Sleep until the event is due."""
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
            await asyncio.sleep(ahead)
