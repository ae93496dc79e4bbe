"""Test doubles of the engine's interfaces: records, checkpoint stores, partition control, metrics."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple

from stream.config import Settings
from stream.engine.checkpoint import Checkpoint, CheckpointStore, RaisedAlert
from stream.engine.idle_streams import Tail
from stream.engine.log_check import Start
from stream.engine.record_limits import RecordLimits
from stream.engine.task import EVIDENCE, Task
from stream.engine.task_runner import TaskRunner
from stream.intake.intake import Intake

#: Settings are read from the environment, which takes half a millisecond.
_EVIDENCE_TOPIC: Final = Settings().evidence_topic


class FetchedRecord(NamedTuple):
    """A record with the fields that a Kafka client returns; `timestamp` in milliseconds."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 1_000


class InMemoryCheckpointStore:
    """A checkpoint store in memory; with `fenced` a commit fails."""

    limits = RecordLimits()

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes | None] = {}
        #: Alerts, dead letters and messages of all commits.
        self.sent: list[Any] = []
        #: The messages between tasks, as records of the evidence topic.
        self.messages: list[FetchedRecord] = []
        self.offsets = [0, 0, 0, 0, 0]
        self.fenced = False

    async def open(self) -> None:
        self.fenced = False

    async def read(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]:
        yield list(self.rows.items())

    async def topic_ids(self) -> dict[str, str]:
        return {}

    async def check_logs(self, offsets: list[int] | None, *, at_checkpoint: bool) -> Start:
        return Start(offsets or [0, 0, 0, 0, 0], [])

    async def check_delivered(self, offsets: list[int], firsts: Mapping[int, int]) -> None:
        pass

    async def commit(self, checkpoint: Checkpoint) -> None:
        if self.fenced:
            raise ConnectionError("fenced")
        self.rows.update(checkpoint.rows)
        self.sent += checkpoint.records
        for record in checkpoint.records:
            if record.topic == _EVIDENCE_TOPIC:
                offset, headers = len(self.messages), tuple(record.headers)
                self.messages.append(FetchedRecord(offset, record.key, record.value, headers))
        self.offsets = checkpoint.offsets

    async def close(self) -> None:
        pass

    def unread_messages(self) -> list[FetchedRecord]:
        """Return the messages at or above the committed offset of the evidence topic."""
        return self.messages[self.offsets[EVIDENCE] :]

    def messages_of_type(self, kind: bytes) -> list[bytes]:
        return [value for value in self.values(_EVIDENCE_TOPIC) if value.startswith(b'{"type":"%s"' % kind)]

    def values(self, topic: str) -> list[bytes]:
        """Return the values of all records sent to a topic."""
        return [record.value for record in self.sent if record.topic == topic]


class FakePartitionControl:
    """The streams of reviews and of verdicts are read to their ends; the others have records that have not arrived yet.

    Kafka answers each look.

    Attributes:
        paused: The streams that are paused.
    """

    def __init__(self) -> None:
        self.paused: set[int] = set()

    def at_end(self, stream: int, partition: int) -> bool:
        return stream in {0, 3}

    def tail(self, stream: int, partition: int) -> Tail:
        return Tail(0, 0 if self.at_end(stream, partition) else 1, 0, time.time_ns() // 1_000_000)

    def pause(self, stream: int, partition: int) -> None:
        self.paused.add(stream)

    def resume(self, stream: int, partition: int) -> None:
        self.paused.remove(stream)

    async def beginning(self, stream: int, partition: int) -> int:
        return 0


class NullTaskMetrics:
    """Discards all measurements."""

    def restored(self, partition: int, rows: int, seconds: float) -> None: ...

    def stepped(self, seconds: float) -> None: ...

    def checkpointed(
        self, partition: int, seconds: float, rows: int, raised: list[RaisedAlert], expected_flips: float
    ) -> None: ...

    def failed(self, partition: int, error: BaseException) -> None: ...

    def records_expired(self, topic: str, count: int) -> None: ...

    def group_offsets_reset(self) -> None: ...


def runner_of(settings: Settings, store: CheckpointStore, partition: int, partitions: int) -> TaskRunner:
    """Return the runner of a task, as the worker makes it."""
    task = Task(partition, settings, Intake(settings, partitions), store, time.time)
    return TaskRunner(task, settings, FakePartitionControl(), NullTaskMetrics())
