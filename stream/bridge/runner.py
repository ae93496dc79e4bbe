"""The loop of one task of the bridge: begin, then take records and commit until the task is stopped.

Invariant: the runner never repairs a task. An exception leaves `run`, and the task manager drops the task; the next
owner continues at the last commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import structlog

from stream.bridge.source_logs import SourceStart
from stream.bridge.source_merge import Mapped
from stream.bridge.task import BridgeTask, Outcome
from stream.engine.idle_streams import IdleStreams, Tail
from stream.engine.log_check import Gap
from stream.engine.schema_fetcher import SchemaFetcher
from stream.intake.refusal import Refused
from stream.ops.rate_limit import RateLimit

log = structlog.get_logger()

#: The most records of one transaction, and the time between two while little arrives.
_MAX_RECORDS: Final = 5000
_COMMIT_SECONDS: Final = 0.1
#: So many records at once are a backlog: the next transaction does not wait.
_BACKLOG_RECORDS: Final = 500
#: The most records that are mapped before other coroutines run: some 10 ms.
_MAX_STEP_RECORDS: Final = 200
#: Records and bytes in a topic's inbox at which its partition is paused, and below which it is resumed.
_PAUSE_AT: Final = (10_000, 32 * 1024 * 1024)
_RESUME_AT: Final = (2_500, 8 * 1024 * 1024)
_TICK_SECONDS: Final = 0.05
#: How often the ids of the topics are compared.
_IDS_CHECK_SECONDS: Final = 30


class SourcePartitions(Protocol):
    """What a runner needs from the transport."""

    def tail(self, topic: str, partition: int) -> Tail: ...
    def pause(self, topic: str, partition: int) -> None: ...
    def resume(self, topic: str, partition: int) -> None: ...


class BridgeCounts(Protocol):
    """Where runners report what they have done."""

    def committed(self, partition: int, records: int, seconds: float, outcome: Outcome) -> None: ...
    def expired(self, topic: str, count: int) -> None: ...


class BridgeRunner:
    """Runs a task of the bridge.

    Args:
        task: The task.
        partitions: Pauses and resumes partitions.
        counts: Where results are reported.
        start: Returns where topics are continued.
        topic_ids: Returns the present ids of the topics.
        max_idle_seconds: How long a topic that has been read to its end is waited for.
        schemas: Fetches the schemas that records need; None without a registry.

    Attributes:
        running: Whether the task has begun.
    """

    def __init__(
        self,
        task: BridgeTask,
        partitions: SourcePartitions,
        counts: BridgeCounts,
        start: Callable[[Sequence[str], int, Mapping[str, str]], Awaitable[SourceStart]],
        topic_ids: Callable[[], Awaitable[Mapping[str, str]]],
        max_idle_seconds: float,
        schemas: SchemaFetcher | None,
    ) -> None:
        self.task = task
        self.running = False
        self._partitions = partitions
        self._counts = counts
        self._start = start
        self._topic_ids = topic_ids
        self._schemas = schemas
        self._idle_streams = IdleStreams(task.topics, task.topics, self._tail, max_idle_seconds)
        self._paused: set[str] = set()
        self._refusals = RateLimit()
        self._arrived = asyncio.Event()
        self._stopping = False

    def take(self, topic: str, records: Sequence[Any]) -> None:
        """Take fetched records; pause their partition if the inbox is full."""
        self._idle_streams.received(topic, records[-1].offset + 1)
        self.task.take(topic, records)
        self._arrived.set()
        if topic not in self._paused and self._exceeds(topic, _PAUSE_AT):
            self._paused.add(topic)
            self._partitions.pause(topic, self.task.partition)

    def stop(self) -> None:
        """Let `run` end after one last commit."""
        self._stopping = True
        self._arrived.set()

    async def run(self) -> None:
        """Begin, then take records and commit them until `stop` is called."""
        task = self.task
        await task.open()
        ids = await self._topic_ids()
        task.begin(await self._start(task.topics, task.partition, ids), ids)
        for gap in task.gaps:
            self._report_expired(gap)
        committed_at = checked_at = time.monotonic()
        self._idle_streams.begin()
        self.running = True
        found = 0
        while not self._stopping:
            self._idle_streams.turn()
            if time.monotonic() - checked_at > _IDS_CHECK_SECONDS:
                checked_at = time.monotonic()
                task.check_ids(await self._topic_ids())
            waited_seconds = time.monotonic() - committed_at
            if waited_seconds < _COMMIT_SECONDS and found < _BACKLOG_RECORDS:
                await asyncio.sleep(_COMMIT_SECONDS - waited_seconds)
            found = await self._commit_next()
            committed_at = time.monotonic()
            if not found:
                await self._wait()

    async def _commit_next(self) -> int:
        """Commit the next records; return how many there were."""
        started_at = time.monotonic()
        taken: list[Mapped] = []
        while len(taken) < _MAX_RECORDS and not self._stopping:
            self._look_for_schemas()
            step = self.task.step(self._idle, _MAX_STEP_RECORDS)
            taken += step
            if len(step) < _MAX_STEP_RECORDS:
                break
            await asyncio.sleep(0)
        if not taken:
            return 0
        outcome = await self.task.commit(taken)
        self._counts.committed(self.task.partition, len(taken), time.monotonic() - started_at, outcome)
        self._report_refused(taken)
        self._resume()
        return len(taken)

    def _look_for_schemas(self) -> None:
        """Ask for the schemas that records wait for; those that are there are used by the next step."""
        if self._schemas is not None:
            self._schemas.cache.expire(time.monotonic())
            for topic, schema_id in self.task.merge.needed_schemas.items():
                self._schemas.has(schema_id, f"{topic}/{self.task.partition}")

    def _idle(self, topic: str) -> bool:
        """Return whether the merge need not wait for a topic that has no record."""
        streams = self._idle_streams
        return streams.is_idle(topic, with_others=False) or streams.given_up_after_seconds(topic, False) is not None

    def _tail(self, topic: str) -> Tail:
        return self._partitions.tail(topic, self.task.partition)

    def _exceeds(self, topic: str, limits: tuple[int, int]) -> bool:
        merge = self.task.merge
        return len(merge.inboxes[topic]) > limits[0] or merge.bytes_waiting[topic] > limits[1]

    def _resume(self) -> None:
        for topic in [each for each in self._paused if not self._exceeds(each, _RESUME_AT)]:
            self._paused.remove(topic)
            self._partitions.resume(topic, self.task.partition)

    async def _wait(self) -> None:
        self._arrived.clear()
        try:
            async with asyncio.timeout(_TICK_SECONDS):
                await self._arrived.wait()
        except TimeoutError:
            pass

    def _report_refused(self, taken: Sequence[Mapped]) -> None:
        """Write, once a minute for each topic and reason, why records are dead letters."""
        for source, outcome in taken:
            if isinstance(outcome, Refused) and self._refusals.is_due(f"{source.topic} {outcome.reason}"):
                log.warning(
                    "record_refused",
                    topic=source.topic,
                    partition=source.partition,
                    offset=source.offset,
                    reason=outcome.reason,
                    text=f"{outcome.detail} The record is a dead letter; `volteface bridge --dry-run` shows others.",
                )

    def _report_expired(self, gap: Gap) -> None:
        log.error(
            "records_expired",
            **gap._asdict(),
            text=f"Offsets {gap.first} to {gap.last - 1} of topic {gap.topic}, partition {gap.partition}, expired "
            "before the bridge read them, and their changes are lost: raise the topic's retention.ms, and let the "
            "connector read the table again (an ad-hoc snapshot).",
        )
        self._counts.expired(gap.topic, gap.last - gap.first)

    async def drop(self) -> None:
        """End the task; it writes nothing from now on."""
        self.running = False
        await self.task.drop()
