"""Feeds a file's events to their topics, keyed as the contract says.

Rule of this room: each event once and in the file's order, also where Kafka goes away meanwhile: then it waits.
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
from stream.engine.access import connection, partitions_of
from stream.ops.lines import head, lines, stream_of

log = logging.getLogger(__name__)

#: Events sent and not yet acknowledged: the bound on the memory of a feed that is quicker than Kafka.
_IN_FLIGHT: Final = 100_000
#: What is read of the file at once.
_CHUNK_BYTES: Final = 256 * 1024


class Fed(NamedTuple):
    """How it went."""

    events: int
    failed: int
    seconds: float


def feed(
    settings: Settings,
    kafka: KafkaSettings,
    source: str,
    speed: float | None,
    progress: Callable[[int], None],
) -> Fed:
    """Send every line; returns when all are acknowledged, or refused. `speed`: a factor of real time, None: no limit.

    Raises LookupError where a topic is missing.
    """
    return asyncio.run(_feed(settings, kafka, source, Pace(speed), progress))


async def _feed(
    settings: Settings, kafka: KafkaSettings, source: str, pace: Pace, progress: Callable[[int], None]
) -> Fed:
    begun, sent = time.monotonic(), 0
    # linger: acknowledgement matters here, not latency; large batches halve the cost an event.
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
    return Fed(sent, sender.failed, time.monotonic() - begun)


async def _batches(file: io.BufferedIOBase) -> AsyncIterator[list[bytes]]:
    """The file's lines without the empty ones, as they come: what a pipe brings does not wait for more."""
    rest = b""
    while chunk := await asyncio.to_thread(file.read1, _CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        yield [line for each in whole if (line := each.rstrip(b"\r"))]
    if last := rest.rstrip(b"\r"):
        yield [last]


class _Sender:
    """Sends, and counts what was refused."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.failed = 0
        self._producer = producer
        self._room = asyncio.BoundedSemaphore(_IN_FLIGHT)

    async def send(self, topic: str, key: bytes | None, line: bytes) -> None:
        """Hand a line on; waits where too many are on their way."""
        await self._room.acquire()
        try:
            while True:
                try:
                    future = await self._producer.send(topic, line, key=key)
                    break
                except KafkaTimeoutError:  # no room in the partition's batch: Kafka is away, and will be back
                    log.warning("Kafka takes nothing of %s: waiting; nothing is lost", topic)
        except MessageSizeTooLargeError:  # raised at once, unlike all that the broker refuses
            self.failed += 1
            self._room.release()
        else:
            future.add_done_callback(self._answered)

    def _answered(self, future: asyncio.Future[Any]) -> None:
        self._room.release()
        self.failed += future.exception() is not None


class Pace:
    """Holds a feed to a factor of real time."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._start: tuple[float, float] | None = None

    async def wait(self, occurred_at: str | None) -> None:
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
            await asyncio.sleep(ahead)
