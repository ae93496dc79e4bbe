"""A worker's lines about its tasks: one when a task is ready, and one a minute about refused records."""

from __future__ import annotations

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from stream.config import Settings
from stream.engine.task import Task
from stream.engine.task_runner import TaskRunner
from stream.intake.intake import Intake
from stream.task_log import TaskLog
from tests.unit.engine.doubles import FakePartitionControl, FetchedRecord, InMemoryCheckpointStore, NullTaskMetrics

_SETTINGS = Settings()


async def _started(store: InMemoryCheckpointStore) -> TaskRunner:
    task = Task(0, _SETTINGS, Intake(_SETTINGS, 1), store, time.time)
    runner = TaskRunner(task, _SETTINGS, FakePartitionControl(), NullTaskMetrics())
    runner.stop()  # `run` then restores and makes one checkpoint
    await runner.run()
    return runner


def _refuse(runner: TaskRunner, first: int, count: int) -> None:
    runner.task.take(0, [FetchedRecord(first + number, b"s", b"garbage") for number in range(count)])
    runner.task.step(lambda _: True, 1_000)
    asyncio.run(runner.task.checkpoint(lambda alert: alert))


def test_a_task_that_is_ready_says_what_it_has_restored() -> None:
    store, lines = InMemoryCheckpointStore(), TaskLog(_SETTINGS)
    with capture_logs() as found:
        runner = asyncio.run(_started(store))
        lines.update({0: runner})
        _refuse(runner, 0, 3)
        lines.update({})  # revoked
        for _ in range(2):
            lines.update({0: asyncio.run(_started(store))})
    ready = [line for line in found if line["event"] == "task_ready"]
    assert [(line["state"], line["offsets"][_SETTINGS.lifecycle_topic]) for line in ready] == [
        ("empty", 0),
        ("found", 3),
    ]
    assert ready[0] == {
        "event": "task_ready", "log_level": "info", "partition": 0, "state": "empty", "rows": 0,
        "seconds": ready[0]["seconds"], "offsets": dict.fromkeys(_SETTINGS.read_topics, 0),
    }  # fmt: skip


def test_refused_records_are_one_line_a_minute_for_each_topic_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines = TaskLog(_SETTINGS)
    with capture_logs() as found:
        runner = asyncio.run(_started(InMemoryCheckpointStore()))
        for first in range(0, 12, 3):
            _refuse(runner, first, 3)
            lines.update({0: runner})
        now[0] += 61
        lines.update({})  # the task was revoked meanwhile
        now[0] += 61
        lines.update({})
    refused = [line for line in found if line["event"] == "records_refused"]
    assert [line["count"] for line in refused] == [3, 9]
    assert {(line["topic"], line["reason"], line["log_level"]) for line in refused} == {
        (_SETTINGS.lifecycle_topic, "undecodable", "warning")
    }
    assert "`volteface dlq list` shows them" in refused[0]["text"]
