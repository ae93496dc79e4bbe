"""Records that expire before a task reads them are reported: all of them, and each once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

import pytest
import structlog

from stream.config import Settings
from stream.engine.idle_streams import Tail
from stream.engine.log_check import Gap, Log, Start, check
from stream.engine.task import Task
from stream.engine.task_runner import TaskRunner
from stream.intake.intake import Intake
from tests.unit.engine.doubles import FakePartitionControl, FetchedRecord, InMemoryCheckpointStore, NullTaskMetrics

_SETTINGS: Final = Settings()
_TOPIC: Final = _SETTINGS.lifecycle_topic


class ExpiringStore(InMemoryCheckpointStore):
    """Checks the logs as the product does; the reviews' log begins at `beginning`.

    Attributes:
        on_read: Called when the logs' ends have been read, before the task goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.beginning = 0
        self.on_read: Callable[[], None] = lambda: None

    async def check_logs(self, offsets: list[int] | None, *, at_checkpoint: bool) -> Start:
        logs = [Log(topic, 0, self.beginning if topic == _TOPIC else 0, 1000, None) for topic in _SETTINGS.read_topics]
        self.on_read()
        return check(offsets, logs, len(_SETTINGS.input_topics), _SETTINGS.state_topic)


def _task(store: ExpiringStore) -> Task:
    return Task(0, _SETTINGS, Intake(_SETTINGS, 1), store, time.time)


def _garbage(first: int, last: int) -> list[FetchedRecord]:
    return [FetchedRecord(offset, None, b"garbage") for offset in range(first, last)]


async def _with_state(store: ExpiringStore) -> None:
    """Let a first task commit a state that has read ten records."""
    task = _task(store)
    await task.restore()
    task.take(0, _garbage(0, 10))
    task.step(lambda _: True, 100)
    await task.checkpoint(lambda alert: alert)
    assert store.offsets[0] == 10


@pytest.mark.parametrize(
    ("done", "left"),
    [
        ([], [(3, 9)]),
        ([5], [(3, 5), (6, 9)]),
        ([3, 8], [(4, 8)]),
        ([2, 9, 12], [(3, 9)]),
        ([8, 4, 5], [(3, 4), (6, 8)]),
        (range(3, 9), []),
    ],
)
def test_records_that_were_done_ahead_of_earlier_ones_are_not_reported(
    done: list[int], left: list[tuple[int, int]]
) -> None:
    assert Gap("reviews", 1, 3, 9).without(done) == [Gap("reviews", 1, *each) for each in left]


def test_expired_records_are_reported_once_without_further_input() -> None:
    async def run() -> None:
        store = ExpiringStore()
        await _with_state(store)
        store.beginning = 30
        task = _task(store)
        await task.restore()
        assert task.gaps == [Gap(_TOPIC, 0, 10, 30)]
        await task.checkpoint(lambda alert: alert)
        next_owner = _task(store)
        await next_owner.restore()
        assert next_owner.gaps == []

    asyncio.run(run())


@pytest.mark.parametrize("fetched_before", [(), (0, 5), (5, 12)])
def test_records_that_expire_while_a_task_is_restored_are_noted(fetched_before: tuple[int, ...]) -> None:
    async def run() -> None:
        store = ExpiringStore()
        await _with_state(store)
        task = _task(store)

        def expire() -> None:
            if fetched_before:
                task.take(0, _garbage(*fetched_before))
            task.take(0, _garbage(30, 40))

        store.on_read = expire
        await task.restore()
        assert task.gaps == []
        first = max(10, *fetched_before, 0)
        task.receptions[0].skipped.check(30)
        assert task.pass_gaps(0) == ([Gap(_TOPIC, 0, first, 30)] if first == 10 else [])
        task.step(lambda _: True, 100)
        assert task.pass_gaps(0) == ([] if first == 10 else [Gap(_TOPIC, 0, first, 30)])

    asyncio.run(run())


def test_records_that_expired_before_the_check_are_reported_once() -> None:
    """They are a gap of the restored offsets; what fetches passed over meanwhile is the same gap."""

    async def run() -> None:
        store = ExpiringStore()
        await _with_state(store)
        store.beginning = 30
        task = _task(store)
        task.take(0, _garbage(5, 12))
        task.take(0, _garbage(30, 40))
        await task.restore()
        assert task.gaps == [Gap(_TOPIC, 0, 10, 30)]
        task.receptions[0].skipped.check(30)
        assert task.pass_gaps(0) == []

    asyncio.run(run())


class _Control(FakePartitionControl):
    """The reviews' log begins at offset 30."""

    async def beginning(self, stream: int, partition: int) -> int:
        return 30 if stream == 0 else 0


class _Metrics(NullTaskMetrics):
    def __init__(self) -> None:
        self.expired = 0

    def records_expired(self, topic: str, count: int) -> None:
        self.expired += count


def test_skipped_records_are_reported_before_the_offsets_after_them_are_committed() -> None:
    """If the worker ends after its next checkpoint, nobody sees the gap again."""

    async def run() -> None:
        store, metrics = ExpiringStore(), _Metrics()
        await _with_state(store)
        task = _task(store)
        runner = TaskRunner(task, _SETTINGS, _Control(), metrics)
        await task.restore()
        runner.take(0, _garbage(30, 40))
        task.step(lambda _: True, 100)
        with structlog.testing.capture_logs() as lines:
            await runner.checkpoint()
        assert (store.offsets[0], metrics.expired) == (40, 20)
        (line,) = lines
        assert "these events alone do not repair the state" in line["text"]
        assert '"Backfill and cut-over"' in line["text"]

    asyncio.run(run())


class _Looking(ExpiringStore):
    """Remembers what it was asked to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[tuple[int, dict[int, int]]] = []

    async def check_delivered(self, offsets: list[int], firsts: Mapping[int, int]) -> None:
        self.looked.append((offsets[0], dict(firsts)))


@pytest.mark.parametrize("restored_first", [True, False])
@pytest.mark.parametrize(("first", "looked"), [(5, []), (10, []), (12, [(10, {0: 12})])])
def test_a_first_record_that_does_not_follow_the_restored_offset_is_looked_at(
    restored_first: bool, first: int, looked: list[tuple[int, dict[int, int]]]
) -> None:
    """The group's offsets may have been those of another consumer when this one read them, and right when checked."""

    async def run() -> None:
        store = _Looking()
        await _with_state(store)
        task = _task(store)
        if restored_first:
            await task.restore()
            task.take(0, _garbage(first, 20))
        else:
            task.take(0, _garbage(first, 20))
            await task.restore()
        task.take(0, _garbage(25, 30))
        for _ in range(2):
            await task.verify()
        assert store.looked == looked

    asyncio.run(run())


class _Jumped(_Control):
    """The client waits at offset 30, and the reviews' log begins there or at 0."""

    def __init__(self, log_begins: int) -> None:
        super().__init__()
        self._log_begins = log_begins

    def tail(self, stream: int, partition: int) -> Tail:
        return super().tail(stream, partition)._replace(position=30 if stream == 0 else 0)

    async def beginning(self, stream: int, partition: int) -> int:
        return self._log_begins if stream == 0 else 0


@pytest.mark.parametrize(("beginning", "expired", "offset"), [(30, 20, 30), (20, 10, 20), (0, 0, 10)])
def test_records_that_expire_before_a_quiet_task_reads_them_are_reported_once(
    beginning: int, expired: int, offset: int
) -> None:
    """Offsets that are still in the log are no records: transaction markers, or another consumer's group offsets."""

    async def run() -> None:
        store, metrics = ExpiringStore(), _Metrics()
        await _with_state(store)
        task = _task(store)
        runner = TaskRunner(task, _SETTINGS, _Jumped(beginning), metrics)
        await task.restore()
        seen = []
        for _ in range(4):
            runner._look_at_positions()
            await runner.checkpoint()
            seen.append(metrics.expired)
        assert seen == [0, expired, expired, expired]
        assert store.offsets[0] == offset
        runner.take(0, _garbage(31, 40))
        task.step(lambda _: True, 100)
        await runner.checkpoint()
        assert (store.offsets[0], metrics.expired) == (40, expired)
        store.beginning = 30
        next_owner = _task(store)
        await next_owner.restore()
        assert next_owner.gaps == []

    asyncio.run(run())


@pytest.mark.parametrize("read", [0, 1, 4, 12])
def test_a_gap_behind_unread_records_is_reported_once_by_all_owners(read: int) -> None:
    """A worker that stops before it has read them commits an offset before the gap."""

    async def run() -> None:
        store, metrics = ExpiringStore(), _Metrics()
        await _with_state(store)
        task = _task(store)
        runner = TaskRunner(task, _SETTINGS, _Control(), metrics)
        await task.restore()
        runner.take(0, _garbage(10, 13))
        runner.take(0, _garbage(30, 40))
        inbox = task.merge.streams[0].inbox
        for _ in range(read):
            if inbox:
                task._read(0, inbox.popleft())
        await runner.checkpoint()
        store.beginning = 30
        next_owner = _task(store)
        await next_owner.restore()
        unread = max(0, 3 - read)
        reported = metrics.expired + sum(gap.last - gap.first for gap in next_owner.gaps)
        assert reported == 17 + unread
        assert store.offsets[0] == {0: 10, 1: 11, 4: 31, 12: 39}[read]

    asyncio.run(run())
