"""Sends a file's events to their topics, keyed by seller.

Invariant: each line once and in the file's order. A line that is no event is sent, too, and becomes a dead letter; but
nothing is sent while all lines so far are refused: a file of another format. While Kafka is away, the feed waits. An
interrupted feed reports how many events Kafka has acknowledged.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, nullcontext
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from stream.config import KafkaSettings, Settings, SettingsError, variable
from stream.engine.kafka_auth import connection, partitions_of
from stream.ops.event_files import Head, head, lines, stream_of
from stream.ops.interruption import Interruptible, Interruption
from stream.ops.line_check import CheckResult, LineCheck
from stream.ops.missing_topics import advice
from stream.ops.named_retries import named_retries
from stream.ops.sorted_events import sorted_lines
from stream.ops.topics import Inputs, inputs, refuse_errors

log = logging.getLogger(__name__)

#: The most events that are sent and not acknowledged: the bound on memory if Kafka is slower than the file.
_IN_FLIGHT: Final = 100_000
#: How much of the file is read at once.
_CHUNK_BYTES: Final = 256 * 1024
#: How long an interrupted feed waits for the acknowledgements of what it has sent.
_LAST_ANSWERS_SECONDS: Final = 2
#: Lines that may be refused before the first event: a file of another format has none.
MAX_REFUSED_FIRST: Final = 1000


class AllRefused(Exception):  # noqa: N818  # an outcome, not an error of the program
    """The file's first lines are all refused, and none was sent.

    Args:
        check: What was read.
    """

    def __init__(self, check: CheckResult) -> None:
        self.check = check
        super().__init__(check.lines)


class FeedResult(NamedTuple):
    """The outcome of a feed.

    Attributes:
        events: Events sent.
        failed: Events that Kafka refused.
        seconds: The duration.
        check: What a worker will take of them, and in which order.
    """

    events: int
    failed: int
    seconds: float
    check: CheckResult


def feed(
    settings: Settings,
    kafka: KafkaSettings,
    source: str,
    speed: float | None,
    progress: Callable[[int], None],
    sort: bool = False,
    interruptible: Interruptible = lambda stop: nullcontext(),
    interrupted: Callable[[int], None] = lambda acknowledged: None,
) -> FeedResult:
    """Send every line, and return once Kafka has acknowledged or refused all of them.

    Args:
        settings, kafka: All settings.
        source: A `.jsonl` or `.jsonl.gz` file, or `-`.
        speed: A multiple of real time; None for no limit.
        progress: Called with the number of events sent so far.
        sort: Whether the file is sorted by occurred_at first.
        interruptible: Returns a context in which a signal calls its argument, in place of raising KeyboardInterrupt.
        interrupted: Called after such a signal, with the number of events that Kafka has acknowledged.

    Raises:
        KeyboardInterrupt: A signal ended the feed.
        LookupError: A topic is missing.
        TopicsError: On the present input topics events would be lost or refused; nothing was sent.
        SettingsError: The input topics hold another format than JSON; nothing was sent.
        AllRefused: The first MAX_REFUSED_FIRST lines, or all lines of a shorter file, are refused; nothing was sent.
    """
    _refuse_formats(settings)
    end = Interruption(interrupted)
    with ExitStack() as stack:
        try:
            found = inputs(settings, kafka)
            refuse_errors(found.problems)
            file = stack.enter_context((sorted_lines if sort else lines)(source))
        except KeyboardInterrupt:
            end.report()
            raise
        stack.enter_context(named_retries(log.warning))
        stack.enter_context(interruptible(end.request))
        try:
            return asyncio.run(_feed(settings, kafka, file, Pace(speed), progress, _batch_bytes(found), end))
        except asyncio.CancelledError:
            end.report()
            raise KeyboardInterrupt from None


def _refuse_formats(settings: Settings) -> None:
    """Raise SettingsError if a worker would refuse all that is sent: a feed writes JSON without headers."""
    found = zip(settings.marketplace_topics, settings.input_formats, strict=False)  # verdicts are taken as JSON
    refused = [f"{topic} ({name})" for topic, name in found if name not in {"json", "outbox"}]
    if refused:
        raise SettingsError(
            f"{variable(Settings, 'input_format')}={settings.input_format}: a feed writes JSON, which a worker refuses "
            f"in {', '.join(refused)}: feed other topics, or unset it while the topics are filled from files"
        )


def check(settings: Settings, source: str, partitions: int, sort: bool = False) -> CheckResult:
    """Decode every line as a worker would, judge what the tasks will have to compare, and send nothing.

    Args:
        settings: All settings.
        source: A `.jsonl` or `.jsonl.gz` file, or `-`.
        partitions: The number of partitions that the lines would be fed to.
        sort: Whether the file is sorted by occurred_at first.
    """
    checked = LineCheck(settings, partitions, with_sizes=True)
    with (sorted_lines if sort else lines)(source) as file:
        for raw in file:
            line = raw.rstrip(b"\r\n")
            checked.add(line, head(line))
    return checked.result()


def _batch_bytes(found: Inputs) -> int:
    """Return the size of a batch that all input topics take: the client divides no batch that Kafka refuses."""
    return _CHUNK_BYTES if found.max_batch_bytes is None else min(_CHUNK_BYTES, found.max_batch_bytes)


async def _feed(
    settings: Settings,
    kafka: KafkaSettings,
    file: io.BufferedIOBase,
    pace: Pace,
    progress: Callable[[int], None],
    batch_bytes: int,
    end: Interruption,
) -> FeedResult:
    begun, sent = time.monotonic(), 0
    # linger: latency does not matter here, and large batches halve the cost of an event.
    producer = AIOKafkaProducer(
        **connection(kafka), acks="all", enable_idempotence=True, linger_ms=20, max_batch_size=batch_bytes
    )
    sender = _Sender(producer)
    end.bind(lambda: sender.acknowledged)
    async with producer:
        checked = LineCheck(settings, await _partitions(settings, producer))
        start = _Start(checked)
        try:
            async for batch in _batches(file):
                for line, top in start.passed(batch):
                    await pace.wait(top.occurred_at)
                    key = top.key.encode() if top.key else None
                    await sender.send(settings.input_topics[stream_of(top.type)], key, line)
                    sent += 1
                progress(sent)
            if checked.lines and not checked.events:
                raise AllRefused(checked.result())
            await producer.flush()
        except asyncio.CancelledError:
            await sender.settle()
            end.report()  # before the producer closes, which takes long while Kafka is away
            raise
    return FeedResult(sent, sender.failed, time.monotonic() - begun, checked.result())


async def _partitions(settings: Settings, producer: AIOKafkaProducer) -> int:
    """Return the number of partitions: a worker refuses topics of different partition counts."""
    found = await asyncio.gather(*(partitions_of(producer, topic) for topic in settings.input_topics))
    counts = {topic: len(partitions) for topic, partitions in zip(settings.input_topics, found, strict=True)}
    for topic, count in counts.items():
        if not count:
            raise LookupError(f"topic {topic} does not exist: {advice(counts.values())}")
    return count


async def _batches(file: io.BufferedIOBase) -> AsyncIterator[list[bytes]]:
    """Yield the file's lines, as they arrive: a pipe's lines do not wait for a full buffer."""
    rest = b""
    while chunk := await asyncio.to_thread(file.read1, _CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        yield [each.rstrip(b"\r") for each in whole]
    if last := rest.rstrip(b"\r"):
        yield [last]


class _Start:
    """Holds the first lines back until one of them is an event.

    Args:
        checked: Decodes and counts the lines.
    """

    def __init__(self, checked: LineCheck) -> None:
        self._checked = checked
        #: None once a line was an event.
        self._held: list[tuple[bytes, Head]] | None = []

    def passed(self, batch: list[bytes]) -> Iterator[tuple[bytes, Head]]:
        """Yield the lines of a batch that may be sent, and those that were held back; raise AllRefused."""
        for line in batch:
            top = head(line)
            is_event = self._checked.add(line, top)
            if self._held is None:
                if line:
                    yield line, top
                continue
            if line:
                self._held.append((line, top))
            if is_event:
                yield from self._held
                self._held = None
            elif len(self._held) >= MAX_REFUSED_FIRST:
                raise AllRefused(self._checked.result())


class _Sender:
    """Sends lines, and counts those that Kafka refuses."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.acknowledged = self.failed = 0
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
        failed = future.cancelled() or future.exception() is not None
        self.failed += failed
        self.acknowledged += not failed

    async def settle(self) -> None:
        """Wait a little for the answers about what was sent."""
        await asyncio.wait({asyncio.ensure_future(self._producer.flush())}, timeout=_LAST_ANSWERS_SECONDS)
        await asyncio.sleep(0)  # the futures' callbacks


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
