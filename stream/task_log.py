"""A worker's lines about its tasks: what each one has restored, and how many records it has refused.

Invariant: refused records are counted once their dead letters are committed, so the lines add up to what `volteface dlq
list` shows. The same line is written once a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import structlog

from stream.config import Settings
from stream.engine.task import Task, TaskPhase
from stream.engine.task_runner import TaskRunner
from stream.ops.rate_limit import RateLimit

log = structlog.get_logger()


class TaskLog:
    """Writes the lines of one worker.

    Args:
        settings: All settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._topics = settings.read_topics
        #: The running tasks, with their dead letters that were counted, by "topic/reason".
        self._known: dict[Task, Counter[str]] = {}
        #: Dead letters since the last line, by "topic/reason".
        self._refused: Counter[str] = Counter()
        self._ready_limit, self._refused_limit = RateLimit(), RateLimit()

    def update(self, runners: Mapping[int, TaskRunner]) -> None:
        """Write about tasks that are ready since the last call, and about newly refused records."""
        # Tasks that have ended since the last call included: they made a last checkpoint.
        for task, counted in self._known.items():
            self._refused += Counter(task.committed_totals.dead) - counted
        running = {runner.task: runner for runner in runners.values() if runner.task.phase is TaskPhase.RUNNING}
        for task, runner in running.items():
            if task not in self._known:
                self._report_ready(runner)
                self._refused += Counter(task.committed_totals.dead) - Counter(task.restored_totals.dead)
        self._known = {task: Counter(task.committed_totals.dead) for task in running}
        self._report_refused()

    def _report_ready(self, runner: TaskRunner) -> None:
        task = runner.task
        offsets = dict(zip(self._topics, task.restored_offsets, strict=True))
        state = "found" if task.state_found else "empty"
        # A task that fails for a lasting reason is restored every few seconds.
        if self._ready_limit.is_due(f"{task.partition} {state} {runner.restored_rows} {offsets}"):
            log.info(
                "task_ready",
                partition=task.partition,
                state=state,
                rows=runner.restored_rows,
                seconds=round(runner.restored_seconds, 3),
                offsets=offsets,
            )

    def _report_refused(self) -> None:
        for name in [name for name, count in self._refused.items() if count]:
            if self._refused_limit.is_due(name):
                topic, _, reason = name.rpartition("/")
                count = self._refused.pop(name)
                log.warning(
                    "records_refused",
                    topic=topic,
                    reason=reason,
                    count=count,
                    text=f"{count:,} records of topic {topic} since the last such line are refused ({reason}) and "
                    "count nowhere: `volteface dlq list` shows them and says what to correct",
                )
