"""What a file's lines would be to a worker: events, or refusals; in order, or late.

Invariant: a line is decoded as the worker decodes it. Memory does not grow with the file, but for a bounded number of
sellers if the sizes of tasks are counted.
"""

from __future__ import annotations

import math
import time
from collections import Counter

import msgspec

from stream.config import Settings
from stream.contract.events import STREAMS
from stream.intake.intake import Intake
from stream.intake.partition import partition_of
from stream.intake.refusal import Refusal, Refused
from stream.ops.event_files import Head, stream_of
from stream.ops.task_sizes import TaskSizes
from stream.ops.trust import Doubt, Quality, of_input, of_tasks

_NAMES = tuple(STREAMS)


class RefusedLines(msgspec.Struct, frozen=True):
    """The lines that are refused for one reason.

    Attributes:
        reason: A value of `intake.refusal.Refusal`.
        count: The number of lines.
        line: The number of the first of them, from 1.
        text: Why that line is refused.
    """

    reason: str
    count: int
    line: int
    text: str


class RefusalCounts:
    """Counts refused lines by reason, with the first line of each, and by stream; reasons are few and fixed."""

    def __init__(self) -> None:
        self.by_stream: Counter[str] = Counter()
        self._by_reason: dict[Refusal, RefusedLines] = {}

    def add(self, stream: int, line: int, refused: Refused) -> None:
        """Count a refused line of a stream; `line` is its number in the file."""
        self.by_stream[_NAMES[stream]] += 1
        self._add(RefusedLines(refused.reason, 1, line, refused.detail))

    def update(self, other: RefusalCounts) -> None:
        """Add the counts of another part of the same file."""
        self.by_stream.update(other.by_stream)
        for found in other._by_reason.values():
            self._add(found)

    def _add(self, found: RefusedLines) -> None:
        reason = Refusal(found.reason)
        before = self._by_reason.get(reason, found)
        first = min(before, found, key=lambda one: one.line)
        count = found.count + (before.count if before is not found else 0)
        self._by_reason[reason] = msgspec.structs.replace(first, count=count)

    def by_reason(self) -> list[RefusedLines]:
        """Return the refused lines of each reason, the most frequent one first."""
        return sorted(self._by_reason.values(), key=lambda one: (-one.count, one.line))


class CheckResult(msgspec.Struct, kw_only=True):
    """The result that `volteface feed --check` prints.

    Attributes:
        valid: Whether no line is refused, and the input alone gives no doubt.
        trust, reasons: Also, with `--check`, whether tasks have enough sellers and days to compare.
    """

    valid: bool
    lines: int
    events: int
    late: int
    unknown_fields: int
    trust: str
    reasons: list[str]
    refused: list[RefusedLines]


class LineCheck:
    """Decodes lines, and counts what is wrong with them.

    Args:
        settings: All settings.
        partitions: The number of partitions of the topics: events of different partitions need no order.
        with_sizes: Whether to judge what the tasks have to compare: of a whole history, not of today's events.
    """

    def __init__(self, settings: Settings, partitions: int, with_sizes: bool = False) -> None:
        self.lines = 0
        self._number = 0
        self.refusals = RefusalCounts()
        self._partitions = partitions
        self._lateness_seconds = settings.allowed_lateness_seconds
        self._intake = Intake(settings, partitions)
        self._sizes = TaskSizes(partitions) if with_sizes else None
        self._read: Counter[str] = Counter()
        self._late: Counter[str] = Counter()
        #: The latest time of each stream and partition, in epoch seconds.
        self._latest: dict[tuple[int, int], float] = {}

    @property
    def events(self) -> int:
        """The number of lines that are events."""
        return self.lines - self.refusals.by_stream.total()

    def add(self, line: bytes, top: Head) -> bool:
        """Check the file's next line; return whether it is an event. An empty line is nothing, but has a number."""
        self._number += 1
        if not line:
            return False
        self.lines += 1
        stream = stream_of(top.type)
        self._read[_NAMES[stream]] += 1
        try:
            event = self._intake.read(stream, line)
            at = self._intake.check_time(event, time.time())
        except Refused as refused:
            self.refusals.add(stream, self._number, refused)
            return False
        place = stream, partition_of(event.key, self._partitions)
        if self._sizes is not None:
            self._sizes.add(place[1], event, at)
        latest = self._latest.get(place, -math.inf)
        if at > latest:
            self._latest[place] = at
        elif at < latest - self._lateness_seconds:
            self._late[_NAMES[stream]] += 1
        return True

    def _doubts(self) -> list[Doubt]:
        """Return why an outcome of this input could not be trusted."""
        quality = Quality(
            applied=self._read - self.refusals.by_stream,
            refused=self.refusals.by_stream,
            late=self._late,
            duplicates=0,
            unknown_fields=self._intake.unknown_fields,
            lateness_seconds=self._lateness_seconds,
        )
        return of_input(quality)

    def result(self) -> CheckResult:
        """Return all counts."""
        found = self._doubts()
        doubts = list(found)
        if self._sizes is not None:
            doubts += of_tasks(self._sizes.of_tasks(), self._partitions, flips_known=False)
        return CheckResult(
            valid=not found and not self.refusals.by_stream.total(),
            lines=self.lines,
            events=self.events,
            late=self._late.total(),
            unknown_fields=self._intake.unknown_fields,
            trust="doubtful" if doubts else "ok",
            reasons=[doubt.text for doubt in doubts],
            refused=self.refusals.by_reason(),
        )
