"""Variants of the engine with one deliberate fault each; they prove that the simulation detects the fault.

Invariant: each fault is a replacement part that this module defines; the product's code is not changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka import TopicPartition

from stream.engine.checkpoint import Checkpoint
from stream.engine.log_check import GroupOffsetsError, Start
from stream.engine.reception import SkippedOffsets
from stream.engine.record_limits import RecordLimits
from stream.engine.records import Record
from stream.engine.task import Task
from tests.simulation.checkpoint_store import SimulatedCheckpointStore
from tests.simulation.cluster import Variant
from tests.simulation.input_markets import SETTINGS
from tests.simulation.kafka_log import FencedError, Log, Producer, Rows


class OffsetsBeforeTransaction(SimulatedCheckpointStore):
    """Commits the group's offsets separately, before the transaction."""

    async def commit(self, checkpoint: Checkpoint) -> None:
        self.log.group_offsets.update(self.offsets(checkpoint))
        await super().commit(checkpoint)


class OffsetsAfterTransaction(SimulatedCheckpointStore):
    """Commits the group's offsets separately, after the transaction."""

    def offsets(self, checkpoint: Checkpoint) -> dict[TopicPartition, int]:
        return {}

    async def after_commit(self, checkpoint: Checkpoint) -> None:
        await super().after_commit(checkpoint)
        self.log.group_offsets.update(super().offsets(checkpoint))


class UnfencedLog(Log):
    """Aborts the former owner's open transaction, but lets the former owner begin another."""

    def start_producer(self, transactional_id: str) -> Producer:
        former = self.producers.get(transactional_id)
        if former is not None and former.transaction is not None:
            former.abort()
        self.producers[transactional_id] = Producer(self)
        return self.producers[transactional_id]


class ReadUncommittedStore(SimulatedCheckpointStore):
    """Restores uncommitted rows too."""

    def fetch(self, offset: int, read_committed: bool = True) -> tuple[Rows, int] | None:
        return super().fetch(offset, read_committed=False)


class NonTransactionalMessages(SimulatedCheckpointStore):
    """Sends the messages between tasks at once, outside the transaction."""

    def send(self, record: Record) -> None:
        if record.topic != SETTINGS.evidence_topic:
            super().send(record)
        elif self.producer.fenced:
            raise FencedError
        else:
            self.log.append(self.destination(record), record.key, record.value, tuple(record.headers))


class NonTransactionalCases(SimulatedCheckpointStore):
    """Sends the cases at once, outside the transaction."""

    def send(self, record: Record) -> None:
        if record.topic != SETTINGS.cases_topic:
            super().send(record)
        elif self.producer.fenced:
            raise FencedError
        else:
            self.log.append(self.destination(record), record.key, record.value, tuple(record.headers))


class LostCases(SimulatedCheckpointStore):
    """Loses the cases of its first checkpoint that has any."""

    _lost: Checkpoint | None = None

    async def _write(self, checkpoint: Checkpoint) -> None:
        if self._lost is None and any(record.topic == SETTINGS.cases_topic for record in checkpoint.records):
            self._lost = checkpoint
        await super()._write(checkpoint)

    def send(self, record: Record) -> None:
        if self._lost is None or record not in self._lost.records or record.topic != SETTINGS.cases_topic:
            super().send(record)


class UnboundedMerge:
    """Replaces a task's merge; takes events without waiting for the conclusions of the aggregators."""

    def __init__(self, merge: Any) -> None:
        self._merge = merge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._merge, name)

    def take(self, idle: Callable[[int], bool], limit: int, _: float) -> Any:
        return self._merge.take(idle, limit, math.inf)


class UnseenOffsetsStore(SimulatedCheckpointStore):
    """Compares no offsets with the logs."""

    async def check_logs(self, offsets: list[int] | None, *, at_checkpoint: bool) -> Start:
        return Start(offsets or [0] * len(self.settings.read_topics), [])


class TrustingStore(SimulatedCheckpointStore):
    """Takes whatever record is delivered first for the next one."""

    async def check_delivered(self, offsets: list[int], firsts: Mapping[int, int]) -> None:
        pass


class ForeignOffsetsStore(TrustingStore):
    """Leaves the group's offsets as another consumer has committed them, and trusts the first record, too."""

    async def check_logs(self, offsets: list[int] | None, *, at_checkpoint: bool) -> Start:
        try:
            return await super().check_logs(offsets, at_checkpoint=at_checkpoint)
        except GroupOffsetsError:
            return Start(offsets or [], [])


class NoTopicIdsStore(SimulatedCheckpointStore):
    """Knows no ids of topics."""

    async def topic_ids(self) -> dict[str, str]:
        return {}


class ForgetfulStore(SimulatedCheckpointStore):
    """Learns nothing from a refused write."""

    def send(self, record: Record) -> None:
        self.limits = RecordLimits()
        super().send(record)


class NothingSkipped(SkippedOffsets):
    """Takes every jump of offsets for transaction markers."""

    def add(self, first: int, last: int) -> None:
        pass


def ignore_jumps(task: Task) -> None:
    """Let the task note no offsets that fetches passed over."""
    for reception in task.receptions:
        reception.skipped = NothingSkipped("", 0)


def do_not_wait(task: Task) -> None:
    """Replace the task's merge by one that does not wait for other tasks."""
    merge: Any = UnboundedMerge(task.merge)
    task.merge = merge


#: Each variant with the scenario that shows its fault (None: any), and the number of seeds that must suffice.
FAULTY_VARIANTS: Final[dict[str, tuple[Variant, str | None, int]]] = {
    "offsets before the transaction": (Variant(store=OffsetsBeforeTransaction), None, 20),
    "a former owner is not fenced": (Variant(log=UnfencedLog), None, 20),
    "a restore reads uncommitted rows": (Variant(store=ReadUncommittedStore), None, 20),
    "messages outside the transaction": (Variant(store=NonTransactionalMessages), "dirty", 15),
    "cases outside the transaction": (Variant(store=NonTransactionalCases), None, 20),
    "the cases of a checkpoint are lost": (Variant(store=LostCases), None, 20),
    "messages are read before they are committed": (Variant(read_committed=False), "dirty", 15),
    "tasks do not wait for conclusions": (Variant(change=do_not_wait), "accused", 20),
    "expired records are not reported": (
        # A task that begins below the log's first record sees the jump later.
        Variant(store=UnseenOffsetsStore, change=ignore_jumps, trouble="unread records expire"),
        None,
        10,
    ),
    "jumps of offsets are not reported": (Variant(change=ignore_jumps, trouble="unread records expire"), "access", 35),
    "foreign offsets are not set back": (Variant(store=ForeignOffsetsStore, trouble="foreign commit"), None, 10),
    "a wrong first record is applied": (Variant(store=TrustingStore, trouble="foreign commit"), "removals", 20),
    "topics have no ids": (Variant(store=NoTopicIdsStore, trouble="topic created again"), None, 40),
    "a refused write is repeated": (Variant(store=ForgetfulStore, trouble="small dead-letter topics"), None, 10),
}
#: Not a fault: a task restores the positions from its own rows; the group's offsets only say where reading begins.
HARMLESS_VARIANT: Final = Variant(store=OffsetsAfterTransaction)
