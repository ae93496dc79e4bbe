"""The tasks of one worker: made when partitions are assigned, dropped when they go, each with a loop of its own.

Rule of this room: a task that fails in any way is dropped, never mended: its state may be ahead of the last
checkpoint. The group is then asked for a new assignment, which begins again from what was committed. Where that cannot
be read it would go on for ever so: then the worker ends.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import msgspec
import structlog

from stream.alerts import Alert
from stream.config import Settings
from stream.core.codec import StateError
from stream.engine.task import EVIDENCE, Ledger, Raised, Task
from stream.intake.decode import Intake

log = structlog.get_logger()

#: Events applied before other coroutines get their turn: some 10 ms.
_SLICE: Final = 500
#: Records in a stream's inbox at which its partition is paused, and at which it is read on.
_PAUSE_AT: Final = 20_000
_RESUME_AT: Final = 5_000
_TICK_SECONDS: Final = 0.05
#: A partition that has more but brings nothing is given up waiting for after so many times `max_idle_seconds`.
_STUCK: Final = 30
#: What a revoked task may take for its last checkpoint; what it did not commit is done again by the next owner.
_LAST_CHECKPOINT_SECONDS: Final = 5


class Tap(Protocol):
    """What the crew asks of the transport about a stream of a partition."""

    def at_end(self, stream: int, partition: int) -> bool: ...
    def pause(self, stream: int, partition: int) -> None: ...
    def resume(self, stream: int, partition: int) -> None: ...


class Meter(Protocol):
    """Whom the crew tells what it has done."""

    def restored(self, partition: int, rows: int, seconds: float) -> None: ...
    def stepped(self, seconds: float) -> None: ...
    def checkpointed(self, seconds: float, rows: int, raised: list[Raised]) -> None: ...
    def failed(self, partition: int, error: BaseException) -> None: ...


class Member:
    """A task at work: its loop, and when each of its streams last brought something."""

    def __init__(self, task: Task, settings: Settings, tap: Tap, meter: Meter) -> None:
        self.task = task
        self.checkpointed_at = time.monotonic()
        self._settings = settings
        self._tap = tap
        self._meter = meter
        self._brought_at = [time.monotonic()] * len(settings.read_topics)
        #: When something came after a pause of all streams: what the others bring in the same moment is not there yet,
        #: however long they have been silent. A stream that is never used costs no latency while another one flows.
        self._woke_at = time.monotonic()
        self._taken = [0] * len(settings.read_topics)
        self._paused = [False] * len(settings.read_topics)
        self._news = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Have `run` end after one last checkpoint."""
        self._stopping = True
        self._news.set()

    def taken(self, stream: int) -> int:
        """The offset after the last record that came."""
        return self._taken[stream]

    def take(self, stream: int, records: list[Any]) -> None:
        """Records have come."""
        self._taken[stream] = records[-1].offset + 1
        now = time.monotonic()
        if now - max(self._brought_at[:EVIDENCE]) >= self._settings.max_idle_seconds:
            self._woke_at = now
        self._brought_at[stream] = now
        self.task.take(stream, records)
        self._news.set()
        if self.task.unread(stream) > _PAUSE_AT and not self._paused[stream]:
            self._paused[stream] = True
            self._tap.pause(stream, self.task.partition)

    def _quiet(self, stream: int) -> bool:
        """Whether a stream without a head need not be waited for."""
        idle_seconds = time.monotonic() - max(self._brought_at[stream], self._woke_at)
        if idle_seconds < self._settings.max_idle_seconds:
            return False
        return self._tap.at_end(stream, self.task.partition) or idle_seconds > _STUCK * self._settings.max_idle_seconds

    def _stood_still(self, seconds: float, now: float) -> None:
        """Count a long turn of this loop against no stream for more than `max_idle_seconds`.

        The process was frozen, or Kafka away and a checkpoint waited for it: what a stream has more could not come.
        """
        excess = seconds - self._settings.max_idle_seconds
        if excess > 0:
            self._brought_at = [min(now, at + excess) for at in self._brought_at]
            self._woke_at = min(now, self._woke_at + excess)

    async def run(self) -> None:
        """Restore, then apply and checkpoint until dropped."""
        task = self.task
        begun = time.monotonic()
        rows = await task.restore()
        turned_at = time.monotonic()
        self._brought_at = [turned_at] * len(self._brought_at)
        self._meter.restored(task.partition, rows, turned_at - begun)
        while not self._stopping:
            stepped_at = time.monotonic()
            self._stood_still(stepped_at - turned_at, stepped_at)
            turned_at = stepped_at
            applied = task.step(self._quiet, _SLICE)
            if applied:
                self._meter.stepped(time.monotonic() - stepped_at)
            self._read_on()
            due = time.monotonic() - self.checkpointed_at >= self._settings.checkpoint_seconds
            # Where events are held back until others have been told, what is to be told must not wait.
            if due or task.alerts_waiting or task.held:
                await self.checkpoint()
            if applied:
                await asyncio.sleep(0)
            else:
                await self._wait()
        await self.checkpoint()

    async def checkpoint(self) -> None:
        """Commit, and tell the meter."""
        begun = time.monotonic()
        committed = await self.task.checkpoint(_stamped)
        self.checkpointed_at = time.monotonic()
        if committed.rows:
            self._meter.checkpointed(self.checkpointed_at - begun, committed.rows, committed.raised)

    def _read_on(self) -> None:
        for stream, paused in enumerate(self._paused):
            if paused and self.task.unread(stream) < _RESUME_AT:
                self._paused[stream] = False
                self._tap.resume(stream, self.task.partition)

    async def _wait(self) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(_TICK_SECONDS):
                await self._news.wait()
        except TimeoutError:
            pass


def _stamped(alert: Alert) -> Alert:
    return msgspec.structs.replace(alert, detected_at=dt.datetime.now(dt.UTC))


class Crew:
    """All members of this worker."""

    def __init__(
        self,
        settings: Settings,
        make_ledger: Callable[[int], Ledger],
        tap: Tap,
        meter: Meter,
        ask_again: Callable[[], Awaitable[None]],
        end: Callable[[StateError], Awaitable[None]],
    ) -> None:
        self.members: dict[int, Member] = {}
        self._loops: dict[int, asyncio.Task[None]] = {}
        self._settings = settings
        self._make_ledger = make_ledger
        self._tap = tap
        self._meter = meter
        self._ask_again = ask_again
        self._end = end

    def assign(self, partitions: set[int], count: int) -> None:
        """Begin the tasks of these partition numbers; `count` is the topics' number of partitions."""
        for partition in sorted(partitions - self.members.keys()):
            intake = Intake(self._settings, count)
            task = Task(partition, self._settings, intake, self._make_ledger(partition), time.time)
            member = self.members[partition] = Member(task, self._settings, self._tap, self._meter)
            self._loops[partition] = asyncio.create_task(self._guard(partition, member))

    async def _guard(self, partition: int, member: Member) -> None:
        try:
            await member.run()
        except StateError as error:
            self._meter.failed(partition, error)
            await self._let_go(partition, member)
            await self._end(error)
        except Exception as error:  # any failure ends the task; what it was is told, and the group is asked again
            self._meter.failed(partition, error)
            log.error("task_failed", partition=partition, error=repr(error), exc_info=error)
            await self._let_go(partition, member)
            await self._ask_again()

    async def revoke(self) -> None:
        """Have every task checkpoint once more, and drop it."""
        loops = list(self._loops.values())
        for member in self.members.values():
            member.stop()
        if loops:
            _, late = await asyncio.wait(loops, timeout=_LAST_CHECKPOINT_SECONDS)
            for loop in late:
                loop.cancel()
        # At once, not one by one: without Kafka each takes its whole time, and the group or a SIGTERM does not wait.
        await asyncio.gather(*(self._let_go(partition, member) for partition, member in list(self.members.items())))

    async def _let_go(self, partition: int, member: Member) -> None:
        self.members.pop(partition, None)
        self._loops.pop(partition, None)
        try:
            async with asyncio.timeout(5):
                await member.task.drop()
        except Exception as error:
            log.warning("producer_not_closed", partition=partition, error=repr(error))
