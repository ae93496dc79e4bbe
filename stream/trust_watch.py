"""Why the outcome of a worker's tasks cannot be trusted at present: for the log and the metrics.

Invariant: a task is judged by its latest RECENT_EVENTS, so that a change of a producer shows however old the state is;
by all late events of its state, which more events do not repair; and by its size. Memory is bounded: a dozen marks a
task.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from stream.config import Settings
from stream.engine.task import Task, TaskPhase
from stream.engine.task_runner import TaskRunner
from stream.engine.task_totals import TaskTotals
from stream.ops.rate_limit import RateLimit
from stream.ops.trust import Doubt, Quality, TaskSize, of_input, of_tasks

log = structlog.get_logger()

#: The latest events that are judged by themselves.
RECENT_EVENTS: Final = 10_000
#: Counts are kept once in so many events.
_MARK_EVENTS: Final = 1_000
#: A doubt about the input is logged at most once in this time, and one about the sizes of the tasks once.
_LOG_SECONDS: Final = 600.0
#: The sizes of tasks that are further behind than this will change soon.
_LIVE_SECONDS: Final = 86_400.0
#: The name of the events of a state that were not counted by topic.
_EARLIER: Final = "earlier"
#: A file that is fed again is dropped as duplicates.
_LATE_ADVICE: Final = (
    "feeding them again does not repair the state; build it from events in order, see Backfill and cut-over in "
    "docs/operations.md."
)
#: A file's check sees neither the key nor the partition of a record.
_REFUSED_ADVICE: Final = (
    "`volteface dlq list` says what to correct in their producer. Then see Dead letters in "
    "docs/operations.md and, for wrong_partition_count, docs/partitioning.md."
)
#: Names of counts: a part of `Quality` and a topic, or a part alone.
_Name = tuple[str, str]


class TrustWatch:
    """Judges the running tasks of a worker from time to time.

    Args:
        settings: All settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._recent: dict[int, _RecentCounts] = {}
        self._doubts: dict[int, list[Doubt]] = {}
        self._input_limit, self._size_limit = RateLimit(_LOG_SECONDS), RateLimit(math.inf)

    def reasons(self, partition: int) -> set[str]:
        """Return the reasons not to trust a task, as of the latest `update`."""
        return {doubt.reason for doubt in self._doubts.get(partition, ())}

    def update(self, runners: Mapping[int, TaskRunner]) -> None:
        """Judge the running tasks, and log what is doubtful."""
        tasks = {partition: runner.task for partition, runner in runners.items()}
        running = {p: task for p, task in tasks.items() if task.phase is TaskPhase.RUNNING and _applied(task)}
        self._recent = {
            p: known
            if (known := self._recent.get(p)) and known.task is task
            else _RecentCounts(task, self._counts(task.restored_totals))
            for p, task in running.items()
        }
        sizes = {partition: TaskSize.of(task.detector) for partition, task in running.items()}
        self._doubts = {}
        for partition, task in running.items():
            count = task.detector.state.tasks
            found = self._of_input(partition, task)
            self._log(found, partition, self._input_limit)
            self._doubts[partition] = found + of_tasks({partition: sizes[partition]}, count)
            if task.detector.state.clock > time.time() - _LIVE_SECONDS:
                self._log(of_tasks(sizes, count), None, self._size_limit)

    def _of_input(self, partition: int, task: Task) -> list[Doubt]:
        """Return the doubts about the latest events, and those about the late events of the whole state."""
        recent = self._recent[partition].since_mark(self._counts(task.totals(), task.counts.unknown_fields))
        latest = self._quality(recent, f"the latest input of task {partition}")
        topics, state = self._settings.input_topics, task.detector.state
        applied = dict(zip(topics, task.counts.applied, strict=True))
        late = dict(zip(topics, task.counts.late, strict=True))
        # Of a state from before its events were counted by topic.
        applied[_EARLIER] = state.counts["applied"] - sum(task.counts.applied)
        late[_EARLIER] = state.counts["late"] - sum(task.counts.late)
        whole = latest._replace(
            applied=applied,
            refused={},
            late=late,
            duplicates=0,
            unknown_fields=0,
            scope=f"the state of task {partition}",
        )
        found = of_input(latest)
        reasons = {doubt.reason for doubt in found}
        return found + [doubt for doubt in of_input(whole) if doubt.reason not in reasons]

    def _counts(self, totals: TaskTotals, unknown_fields: int = 0) -> Counter[_Name]:
        topics = self._settings.input_topics
        counts = Counter[_Name]()
        for part, numbers in (("applied", totals.applied), ("late", totals.late)):
            counts.update({(part, topic): number for topic, number in zip(topics, numbers, strict=True)})
        for name, number in totals.dead.items():
            topic = name.rpartition("/")[0]
            if topic in topics:
                counts["refused", topic] += number
        counts["duplicates", ""] = totals.counts.get("duplicate", 0)
        counts["unknown_fields", ""] = unknown_fields
        return counts

    def _quality(self, counts: Counter[_Name], scope: str) -> Quality:
        def by_topic(part: str) -> dict[str, int]:
            return {topic: counts[part, topic] for topic in self._settings.input_topics}

        return Quality(
            applied=by_topic("applied"),
            refused=by_topic("refused"),
            late=by_topic("late"),
            duplicates=counts["duplicates", ""],
            unknown_fields=counts["unknown_fields", ""],
            lateness_seconds=self._settings.allowed_lateness_seconds,
            scope=scope,
            late_advice=_LATE_ADVICE,
            refused_advice=_REFUSED_ADVICE,
        )

    @staticmethod
    def _log(doubts: Iterable[Doubt], task: int | None, limit: RateLimit) -> None:
        for doubt in doubts:
            if limit.is_due(doubt.reason):
                log.warning("outcome_doubtful", reason=doubt.reason, text=doubt.text, task=task)


class _RecentCounts:
    """The counts of a task's latest events."""

    def __init__(self, task: Task, first: Counter[_Name]) -> None:
        self.task = task
        self._marks = deque([(_judged(first), first)])

    def since_mark(self, now: Counter[_Name]) -> Counter[_Name]:
        """Return the counts of the latest RECENT_EVENTS and a few more; of fewer events after a start."""
        judged, marks = _judged(now), self._marks
        if judged - marks[-1][0] >= _MARK_EVENTS:
            marks.append((judged, now))
        while len(marks) > 1 and judged - marks[1][0] >= RECENT_EVENTS:
            marks.popleft()
        return now - marks[0][1]


def _judged(counts: Counter[_Name]) -> int:
    """Return the number of events and refused records; second deliveries do not make earlier events less recent."""
    return sum(number for (part, _), number in counts.items() if part in {"applied", "refused"})


def _applied(task: Task) -> int:
    return task.detector.state.counts["applied"]
