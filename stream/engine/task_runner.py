"""The loop of one task: restore, then apply and checkpoint until the task is stopped.

Invariant: the runner never repairs a task. An exception leaves `run`, and the task manager drops the task.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import time
from typing import Any, Final, Protocol

import msgspec
import structlog

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.contract.events import VERDICTS
from stream.engine.checkpoint import RaisedAlert
from stream.engine.idle_streams import IdleStreams, Tail
from stream.engine.log_check import Gap
from stream.engine.schema_fetcher import SchemaFetcher
from stream.engine.stalled_streams import StalledStreams
from stream.engine.task import EVIDENCE, Task

log = structlog.get_logger()

#: The most events applied before other coroutines run: some 10 ms.
_MAX_STEP_EVENTS: Final = 500
#: Records in a stream's inbox at which its partition is paused, and below which it is resumed.
_PAUSE_AT: Final = 20_000
_RESUME_AT: Final = 5_000
#: The longest sleep of a task without input.
_TICK_SECONDS: Final = 0.05
#: How often the ids of the topics are compared.
_IDS_CHECK_SECONDS: Final = 30
#: How often the fetch positions of streams without records are looked at.
_POSITIONS_CHECK_SECONDS: Final = 10


class PartitionControl(Protocol):
    """What a runner needs from the transport, for one stream of one partition."""

    def tail(self, stream: int, partition: int) -> Tail: ...
    def pause(self, stream: int, partition: int) -> None: ...
    def resume(self, stream: int, partition: int) -> None: ...
    async def beginning(self, stream: int, partition: int) -> int: ...


class TaskMetrics(Protocol):
    """Where runners and the manager report what they have done."""

    def restored(self, partition: int, rows: int, seconds: float) -> None: ...
    def stepped(self, seconds: float) -> None: ...
    def checkpointed(
        self, partition: int, seconds: float, rows: int, raised: list[RaisedAlert], expected_flips: float
    ) -> None: ...
    def failed(self, partition: int, error: BaseException) -> None: ...
    def records_expired(self, topic: str, count: int) -> None: ...
    def group_offsets_reset(self) -> None: ...


class TaskRunner:
    """Runs a task.

    Args:
        task: The task.
        settings: All settings.
        partitions: Pauses and resumes the task's partitions.
        metrics: Where times and counts are reported.
        schemas: Fetches the schemas that records need; None if no format of the settings needs one.
    """

    def __init__(
        self,
        task: Task,
        settings: Settings,
        partitions: PartitionControl,
        metrics: TaskMetrics,
        schemas: SchemaFetcher | None = None,
    ) -> None:
        self.task = task
        self.checkpointed_at = time.monotonic()
        #: Of the restore.
        self.restored_rows, self.restored_seconds = 0, 0.0
        self._settings = settings
        self._partitions = partitions
        self._metrics = metrics
        self._schemas = schemas
        #: By stream that waits for a schema: since when (monotonic seconds).
        self._waiting_since: dict[int, float] = {}
        streams = range(len(settings.read_topics))
        self._idle_streams = IdleStreams(streams, streams[:EVIDENCE], self._tail, settings.max_idle_seconds)
        #: By stream, when records last arrived (epoch seconds).
        self.last_arrivals: dict[int, float] = {}
        self._paused = [False] * len(settings.read_topics)
        self._stalled = StalledStreams(settings.read_topics, task.partition)
        self._ids_checked_at = self._positions_checked_at = time.monotonic()
        #: By stream, offset and time (epoch seconds) of the last record that did not follow the one before it.
        self._jumps: dict[int, tuple[int, float]] = {}
        self._records_arrived = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Let `run` end after one last checkpoint."""
        self._stopping = True
        self._records_arrived.set()

    async def drop(self) -> None:
        """End the task; it writes nothing from now on."""
        await self.task.drop()

    def _tail(self, stream: int) -> Tail:
        return self._partitions.tail(stream, self.task.partition)

    def take(self, stream: int, records: list[Any]) -> None:
        """Take fetched records of a stream; pause its partition if the inbox is full."""
        if records[0].offset > self._idle_streams.next_offset(stream):
            self._jumps[stream] = records[0].offset, records[0].timestamp / 1000
        self._idle_streams.received(stream, records[-1].offset + 1)
        self._stalled.end(stream)
        self.last_arrivals[stream] = time.time()
        self.task.take(stream, records)
        self._records_arrived.set()
        if self.task.unread(stream) > _PAUSE_AT and not self._paused[stream]:
            self._paused[stream] = True
            self._partitions.pause(stream, self.task.partition)

    def _idle(self, stream: int) -> bool:
        """Return whether the merge need not wait for a stream that has no event."""
        streams, is_event = self._idle_streams, stream != VERDICTS
        # People write verdicts: that events come again does not mean that a verdict is on its way with them.
        if streams.is_idle(stream, with_others=is_event):
            self._stalled.end(stream)
            return True
        waited_seconds = streams.given_up_after_seconds(stream, with_others=is_event)
        if waited_seconds is not None:
            self._stalled.add(stream, waited_seconds)
            return True
        return not is_event and streams.is_empty(stream)

    async def run(self) -> None:
        """Restore the task, then apply events and commit checkpoints until `stop` is called."""
        task = self.task
        started_at = time.monotonic()
        self.restored_rows = await task.restore()
        self.restored_seconds = time.monotonic() - started_at
        self._idle_streams.begin()
        self._metrics.restored(task.partition, self.restored_rows, self.restored_seconds)
        for topic in self._settings.read_topics:  # from zero, so that Prometheus sees the series before a gap
            self._metrics.records_expired(topic, 0)
        for gap in task.gaps:
            self._report_expired(gap)
        while not self._stopping:
            stepped_at = time.monotonic()
            self._idle_streams.turn()
            if stepped_at - self._ids_checked_at > _IDS_CHECK_SECONDS:
                self._ids_checked_at = stepped_at
                await task.check_topic_ids()
            if stepped_at - self._positions_checked_at > _POSITIONS_CHECK_SECONDS:
                self._positions_checked_at = stepped_at
                self._look_at_positions()
            await task.verify()
            if self._schemas is not None:
                self._release_streams(self._schemas)
            applied = task.step(self._idle, _MAX_STEP_EVENTS)
            if applied:
                self._metrics.stepped(time.monotonic() - stepped_at)
                self._stalled.warn()
            self._resume_partitions()
            due = time.monotonic() - self.checkpointed_at >= self._settings.checkpoint_seconds
            # A blocked task waits for other tasks, which wait for its messages: they must go out at once. So must those
            # of a task without input: others may be blocked.
            if due or task.alerts_waiting or task.blocked or (not applied and task.detector.outbox):
                await self.checkpoint()
            if applied:
                await asyncio.sleep(0)
            else:
                await self._wait()
        await self.checkpoint()

    def _release_streams(self, schemas: SchemaFetcher) -> None:
        """Read the streams on whose schemas have come; ask for the others'."""
        schemas.cache.expire(time.monotonic())
        for stream, schema_id in list(self.task.needed_schemas.items()):
            self._waiting_since.setdefault(stream, time.monotonic())
            if schemas.has(schema_id, f"{self._settings.read_topics[stream]}/{self.task.partition}"):
                self.task.release(stream)
        for stream in self._waiting_since.keys() - self.task.needed_schemas.keys():
            del self._waiting_since[stream]

    def schema_wait_seconds(self, stream: int) -> float:
        """Return for how long a stream has been held back because its next record's schema is not there."""
        since = self._waiting_since.get(stream)
        return 0.0 if since is None else time.monotonic() - since

    def _look_at_positions(self) -> None:
        for stream in range(len(self.task.receptions)):
            position = self._idle_streams.position(stream)
            if position is not None:
                self.task.look(stream, position)

    async def _check_skipped(self) -> None:
        """Report records that expired while this task was far behind, and continue after them.

        Each commit of a producer with transactions takes an offset, so skipped offsets are usual.
        """
        for stream, reception in enumerate(self.task.receptions):
            if reception.skipped.unchecked:
                reception.skipped.check(await self._partitions.beginning(stream, self.task.partition))
            for gap in self.task.pass_gaps(stream):
                self._report_expired(gap)

    def _report_expired(self, gap: Gap) -> None:
        offset, sent_at = self._jumps.get(self._settings.read_topics.index(gap.topic), (-1, 0.0))
        log.warning(
            "records_expired",
            **gap._asdict(),
            text=f"Offsets {gap.first} to {gap.last - 1} of topic {gap.topic}, partition {gap.partition}, expired "
            "before they were read, and their events count nowhere: raise the topic's retention.ms. Fed again, these "
            "events alone do not repair the state, because they come late: if you have the whole history, feed it to "
            'new topics in order (docs/operations.md, "Backfill and cut-over").',
            last_applied=_text_of_time(self.task.detector.state.clock),
            first_left=_text_of_time(sent_at) if offset >= gap.last else None,
        )
        self._metrics.records_expired(gap.topic, gap.last - gap.first)

    async def checkpoint(self) -> None:
        """Commit a checkpoint and report it."""
        started_at = time.monotonic()
        # Before the commit: the next owner of the partition would not see the gap.
        await self._check_skipped()
        committed = await self.task.checkpoint(_stamped)
        self.checkpointed_at = time.monotonic()
        if committed.rows:
            seconds = self.checkpointed_at - started_at
            self._metrics.checkpointed(self.task.partition, seconds, *committed)

    def _resume_partitions(self) -> None:
        for stream, paused in enumerate(self._paused):
            if paused and self.task.unread(stream) < _RESUME_AT:
                self._paused[stream] = False
                self._partitions.resume(stream, self.task.partition)

    async def _wait(self) -> None:
        self._records_arrived.clear()
        try:
            async with asyncio.timeout(_TICK_SECONDS):
                await self._records_arrived.wait()
        except TimeoutError:
            pass


def _stamped(alert: Alert) -> Alert:
    return msgspec.structs.replace(alert, detected_at=dt.datetime.now(dt.UTC))


def _text_of_time(at: float) -> str | None:
    """Return a time in ISO 8601; None before the first event."""
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="seconds") if math.isfinite(at) else None
