"""A task's checkpoint store over the simulated log, with the points at which a test may interrupt it.

Invariant: it writes the same records in the same order as `engine/checkpoint_store.py`, and yields control at every
named point, so that its caller can inject any fault there. It waits for nothing else. The product's own code checks
the logs (`engine/log_check.py`) and keeps the topics' limits (`engine/record_limits.py`).
"""

from __future__ import annotations

import types
from asyncio import CancelledError
from collections.abc import AsyncIterator, Generator, Mapping
from typing import Final

from aiokafka import TopicPartition

from stream.config import Settings
from stream.engine.checkpoint import Checkpoint
from stream.engine.log_check import GroupOffsetsError, LogError, Start, check, foreign_offsets
from stream.engine.log_check import Log as CheckedLog
from stream.engine.record_limits import RecordLimits, WriteError
from stream.engine.records import Record
from stream.intake.partition import partition_of
from tests.simulation.kafka_log import Log, Producer, Rows

#: The points of a checkpoint, in order. After the last one the transaction is committed, but the task does not know.
CHECKPOINT_POINTS: Final = (
    "before begin",
    "among rows",
    "after rows",
    "after records",
    "after offsets",
    "before commit",
    "after commit",
)
_BATCH: Final = 100


@types.coroutine
def reach(point: str) -> Generator[str, None, None]:
    """Yield control at a named point."""
    yield point


class SimulatedCheckpointStore:
    """Implements `stream.engine.task.CheckpointStore`.

    Args:
        log: The simulated Kafka.
        settings: All settings.
        partition: The partition number.
        partition_count: The number of partitions of the topics.
        limits: What the topics take; they belong to a worker.
    """

    def __init__(
        self, log: Log, settings: Settings, partition: int, partition_count: int, limits: RecordLimits
    ) -> None:
        self.log = log
        self.limits = limits
        #: By topic, where the task began if it had no state.
        self.began_at: dict[TopicPartition, int] = {}
        self.settings = settings
        self.partition = partition
        self.transactional_id = f"{settings.app_id}-{partition}"
        self._partition_count = partition_count
        self._producer: Producer | None = None

    @property
    def producer(self) -> Producer:
        assert self._producer is not None, "open() comes first"
        return self._producer

    async def open(self) -> None:
        await reach("before open")
        self._producer = self.log.start_producer(self.transactional_id)
        await reach("after open")

    async def read(self) -> AsyncIterator[Rows]:
        """Yield the committed changelog up to its present end."""
        offset = 0
        while batch := self.fetch(offset):
            rows, offset = batch
            yield rows
            await reach("reading")

    def fetch(self, offset: int, read_committed: bool = True) -> tuple[Rows, int] | None:
        """Return a batch of the changelog and the offset of the next batch; None at the end."""
        changelog = self.log.partitions[TopicPartition(self.settings.state_topic, self.partition)]
        records, next_offset = changelog.fetch(offset, _BATCH, read_committed)
        if next_offset == offset:
            return None
        return [(record.key or b"", record.value) for record in records], next_offset

    async def topic_ids(self) -> dict[str, str]:
        await reach("before topic ids")
        return {topic: self.log.topic_id(topic) for topic in (*self.settings.read_topics, self.settings.state_topic)}

    async def check_logs(self, offsets: list[int] | None, *, at_checkpoint: bool) -> Start:
        """Read what `KafkaCheckpointStore` reads, and check it as that does."""
        await reach("before checking")
        logs = [self._checked(TopicPartition(topic, self.partition)) for topic in self.settings.read_topics]
        await reach("after checking")
        try:
            start = check(offsets, logs, len(self.settings.input_topics), self.settings.state_topic)
        except LogError:
            await self.commit(Checkpoint([], [], [log.committed or 0 for log in logs]))
            raise
        if offsets is None:
            self.began_at = {
                TopicPartition(log.topic, log.partition): to for log, to in zip(logs, start.offsets, strict=True)
            }
        elif foreign := foreign_offsets(offsets, start, logs, at_checkpoint=at_checkpoint):
            await self.commit(Checkpoint([], [], start.offsets))
            raise GroupOffsetsError(foreign)
        return start

    async def check_delivered(self, offsets: list[int], firsts: Mapping[int, int]) -> None:
        """Look at the log as `KafkaCheckpointStore` does."""
        await reach("before looking at what was delivered")
        missed: dict[str, str] = {}
        for stream, first in firsts.items():
            tp = TopicPartition(self.settings.read_topics[stream], self.partition)
            found, _ = self.log.partitions[tp].fetch(offsets[stream], 1)
            if found and found[0].offset < first:
                missed[tp.topic] = f"{offsets[stream]} instead of {first}"
        if missed:
            await self.commit(Checkpoint([], [], offsets))
            raise GroupOffsetsError(missed)

    def _checked(self, tp: TopicPartition) -> CheckedLog:
        partition = self.log.partitions[tp]
        end, committed = len(partition.records), self.log.group_offsets.get(tp)
        return CheckedLog(tp.topic, tp.partition, partition.beginning, end, committed)

    async def commit(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint as aiokafka does: an error or a cancellation aborts, a crash (GeneratorExit) does not."""
        await reach("before begin")
        self.producer.begin()
        try:
            await self._write(checkpoint)
        except (Exception, CancelledError):
            if not self.producer.fenced and self.producer.transaction is not None:
                self.producer.abort()
            raise
        self.producer.commit()
        await self.after_commit(checkpoint)

    async def _write(self, checkpoint: Checkpoint) -> None:
        changelog, middle = (TopicPartition(self.settings.state_topic, self.partition), len(checkpoint.rows) // 2)
        for number, (key, value) in enumerate(checkpoint.rows):
            if number == middle:
                await reach("among rows")
            self.producer.send(changelog, key, value)
        await reach("after rows")
        for record in checkpoint.records:
            self.send(record)
        await reach("after records")
        self.producer.send_offsets(self.offsets(checkpoint))
        await reach("after offsets")
        await reach("before commit")

    async def after_commit(self, checkpoint: Checkpoint) -> None:
        """The transaction is committed; the task does not know it yet."""
        await reach("after commit")

    def send(self, record: Record) -> None:
        """Send an alert, a dead letter or a message."""
        destination, headers = self.destination(record), tuple(record.headers)
        refusal = self.log.refusal(record.topic, record.key, record.value, headers)
        if refusal is not None:
            error = WriteError(destination.topic, destination.partition, 1, *refusal)
            self.limits.learn(error)
            raise error
        self.producer.send(destination, record.key, record.value, headers)

    def destination(self, record: Record) -> TopicPartition:
        """Return the record's partition; the default partitioner's choice if the record names none."""
        if record.partition is not None:
            return TopicPartition(record.topic, record.partition)
        number = 0 if record.key is None else partition_of(record.key, self._partition_count)
        return TopicPartition(record.topic, number)

    def offsets(self, checkpoint: Checkpoint) -> dict[TopicPartition, int]:
        """Return the group's offsets."""
        topics = self.settings.read_topics
        return {TopicPartition(name, self.partition): to for name, to in zip(topics, checkpoint.offsets, strict=True)}

    async def close(self) -> None:
        """Do nothing: a stopped producer leaves its open transaction to the next producer or to the coordinator."""


class ReadOnlyCheckpointStore(SimulatedCheckpointStore):
    """Reads the committed changelog and fences no producer: for a reader of a task's state from outside."""

    async def open(self) -> None:
        pass

    async def check_logs(self, offsets: list[int] | None, *, at_checkpoint: bool) -> Start:
        return Start(offsets or [0] * len(self.settings.read_topics), [])
