"""The tasks of one process: created when partitions are assigned, dropped when they are revoked.

Invariant: a task runs only with its partitions of all topics. One that fails is dropped and never repaired, because its
state may be ahead of the last checkpoint. The group is then asked for a new assignment, which starts from the last
checkpoint. If the state itself cannot be read, a new assignment would fail in the same way forever, so the worker ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Generic, Protocol, TypeVar

import structlog

from stream.config import SettingsError
from stream.core.model.encoding import StateError
from stream.engine.log_check import GroupOffsetsError
from stream.engine.record_limits import WriteError
from stream.engine.refusals import MissingTopicError
from stream.rights import MissingRightsError

log = structlog.get_logger()

#: The time that a revoked task has for its last checkpoint. What it does not commit, the next owner does again.
_LAST_CHECKPOINT_SECONDS: Final = 5
#: The time until a task is tried again that lacked a right or a topic.
_DENIED_SECONDS: Final = 5


class Runner(Protocol):
    """Runs one task."""

    async def run(self) -> None:
        """Run the task until `stop` is called, or until an exception leaves this method."""
        ...

    def stop(self) -> None:
        """Let `run` end after one last checkpoint."""
        ...

    async def drop(self) -> None:
        """End the task; it writes nothing from now on."""
        ...


R = TypeVar("R", bound=Runner)


class Failures(Protocol):
    """Where failures are reported."""

    def failed(self, partition: int, error: BaseException) -> None: ...
    def group_offsets_reset(self) -> None: ...


class TaskManager(Generic[R]):
    """Starts, watches and drops the runners of a process.

    Args:
        make_runner: Makes the runner of a partition number; the second argument is the number of partitions.
        metrics: Where failures are reported.
        rejoin: Asks the group for a new assignment.
        crash: Ends the worker because state cannot be read, or because a broker's limit excludes a setting.
        report_denied: Writes, now and then, what a task lacks that is tried again every few seconds.

    Attributes:
        runners: The runners by partition number.
        assigned: The partition numbers of this worker, those of failed tasks included, none for a spare worker; None
            while the group assigns them.
        incomplete: Those of them that lack partitions of some topics. Their tasks do not run.
    """

    def __init__(
        self,
        make_runner: Callable[[int, int], R],
        metrics: Failures,
        rejoin: Callable[[], Awaitable[None]],
        crash: Callable[[Exception], Awaitable[None]],
        report_denied: Callable[[int, MissingRightsError | MissingTopicError], Awaitable[None]],
    ) -> None:
        self.runners: dict[int, R] = {}
        self.assigned: frozenset[int] | None = None
        self.incomplete: frozenset[int] = frozenset()
        self._loops: dict[int, asyncio.Task[None]] = {}
        self._make_runner = make_runner
        self._metrics = metrics
        self._rejoin = rejoin
        self._crash = crash
        self._report_denied = report_denied

    def assign(self, partitions: set[int], count: int, incomplete: Iterable[int] = ()) -> None:
        """Start the tasks of these partition numbers.

        Args:
            partitions: The partition numbers of this worker; tasks that run already go on.
            count: The number of partitions of the input topics.
            incomplete: Further numbers of which the worker has not the partitions of all topics.
        """
        self.incomplete = frozenset(incomplete)
        self.assigned = self.incomplete.union(partitions)
        for partition in sorted(partitions - self.runners.keys()):
            runner = self.runners[partition] = self._make_runner(partition, count)
            self._loops[partition] = asyncio.create_task(self._run(partition, runner))

    async def _run(self, partition: int, runner: R) -> None:
        try:
            await runner.run()
        except (StateError, SettingsError) as error:
            self._metrics.failed(partition, error)
            await self._drop(partition, runner)
            await self._crash(error)
        except GroupOffsetsError as error:
            log.warning("group_offsets_reset", partition=partition, topics=error.topics, reason=str(error))
            self._metrics.group_offsets_reset()
            await self._drop(partition, runner)
            await self._rejoin()
        except WriteError as error:
            self._metrics.failed(partition, error)
            log.error("write_refused", partition=partition, topic=error.topic, error=str(error))
            await self._drop(partition, runner)
            await self._rejoin()
        except (MissingRightsError, MissingTopicError) as error:
            self._metrics.failed(partition, error)
            await self._drop(partition, runner)
            await self._report_denied(partition, error)
            await asyncio.sleep(_DENIED_SECONDS)
            await self._rejoin()
        except Exception as error:  # every failure is logged, drops the task, and leads to a new assignment
            self._metrics.failed(partition, error)
            log.error("task_failed", partition=partition, error=repr(error), exc_info=error)
            await self._drop(partition, runner)
            await self._rejoin()

    async def revoke(self) -> None:
        """Let every task commit a last checkpoint, and drop it."""
        self.assigned = None
        self.incomplete = frozenset()
        loops = list(self._loops.values())
        for runner in self.runners.values():
            runner.stop()
        if loops:
            _, late = await asyncio.wait(loops, timeout=_LAST_CHECKPOINT_SECONDS)
            for loop in late:
                loop.cancel()
        # All at once: without Kafka each drop takes its whole timeout, and the group and a SIGTERM do not wait for the
        # sum of them.
        await asyncio.gather(*(self._drop(partition, runner) for partition, runner in list(self.runners.items())))

    async def _drop(self, partition: int, runner: R) -> None:
        self.runners.pop(partition, None)
        self._loops.pop(partition, None)
        try:
            async with asyncio.timeout(5):
                await runner.drop()
        except Exception as error:
            log.warning("producer_not_closed", partition=partition, error=repr(error))
