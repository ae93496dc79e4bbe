"""One decision over several cases, with ten seconds in which it can be undone.

Invariant: nothing is written before the time is over. A console that ends before has written nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Literal
from uuid import uuid4

from starlette.concurrency import run_in_threadpool

from stream.console.access.roles import User
from stream.console.decisions import Done, RefusedError
from stream.ops.cases import NotAcknowledgedError

UNDO_SECONDS: Final = 10.0
_MAX_JOBS: Final = 200
#: How long pages show what has become of a job.
_SHOWN_SECONDS: Final = 20.0


class BulkJob:
    """A decision over several cases.

    Attributes:
        job_id: Its id.
        what: What it does, in words.
        state: "waiting" while it can be undone; then "undone", or "running" and "done".
        recorded: How many events were recorded.
        refused: Why others were not, each reason once.
    """

    def __init__(self, user: User, what: str, decide: Sequence[Callable[[], Done]]) -> None:
        self.job_id = uuid4().hex
        self.user, self.what, self.decide = user, what, decide
        self.state: Literal["waiting", "undone", "running", "done"] = "waiting"
        self.begins_at = time.monotonic() + UNDO_SECONDS
        self.recorded = 0
        self.refused: dict[str, int] = {}
        self.task: asyncio.Task[None] | None = None

    @property
    def seconds_left(self) -> int:
        """Whole seconds until it begins."""
        return max(0, round(self.begins_at - time.monotonic()))

    async def run(self) -> None:
        """Wait, then decide one case after the other."""
        await asyncio.sleep(UNDO_SECONDS)
        self.state = "running"
        for decide in self.decide:
            try:
                await run_in_threadpool(decide)
                self.recorded += 1
            except (RefusedError, NotAcknowledgedError, LookupError) as error:
                self.refused[str(error)] = self.refused.get(str(error), 0) + 1
        self.state = "done"


class BulkJobs:
    """The latest jobs."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, BulkJob] = OrderedDict()

    def waiting(self, user: User) -> BulkJob | None:
        """Return the job of a user that can still be undone, or that runs."""
        running = {"waiting", "running"}
        return next((job for job in self._jobs.values() if job.user.id == user.id and job.state in running), None)

    def shown(self, user: User) -> BulkJob | None:
        """Return the job that a user's pages show: one that waits or runs, or that has ended a moment ago."""
        now = time.monotonic()
        recent = (job for job in reversed(self._jobs.values()) if now < job.begins_at + _SHOWN_SECONDS)
        return self.waiting(user) or next((job for job in recent if job.user.id == user.id), None)

    def begin(self, user: User, what: str, decide: Sequence[Callable[[], Done]]) -> BulkJob:
        """Begin a job, in the running event loop.

        Raises:
            RefusedError: The user's job before has not ended.
        """
        if self.waiting(user) is not None:
            raise RefusedError("Your decision before waits for its ten seconds: undo it, or wait.")
        job = BulkJob(user, what, decide)
        job.task = asyncio.get_running_loop().create_task(job.run())
        self._jobs[job.job_id] = job
        ended = [name for name, one in self._jobs.items() if one.state in {"undone", "done"}]
        for name in ended[: max(0, len(self._jobs) - _MAX_JOBS)]:
            del self._jobs[name]
        return job

    def job(self, user: User, job_id: str) -> BulkJob | None:
        """Return a job of a user."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.user.id == user.id else None

    def undo(self, user: User, job_id: str) -> bool:
        """Undo a job, and return whether it had not begun."""
        job = self.job(user, job_id)
        if job is None or job.state != "waiting" or job.task is None:
            return False
        job.task.cancel()
        job.state = "undone"
        return True
