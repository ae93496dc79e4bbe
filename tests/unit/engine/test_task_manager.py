"""A task runner without a broker: for which streams its loop waits, and when it makes a checkpoint."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
import structlog

from stream.config import Settings
from stream.contract.events import VERDICTS
from stream.core.messages.wire import DayRequest, encode_message
from stream.engine.checkpoint import Checkpoint
from stream.engine.idle_streams import Tail
from stream.engine.records import app_id_header
from stream.engine.task import EVIDENCE, Task
from stream.engine.task_runner import TaskRunner
from stream.intake.intake import Intake
from tests.unit.engine.doubles import FakePartitionControl, FetchedRecord, InMemoryCheckpointStore, NullTaskMetrics


class SlowCheckpointStore(InMemoryCheckpointStore):
    """Its commits take two seconds, as they do during an outage of Kafka."""

    def __init__(self) -> None:
        super().__init__()
        self.committed = asyncio.Event()

    async def commit(self, checkpoint: Checkpoint) -> None:
        await asyncio.sleep(2)
        self.committed.set()


def _records(kind: dict[str, str], *minutes: int) -> list[Any]:
    """Return a stream's records with events at these minutes."""
    common = {"seller_id": "s", "reviewer_id": "u", "review_id": "r"}
    events = [
        common | kind | {"event_id": f"{kind['type']}-{at}", "occurred_at": f"2025-09-01T00:{at:02}:00Z"}
        for at in minutes
    ]
    return [FetchedRecord(offset, b"s", json.dumps(event).encode()) for offset, event in enumerate(events)]


def test_an_outage_of_kafka_does_not_make_a_stream_idle() -> None:
    """Otherwise the task stops waiting for a stream after an outage, and that stream's events count as late."""

    async def applied_after_an_outage() -> int:
        # The task waits 30 * 0.05 s for a stream with unread records, less than the commit takes.
        settings = Settings(max_idle_seconds=0.05, allowed_lateness_seconds=0)
        store = SlowCheckpointStore()
        task = Task(0, settings, Intake(settings, 1), store, time.time)
        runner = TaskRunner(task, settings, FakePartitionControl(), NullTaskMetrics())
        runner.take(1, _records({"type": "outreach.sent", "channel": "message"}, 0))
        runner.take(2, _records({"type": "contact.accessed", "actor_id": "a"}, 1, 2))
        loop = asyncio.create_task(runner.run())
        await asyncio.wait_for(store.committed.wait(), 10)
        await asyncio.sleep(0.3)  # several iterations of the loop
        loop.cancel()
        return task.detector.state.counts["applied"]

    assert asyncio.run(applied_after_an_outage()) == 1


class AllStreamsAtEnd(FakePartitionControl):
    """All streams are read to their end."""

    def at_end(self, stream: int, partition: int) -> bool:
        return True


def test_records_of_several_topics_after_an_idle_time_are_merged_in_order() -> None:
    """Otherwise the task applies the first stream's event at once, because the other streams are idle."""

    async def applied_after_an_idle_time() -> tuple[int, int]:
        """Return the number of events applied before and after the second stream's records arrive."""
        settings = Settings(max_idle_seconds=0.8, allowed_lateness_seconds=0)
        task = Task(0, settings, Intake(settings, 1), InMemoryCheckpointStore(), time.time)
        runner = TaskRunner(task, settings, AllStreamsAtEnd(), NullTaskMetrics())
        loop = asyncio.create_task(runner.run())
        await asyncio.sleep(1.2)
        runner.take(1, _records({"type": "outreach.sent", "channel": "message"}, 1))
        await asyncio.sleep(0.2)  # several iterations of the loop, less than `max_idle_seconds`
        early = task.detector.state.counts["applied"]
        runner.take(2, _records({"type": "contact.accessed", "actor_id": "a"}, 0))
        await asyncio.sleep(1.2)
        loop.cancel()
        return early, task.detector.state.counts["applied"]

    assert asyncio.run(applied_after_an_idle_time()) == (0, 2)


class OpenTransaction(AllStreamsAtEnd):
    """The outreach topic has records that an open transaction keeps back, unless `ended`."""

    ended = False

    def at_end(self, stream: int, partition: int) -> bool:
        return stream != 1 or self.ended


def test_each_stall_of_a_stream_that_a_task_goes_on_without_is_logged_once() -> None:
    async def logged() -> list[list[Any]]:
        """Return the lines before an event, in a first stall, after its end, and in a second stall."""
        settings = Settings(max_idle_seconds=0.05, allowed_lateness_seconds=0)
        task = Task(0, settings, Intake(settings, 1), InMemoryCheckpointStore(), time.time)
        partitions = OpenTransaction()
        runner = TaskRunner(task, settings, partitions, NullTaskMetrics())
        loop = asyncio.create_task(runner.run())
        records = _records({"type": "contact.accessed", "actor_id": "a"}, 0, 1, 2, 3)
        found = []
        for number, record in enumerate(records):
            with structlog.testing.capture_logs() as lines:
                if number:
                    runner.take(2, [record])
                partitions.ended = number == 2
                async with asyncio.timeout(20):
                    while task.detector.state.counts["applied"] < number:
                        await asyncio.sleep(0.01)
            found.append([line for line in lines if line["event"] == "stream_stalled"])
        loop.cancel()
        return found

    before, (line,), after, (again,) = asyncio.run(logged())
    assert before == after == []
    assert line["topic"] == again["topic"] == "reviews.outreach.v1"
    assert (line["log_level"], line["partition"]) == ("warning", 0)
    assert line["waited_seconds"] >= 1.5
    for part in ("reviews.outreach.v1, partition 0", "late", "transaction of another producer", "docker/runbooks.md"):
        assert part in line["text"]


def test_a_full_inbox_pauses_its_partition_and_a_drained_one_resumes_it() -> None:
    async def paused_before_and_after() -> tuple[set[int], set[int]]:
        settings = Settings(max_idle_seconds=0.05, checkpoint_seconds=0.05)
        task = Task(0, settings, Intake(settings, 1), InMemoryCheckpointStore(), time.time)
        partitions = AllStreamsAtEnd()
        runner = TaskRunner(task, settings, partitions, NullTaskMetrics())
        garbage = [FetchedRecord(offset, b"s", b"garbage") for offset in range(20_001)]
        runner.take(0, garbage[:20_000])
        assert partitions.paused == set(), "20,000 records are the limit"
        runner.take(0, garbage[20_000:])
        before = set(partitions.paused)
        loop = asyncio.create_task(runner.run())
        async with asyncio.timeout(20):
            while task.unread(0) or partitions.paused:
                await asyncio.sleep(0.01)
        loop.cancel()
        return before, partitions.paused

    assert asyncio.run(paused_before_and_after()) == ({0}, set())


def test_a_task_without_input_commits_its_messages_at_once() -> None:
    """Otherwise the tasks that wait for them stand still until the next checkpoint by the clock."""

    async def sent_in_answer() -> list[bytes]:
        settings = Settings(max_idle_seconds=0.05, checkpoint_seconds=60)
        store = InMemoryCheckpointStore()
        task = Task(1, settings, Intake(settings, 2), store, time.time)
        runner = TaskRunner(task, settings, AllStreamsAtEnd(), NullTaskMetrics())
        loop = asyncio.create_task(runner.run())
        request = encode_message(DayRequest(reporter=1, day=7))
        runner.take(EVIDENCE, [FetchedRecord(0, None, request, (app_id_header(settings),))])
        await asyncio.sleep(1)
        loop.cancel()
        return store.messages_of_type(b"day")

    (report,) = asyncio.run(sent_in_answer())
    assert b'"writer":1,"day":7,"through":7' in report


def test_events_that_come_again_make_no_task_wait_for_verdicts() -> None:
    """Else a backlog stands still for `max_idle_seconds` after each pause of the fetched partitions."""

    settings = Settings(max_idle_seconds=0.1)
    task = Task(0, settings, Intake(settings, 1), SlowCheckpointStore(), time.time)
    runner = TaskRunner(task, settings, AllStreamsAtEnd(), NullTaskMetrics())
    _look_for(runner, 0.2)
    runner.take(0, _records({"type": "review.created", "product_id": "p"}, 0))
    assert [runner._idle(stream) for stream in (1, 2, VERDICTS)] == [False, False, True]


def _look_for(runner: TaskRunner, seconds: float) -> list[bool]:
    """Look at all streams for some time; return which of them are idle in the end."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = [runner._idle(stream) for stream in (0, 1, 2, VERDICTS)]
        time.sleep(0.01)
    return found


class VerdictsAt(AllStreamsAtEnd):
    """All streams are read to their ends; that of the verdicts is at an offset, None: Kafka has not answered yet."""

    def __init__(self, offset: int | None) -> None:
        super().__init__()
        self._offset = offset

    def tail(self, stream: int, partition: int) -> Tail:
        return super().tail(stream, partition)._replace(position=self._offset if stream == VERDICTS else 0)


@pytest.mark.parametrize(("offset", "is_waited_for"), [(0, False), (1, True), (None, True)])
def test_a_task_does_not_wait_for_verdicts_where_nobody_has_written_one(
    offset: int | None, is_waited_for: bool
) -> None:
    """Events may come to an empty topic at any moment, so each other stream is waited for."""
    settings = Settings(max_idle_seconds=60)
    task = Task(0, settings, Intake(settings, 1), SlowCheckpointStore(), time.time)
    runner = TaskRunner(task, settings, VerdictsAt(offset), NullTaskMetrics())
    assert _look_for(runner, 0.1) == [False, False, False, not is_waited_for]
