"""The worker's detection without Kafka: a file is split into the logs of a broker, and the tasks take turns.

Invariant: with the worker's number of partitions it gives the worker's alerts, id for id, and the worker's state. The
logs are in a temporary folder, so the tasks' states bound the memory and the file does not.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, Final

import msgspec

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.contract.cases import Case
from stream.contract.events import STREAMS, Event
from stream.core.merge import Merge
from stream.engine.applied_counts import AppliedCounts
from stream.engine.detection import detector_of
from stream.intake.intake import Intake
from stream.intake.partition import partition_of
from stream.intake.refusal import Refused
from stream.offline.local_bus import LocalBus
from stream.ops import trust
from stream.ops.event_files import head, lines, stream_of
from stream.ops.line_check import RefusalCounts, RefusedLines
from stream.ops.sorted_events import sorted_lines
from stream.ops.trust import TaskSize

_CHUNK: Final = 2000
_NAMES: Final = tuple(STREAMS)

#: A record of a log: the line's number in the file, from 1, which serves as offset, and the line. Its key decided which
#: log it is in, so key and partition need no check.
Line = tuple[int, bytes]


class Result(msgspec.Struct, kw_only=True):
    """The result that `volteface replay` prints.

    Attributes:
        trust: "ok", or "doubtful" if there are `reasons` not to trust the outcome.
        refused: The dead lines by reason, with the first of each.
        tasks: What each task has to compare, by partition number.
    """

    events: int
    dead: int
    duplicates: int
    late: int
    flips: int
    alerts: int
    cases: int
    seconds: float
    events_per_second: float
    unknown_fields: int
    trust: str
    reasons: list[str]
    refused: list[RefusedLines]
    tasks: dict[str, TaskSize]
    state_digest: dict[str, str]


def replay(
    settings: Settings,
    source: str,
    partitions: int,
    on_alert: Callable[[Alert], None],
    sort: bool = False,
    on_case: Callable[[Case], None] = lambda _: None,
) -> Result:
    """Run the tasks of all partitions to the ends of their logs.

    Args:
        settings: All settings.
        source: A `.jsonl` or `.jsonl.gz` file, or `-`, with events in order of arrival.
        partitions: The number of tasks.
        on_alert: Called with each alert.
        sort: Whether the file is sorted by occurred_at first; the numbers of lines are then those of the sorted file.
        on_case: Called at the end with each case, in order of opening.
    """
    begun = time.monotonic()
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="volteface-replay-") as folder:
        with (sorted_lines if sort else lines)(source) as file:
            read = _split(file, Path(folder), partitions)
        tasks = [_Task(settings, Path(folder), partition, partitions) for partition in range(partitions)]
        _run(tasks, lambda alert: on_alert(msgspec.structs.replace(alert, detected_at=dt.datetime.now(dt.UTC))))
    refusals, applied, late = RefusalCounts(), Counter[str](), Counter[str]()
    for task in tasks:
        total.update(task.detector.state.counts)
        total["unknown_fields"] += task.counts.unknown_fields
        refusals.update(task.refusals)
        applied.update(dict(zip(_NAMES, task.counts.applied, strict=True)))
        late.update(dict(zip(_NAMES, task.counts.late, strict=True)))
    sizes = {partition: TaskSize.of(task.detector) for partition, task in enumerate(tasks)}
    quality = trust.Quality(
        applied=applied,
        refused=refusals.by_stream,
        late=late,
        duplicates=total["duplicate"],
        unknown_fields=total["unknown_fields"],
        lateness_seconds=settings.allowed_lateness_seconds,
    )
    doubts = trust.of_input(quality) + trust.of_tasks(sizes, partitions)
    cases = sorted(
        (case for task in tasks for case in task.detector.shown_cases()),
        key=lambda case: (case.opened_at, case.case_id),
    )
    for case in cases:
        on_case(case)
    seconds = time.monotonic() - begun
    return Result(
        events=read.total(),
        dead=refusals.by_stream.total(),
        duplicates=total["duplicate"],
        late=total["late"],
        flips=total["upgraded"] + total["retracted"],
        alerts=total["alerts"],
        cases=len(cases),
        seconds=seconds,
        events_per_second=read.total() / seconds,
        unknown_fields=total["unknown_fields"],
        trust="doubtful" if doubts else "ok",
        reasons=[doubt.text for doubt in doubts],
        refused=refusals.by_reason(),
        tasks={str(partition): size for partition, size in sizes.items()},
        state_digest={str(partition): task.detector.rows.digest() for partition, task in enumerate(tasks)},
    )


def _run(tasks: list[_Task], on_alert: Callable[[Alert], None]) -> None:
    """Run the tasks in turns to the ends of their logs; a task that waits for others' messages is blocked meanwhile."""
    bus = LocalBus([task.detector for task in tasks])
    more = True
    while more:
        remaining = [task.advance(on_alert) for task in tasks]
        more = any(remaining)
        # A task without input may have announced that it is idle, in answer to the others' last messages.
        more = more or any(task.detector.outbox for task in tasks)
        for alert in bus.deliver():
            on_alert(alert)


def _log(folder: Path, partition: int, stream: int) -> Path:
    return folder / f"{partition}-{stream}"


def _split(file: Iterable[bytes], folder: Path, partitions: int) -> Counter[str]:
    """Write each line to the log that `feed` and Kafka's partitioner would choose; return the lines of each stream.

    Kafka assigns a record without a key to any partition. Such a record is refused everywhere, so here it goes to 0.
    """
    count = Counter[str]()
    number = 0
    with ExitStack() as stack:
        logs: dict[tuple[int, int], IO[bytes]] = {
            (p, s): stack.enter_context(_log(folder, p, s).open("wb"))
            for p in range(partitions)
            for s in range(len(STREAMS))
        }
        for raw in file:
            number += 1
            line = raw.rstrip(b"\r\n")
            if line:
                top = head(line)
                partition = partition_of(top.key, partitions) if top.key else 0
                stream = stream_of(top.type)
                logs[partition, stream].write(b"%d %s\n" % (number, line))
                count[_NAMES[stream]] += 1
    return count


class _Task:
    """The task of one partition, which reads logs."""

    def __init__(self, settings: Settings, folder: Path, partition: int, partitions: int) -> None:
        self.detector = detector_of(settings, partition, partitions)
        self.refusals = RefusalCounts()
        self.counts = AppliedCounts()
        self._intake = Intake(settings, partitions)
        self._merge: Merge[Line, Event] = Merge(len(STREAMS), settings.allowed_lateness_seconds, self._read)
        self._sources = [self._chunks(_log(folder, partition, stream)) for stream in range(len(STREAMS))]
        self._ended = [False] * len(STREAMS)

    def advance(self, on_alert: Callable[[Alert], None]) -> bool:
        """Apply up to _CHUNK events, as a worker would with the whole input in Kafka; return whether input is left."""
        for stream, source in enumerate(self._sources):
            inbox = self._merge.streams[stream].inbox
            if not inbox and not self._ended[stream]:
                chunk = next(source, None)
                self._ended[stream] = chunk is None
                inbox.extend(chunk or ())
        taken = self._merge.take(
            self._ended.__getitem__, self.detector.max_events(_CHUNK), self.detector.events_before()
        )
        counts = self.detector.state.counts
        applied = counts["applied"]
        for at, stream, number, event, late in taken:
            for alert in self.detector.apply(event, at, late):
                on_alert(alert)
            if counts["applied"] == applied:
                self.counts.skip(stream, number)
                continue
            applied += 1
            self.counts.add(stream, number, late)
        self._merge.finish(taken)
        if self._merge.blocked_at is not None:
            self.detector.on_blocked(self._merge.blocked_at)
        if taken or not all(self._ended) or any(stream.waiting for stream in self._merge.streams):
            return True
        self.detector.on_idle()
        return False

    def _read(self, stream: int, line: Line) -> tuple[float, int, Event] | None:
        unknown_fields = self._intake.unknown_fields
        try:
            event = self._intake.read(stream, line[1])
            at = self._intake.check_time(event, time.time())
        except Refused as refused:
            self.refusals.add(stream, line[0], refused)
            return None
        if self._intake.unknown_fields != unknown_fields:
            self.counts.note_unknown_fields(stream, line[0])
        return at, line[0], event

    @staticmethod
    def _chunks(path: Path) -> Iterator[list[Line]]:
        with path.open("rb") as log:
            while chunk := [_line(raw) for raw in islice(log, _CHUNK)]:
                yield chunk


def _line(raw: bytes) -> Line:
    number, _, line = raw[:-1].partition(b" ")
    return int(number), line
