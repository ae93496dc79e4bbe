"""The ledger of a task over the simulated log, with the points at which it may be interrupted.

Rule of this room: it writes what `engine/ledger.py` writes, in its order, and lets go of control at every named point,
so that whoever drives it can have anything happen there. It waits for nothing else.
"""

from __future__ import annotations

import types
from asyncio import CancelledError
from collections.abc import AsyncIterator, Generator
from typing import Final

from stream.config import Settings
from stream.engine.records import Checkpoint, Record
from stream.intake.partition import partition_of
from tests.simulation.log import Log, Place, Producer, Rows

#: Of a checkpoint, in their order. After the last one all is committed, but the task does not know it.
POINTS: Final = (
    "before begin",
    "among rows",
    "after rows",
    "after records",
    "after offsets",
    "before commit",
    "after commit",
)
#: Of a restore.
RESTORING: Final = ("before open", "after open", "reading")
_BATCH: Final = 100


@types.coroutine
def reach(point: str) -> Generator[str, None, None]:
    """Stand at a point until driven on."""
    yield point


class SimulatedLedger:
    """A `stream.engine.task.Ledger`."""

    def __init__(self, log: Log, settings: Settings, partition: int, partitions: int) -> None:
        self.log = log
        self.settings = settings
        self.partition = partition
        self.name = f"{settings.app_id}-{partition}"
        self._partitions = partitions
        self._producer: Producer | None = None

    @property
    def producer(self) -> Producer:
        assert self._producer is not None, "open() comes first"
        return self._producer

    async def open(self) -> None:
        await reach("before open")
        self._producer = self.log.open(self.name)
        await reach("after open")

    async def read(self) -> AsyncIterator[Rows]:
        """The committed changelog up to its present end."""
        offset = 0
        while batch := self.fetch(offset):
            rows, offset = batch
            yield rows
            await reach("reading")

    def fetch(self, offset: int, committed: bool = True) -> tuple[Rows, int] | None:
        """A batch of the changelog, and where the next one begins; None at its end."""
        changelog = self.log.partitions[Place(self.settings.state_topic, self.partition)]
        entries, beyond = changelog.fetch(offset, _BATCH, committed)
        if beyond == offset:
            return None
        return [(entry.key or b"", entry.value) for entry in entries], beyond

    async def commit(self, checkpoint: Checkpoint) -> None:
        """As aiokafka's transaction does: an error or a cancellation aborts, a crash (GeneratorExit) cannot."""
        await reach("before begin")
        self.producer.begin()
        try:
            await self._write(checkpoint)
        except (Exception, CancelledError):
            if not self.producer.fenced and self.producer.transaction is not None:
                self.producer.abort()
            raise
        self.producer.commit()
        await self.committed(checkpoint)

    async def _write(self, checkpoint: Checkpoint) -> None:
        changelog, middle = (Place(self.settings.state_topic, self.partition), len(checkpoint.rows) // 2)
        for number, (key, value) in enumerate(checkpoint.rows):
            if number == middle:
                await reach("among rows")
            self.producer.send(changelog, key, value)
        await reach("after rows")
        for record in checkpoint.records:
            self.tell(record)
        await reach("after records")
        self.producer.send_offsets(self.offsets(checkpoint))
        await reach("after offsets")
        await reach("before commit")

    async def committed(self, checkpoint: Checkpoint) -> None:
        """It is done, but nobody knows."""
        await reach("after commit")

    def tell(self, record: Record) -> None:
        """Send an alert, a dead letter or a report."""
        self.producer.send(self.place_of(record), record.key, record.value, tuple(record.headers))

    def place_of(self, record: Record) -> Place:
        """Where the default partitioner sends it."""
        if record.partition is not None:
            return Place(record.topic, record.partition)
        return Place(record.topic, 0 if record.key is None else partition_of(record.key, self._partitions))

    def offsets(self, checkpoint: Checkpoint) -> dict[Place, int]:
        """The group's offsets."""
        topics = self.settings.read_topics
        return {Place(name, self.partition): to for name, to in zip(topics, checkpoint.offsets, strict=True)}

    async def close(self) -> None:
        """Nothing is let go of: a producer that ends leaves its transaction to the next one, or to the coordinator."""


class Reader(SimulatedLedger):
    """Reads what is committed and disturbs nobody: for those who look at a task's state from outside."""

    async def open(self) -> None:
        pass
