"""A task without a broker: what it commits is enough to go on from, however often it is cut off."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec
import pytest

from stream.config import Settings
from stream.engine.records import Checkpoint
from stream.engine.task import EVIDENCE, Raised, Task
from stream.intake.decode import Intake
from stream.market import simulate


class Fetched(NamedTuple):
    """A record as the client gives it."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 1_000


class Book:
    """A ledger in memory; `fenced` makes the commit fail."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes | None] = {}
        self.sent: list[Any] = []
        self.evidence: list[Fetched] = []
        self.offsets = [0, 0, 0, 0]
        self.fenced = False

    async def open(self) -> None:
        self.fenced = False

    async def read(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]:
        yield list(self.rows.items())

    async def commit(self, checkpoint: Checkpoint) -> None:
        if self.fenced:
            raise ConnectionError("fenced")
        self.rows.update(checkpoint.rows)
        self.sent += checkpoint.records
        for record in checkpoint.records:
            if record.topic == Settings().evidence_topic:
                number, headers = len(self.evidence), tuple(record.headers)
                self.evidence.append(Fetched(number, record.key, record.value, headers))
        self.offsets = checkpoint.offsets

    async def close(self) -> None:
        pass

    def told(self) -> list[Fetched]:
        """What tasks tell each other comes back to them, as records with offsets."""
        return self.evidence[self.offsets[EVIDENCE] :]

    def told_as(self, kind: bytes) -> list[bytes]:
        return [value for value in self.of(Settings().evidence_topic) if value.startswith(b'{"type":"%s"' % kind)]

    def of(self, topic: str) -> list[bytes]:
        return [record.value for record in self.sent if record.topic == topic]


def _records() -> list[list[Fetched]]:
    """A market in one partition, out of order by up to 8 s, with garbage between."""
    events, _ = simulate.market("bribes", 1, 6, 60)
    streams: list[list[Fetched]] = [[], [], []]
    for number, event in enumerate(events):
        stream = ("review", "outreach", "contact").index(event["type"].split(".")[0])
        for value in (msgspec.json.encode(event), *([b"garbage"] if number % 7 == 0 else [])):
            streams[stream].append(Fetched(2 * len(streams[stream]), event["seller_id"].encode(), value))
    return streams


async def _live(task: Task, book: Book, every: int) -> bool:
    """Up to a checkpoint after so many events; whether there were fewer."""
    events = 0
    while events < every:
        taken = task.step(lambda _: True, every - events)
        events += taken
        if not taken:
            await task.checkpoint(lambda alert: alert)
            if not (told := book.told()):
                return True
            task.take(EVIDENCE, told)
    await task.checkpoint(lambda alert: alert)
    return False


async def _run(every: int) -> tuple[str, int, int, int, Book]:
    """Cut the task off after every so many events, some of them past their last checkpoint."""
    records, book = _records(), Book()
    settings = Settings(allowed_lateness_seconds=3600)
    for life in range(1000):
        task = Task(0, settings, Intake(settings, 1), book, time.time)
        await task.restore()
        for stream, offset in enumerate(book.offsets):
            held = book.told() if stream == EVIDENCE else records[stream]
            found = [record for record in held if record.offset >= offset]
            if found:
                task.take(stream, found)
        if await _live(task, book, every):
            counts = task.detector.counts
            return task.detector.digest(), counts["applied"], counts["duplicate"], task.dead.total(), book
        task.step(lambda _: True, life % 5)  # applied, never committed
        await task.drop()
    raise AssertionError("it did not come to an end")


@pytest.mark.slow
def test_a_task_cut_off_anywhere_equals_one_that_never_was() -> None:
    whole, cut = asyncio.run(_run(10**9)), asyncio.run(_run(13))
    assert whole[:4] == cut[:4]
    assert whole[3] > 100
    topics = {record.topic for record in whole[4].sent}
    assert {"integrity.evidence.v1", "dlq.reviews.lifecycle.v1"} <= topics
    for topic in topics - {Settings().evidence_topic}:
        assert whole[4].of(topic) == cut[4].of(topic)
    for kind in (b"staff", b"day"):  # what is judged together depends on when it was heard
        said = [one[4].told_as(kind) for one in (whole, cut)]
        assert said[0] == said[1] != []


@pytest.mark.slow
def test_an_alert_knows_when_kafka_was_given_its_trigger() -> None:
    async def alerts() -> list[Raised]:
        settings, book = Settings(), Book()
        task = Task(0, settings, Intake(settings, 1), book, time.time)
        await task.restore()
        events, _ = simulate.market("bribes", 1, 25, 240)
        streams: list[list[Fetched]] = [[], [], []]
        for number, event in enumerate(events):
            stream = ("review", "outreach", "contact").index(event["type"].split(".")[0])
            key, value = event["seller_id"].encode(), msgspec.json.encode(event)
            streams[stream].append(Fetched(len(streams[stream]), key, value, timestamp=1000 * number))
        for stream, records in enumerate(streams):
            for begin in range(0, len(records), 50):
                task.take(stream, records[begin : begin + 50])
        raised, step = list[Raised](), 1
        while step or task.held:
            step = task.step(lambda _: True, 10**9)
            raised += (await task.checkpoint(lambda alert: alert)).raised
            if told := book.told():
                task.take(EVIDENCE, told)
        sent = {event["event_id"]: number for number, event in enumerate(events)}
        for alert, sent_at in raised:  # the batch's first record went at most some hundred events earlier
            assert 0 <= sent[alert.evidence.event_ids[0]] - sent_at < 1000
        return raised

    assert asyncio.run(alerts())


def test_a_failed_commit_is_told() -> None:
    async def fail() -> None:
        book, settings = Book(), Settings()
        task = Task(0, settings, Intake(settings, 1), book, time.time)
        await task.restore()
        task.take(0, [Fetched(0, b"s", b"garbage")])
        task.step(lambda _: True, 10)
        book.fenced = True
        await task.checkpoint(lambda alert: alert)

    with pytest.raises(ConnectionError):
        asyncio.run(fail())
