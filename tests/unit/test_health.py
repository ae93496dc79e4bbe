"""/health/ready: a worker is ready while the task of every assigned partition runs, and not before or after."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from stream import task_views
from stream.config import Settings
from stream.engine.checkpoint import Checkpoint
from stream.engine.task_manager import TaskManager
from stream.engine.task_runner import TaskRunner
from tests.unit.engine.doubles import FetchedRecord, InMemoryCheckpointStore, NullTaskMetrics, runner_of


class RefusingCheckpointStore(InMemoryCheckpointStore):
    """Its commits fail, as they do if a topic refuses a record."""

    async def commit(self, checkpoint: Checkpoint) -> None:
        raise ConnectionError("topic integrity.alerts.v1 refuses")


async def _nothing(*_: object) -> None:
    """A rejoin or a crash that does nothing."""


def test_a_failed_task_counts_as_dropped_until_the_next_assignment() -> None:
    """It is no runner any more, so a view of the runners alone is complete without it."""

    async def states() -> list[dict[int, str]]:
        settings = Settings(checkpoint_seconds=0.05)

        def runner(partition: int, partitions: int) -> TaskRunner:
            store = RefusingCheckpointStore() if partition == 1 else InMemoryCheckpointStore()
            return runner_of(settings, store, partition, partitions)

        manager = TaskManager(runner, NullTaskMetrics(), _nothing, _nothing, _nothing)
        found: list[dict[int, str]] = []
        manager.assign({0, 1}, 2)
        found.append(task_views.of_states(manager.assigned or (), manager.runners))
        manager.runners[1].take(0, [FetchedRecord(0, b"s", b"garbage")])
        async with asyncio.timeout(10):
            while 1 in manager.runners:
                await asyncio.sleep(0.01)
        found.append(task_views.of_states(manager.assigned or (), manager.runners))
        await manager.revoke()
        assert manager.assigned is None
        return found

    assert asyncio.run(states()) == [{0: "new", 1: "new"}, {0: "running", 1: "dropped"}]


def test_ready_means_that_all_assigned_tasks_run(tmp_path: Path) -> None:
    code = """
import asyncio, json, types
from stream.app import app, manager, pages
from stream.engine.task import TaskPhase
page = pages["/health/ready"](app, app.web)
for assigned, phases in json.loads(input()):
    manager.assigned = None if assigned is None else set(assigned)
    manager.runners = {
        number: types.SimpleNamespace(task=types.SimpleNamespace(phase=TaskPhase(phase)))
        for number, phase in enumerate(phases)
    }
    response = asyncio.run(page.get(None))
    print(json.dumps([response.status, json.loads(response.body)["tasks"]]))
"""
    cases = [
        (None, []),
        ([0, 1], ["running", "running"]),
        ([0, 1, 2, 3], ["running", "running"]),
        ([0, 1], ["running", "restoring"]),
        ([], []),
    ]
    run = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(cases), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    # Without partitions a worker is ready while Kafka is connected, which it is not here: see test_spare_worker.py.
    assert [status for status, _ in answers] == [503, 200, 503, 503, 503]
    assert answers[2][1] == {"0": "running", "1": "running", "2": "dropped", "3": "dropped"}
