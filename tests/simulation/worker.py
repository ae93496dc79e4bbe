"""Workers: each owns some tasks, fetches for them, and drives them as `engine/task_manager.py` does.

Invariant: a task runner does one operation at a time, as its loop in the engine does; only records may arrive
meanwhile. A task runner that fails is dropped and never repaired. An operation advances from point to point, without an
event loop.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from functools import cache
from random import Random
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition

from stream.config import Settings
from stream.contract.events import STREAMS
from stream.engine.log_check import Gap, GroupOffsetsError, LogError
from stream.engine.record_limits import RecordLimits, WriteError
from stream.engine.task import Task, TaskPhase
from stream.intake.intake import Intake
from tests.simulation.checkpoint_store import SimulatedCheckpointStore, reach
from tests.simulation.kafka_log import FencedError, Log

#: The errors that a task may raise, and that end its task runner. Any other error is a finding.
FAILURES: Final = (FencedError, ConnectionError, CancelledError, GroupOffsetsError, WriteError)


class Operation:
    """A coroutine that advances from one named point to the next."""

    def __init__(self, coroutine: Coroutine[Any, None, Any]) -> None:
        self._coroutine = coroutine
        #: The point at which the coroutine stands; None if it is finished.
        self.point: str | None = None
        self.advance()

    def advance(self, error: BaseException | None = None) -> bool:
        """Advance to the next point, or raise an error at this one; return whether the coroutine is finished."""
        try:
            self.point = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        except StopIteration:
            self.point = None
        return self.point is None

    def crash(self) -> None:
        """End the coroutine as the end of its process would."""
        self._coroutine.close()


def run_to_end(coroutine: Coroutine[Any, None, Any]) -> None:
    """Run a coroutine through all of its points."""
    operation = Operation(coroutine)
    while operation.point is not None:
        operation.advance()


class Reports(NamedTuple):
    """Where task runners report: by partition, the offset at which a task without state began; expired offsets."""

    began_at: Callable[[dict[TopicPartition, int]], None]
    expired: Callable[[Gap], None]


class SimulatedTaskRunner:
    """A task with the positions of its consumer and its unfinished operation.

    Args:
        task, store: The task and its checkpoints.
        log: The simulated Kafka.
        settings: All settings.
        read_committed: Whether messages of other tasks are read with read_committed.
        reports: Where it reports what it has found in the logs.
    """

    def __init__(
        self, task: Task, store: SimulatedCheckpointStore, log: Log, settings: Settings, read_committed: bool,
        reports: Reports,
    ) -> None:  # fmt: skip
        self.task = task
        self.store = store
        self._log = log
        self._reports = reports
        self._partitions = [TopicPartition(topic, task.partition) for topic in settings.read_topics]
        #: The consumer reads the group's offsets when the partition is assigned: before the task is restored.
        self._positions = [log.group_offsets.get(partition, 0) for partition in self._partitions]
        self._read_committed = read_committed
        self.operation: Operation | None = None
        self.begin(self._restore())

    async def _restore(self) -> None:
        await self.task.restore()
        if not self.store.producer.fenced:
            self._reports.began_at(self.store.began_at)
        for gap in self.task.gaps:
            self._reports.expired(gap)

    async def verify(self, topic_ids: bool) -> None:
        """Do the checks of the engine's loop before a step: of the logs, and now and then of the topics' ids."""
        if self.task.phase is TaskPhase.RUNNING:
            if topic_ids:
                await self.task.check_topic_ids()
            await self.task.verify()

    async def _checkpoint(self) -> None:
        for stream, position in enumerate(self._positions):
            if self.task.phase is TaskPhase.RUNNING:
                for _ in range(2):  # a fetch here has no records on their way, so the second look can follow at once
                    self.task.look(stream, position)
        await reach("before reading beginnings")
        for stream, tp in enumerate(self._partitions):
            self.task.receptions[stream].skipped.check(self._log.partitions[tp].beginning)
            for gap in self.task.pass_gaps(stream):
                self._reports.expired(gap)
        await self.task.checkpoint(lambda alert: alert)

    def position(self, stream: int) -> int:
        """Return the offset of the next fetch."""
        return self._positions[stream]

    def begin(self, coroutine: Coroutine[Any, None, Any]) -> None:
        operation = Operation(coroutine)
        self.operation = None if operation.point is None else operation

    def advance(self, error: BaseException | None = None) -> None:
        """Advance the operation to its next point; raises one of FAILURES."""
        if self.operation is not None and self.operation.advance(error):
            self.operation = None

    def finish(self) -> None:
        while self.operation is not None:
            self.advance()

    def checkpoint_until(self, point: str | None) -> None:
        """Checkpoint until this point; to the end if None."""
        self.finish()
        self.checkpoint()
        while self.operation is not None and self.operation.point != point:
            self.advance()

    def checkpoint(self) -> None:
        self.begin(self._checkpoint())

    def fetch(self, stream: int, max_records: int) -> bool:
        """Give the task at most `max_records` records; return whether the position advanced."""
        before = self._positions[stream]
        partition = self._log.partitions[self._partitions[stream]]
        read_committed = self._read_committed or stream < len(STREAMS)
        records, self._positions[stream] = partition.fetch(before, max_records, read_committed)
        if records:
            self.task.take(stream, list(records))
        return self._positions[stream] > before

    def at_end(self, stream: int) -> bool:
        return self._positions[stream] >= self._log.partitions[self._partitions[stream]].last_stable_offset

    def drop(self) -> None:
        if self.operation is not None:
            self.operation.crash()
            self.operation = None
        run_to_end(self.task.drop())


class Worker:
    """A worker process; a frozen one does nothing and does not notice it."""

    def __init__(self, number: int, settings: Settings) -> None:
        self.number = number
        self.limits = RecordLimits([settings.dead_letter_topic(topic) for topic in settings.read_topics])
        self.runners: list[SimulatedTaskRunner] = []
        self.frozen = False


def revoke(runners: list[SimulatedTaskRunner], chance: Random, count: Callable[[str], None]) -> None:
    """Act as `TaskManager.revoke`: each task has a last checkpoint, which may time out, and is dropped."""
    for runner in runners:
        kind = chance.choices(("revoked", "revoked without a checkpoint", "revoked amid a checkpoint"), (6, 2, 2))[0]
        try:
            if kind == "revoked":
                runner.checkpoint_until(None)
            elif kind == "revoked amid a checkpoint":
                if runner.task.phase is TaskPhase.RUNNING and runner.operation is None:
                    runner.checkpoint()
                for _ in range(chance.randrange(7)):
                    runner.advance()
                if runner.operation is not None:
                    runner.advance(CancelledError())
        except FencedError:
            kind = "fenced at a last checkpoint"
        except (CancelledError, GroupOffsetsError, WriteError, LogError):
            pass  # the next owner meets the same
        count(kind)
        runner.drop()
    runners.clear()


@cache
def shared_intake(settings: Settings, partition_count: int) -> Intake:
    """Return one intake for all tasks: it takes longer to make than many a simulated task runs."""
    return Intake(settings, partition_count)


def new_runner(
    settings: Settings, store: SimulatedCheckpointStore, partition: int, partition_count: int,
    now: Callable[[], float], change: Callable[[Task], None], read_committed: bool, reports: Reports,
) -> SimulatedTaskRunner:  # fmt: skip
    """Make a task runner as `TaskManager.assign` does; `change` may put a fault into the task."""
    task = Task(partition, settings, shared_intake(settings, partition_count), store, now)
    change(task)
    return SimulatedTaskRunner(task, store, store.log, settings, read_committed, reports)
