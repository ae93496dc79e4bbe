"""The worker's detection without Kafka: a file is split into the logs of a broker, and the tasks take turns.

Invariant: with the worker's number of partitions it gives the worker's alerts, id for id, and the worker's state. The
logs are in a temporary folder, so the tasks' states bound the memory and the file does not.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, Final

import msgspec

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.contract.events import STREAMS, Event
from stream.core.detector import Detector
from stream.core.merge import Merge
from stream.intake.intake import Intake
from stream.intake.partition import partition_of
from stream.intake.refusal import Refused
from stream.offline.local_bus import LocalBus
from stream.ops.event_files import head, lines, stream_of

_CHUNK: Final = 2000


#: A record of a log: offset and value. Its key decided which log it is in, so key and partition need no check.
Line = tuple[int, bytes]


class Result(msgspec.Struct, kw_only=True):
    """The result that `volteface replay` prints."""

    events: int
    dead: int
    duplicates: int
    late: int
    flips: int
    alerts: int
    seconds: float
    events_per_second: float
    state_digest: dict[str, str]


def replay(settings: Settings, source: str, partitions: int, on_alert: Callable[[Alert], None]) -> Result:
    """Run the tasks of all partitions to the ends of their logs.

    Args:
        settings: All settings.
        source: A `.jsonl` or `.jsonl.gz` file, or `-`, with events in order of arrival.
        partitions: The number of tasks.
        on_alert: Called with each alert.
    """
    begun = time.monotonic()
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="volteface-replay-") as folder:
        total["events"] = _split(source, Path(folder), partitions)
        tasks = [_Task(settings, Path(folder), partition, partitions) for partition in range(partitions)]
        _run(tasks, lambda alert: on_alert(msgspec.structs.replace(alert, detected_at=dt.datetime.now(dt.UTC))))
    for task in tasks:
        total.update(task.detector.state.counts)
        total["dead"] += task.dead
    seconds = time.monotonic() - begun
    return Result(
        events=total["events"],
        dead=total["dead"],
        duplicates=total["duplicate"],
        late=total["late"],
        flips=total["upgraded"] + total["retracted"],
        alerts=total["alerts"],
        seconds=seconds,
        events_per_second=total["events"] / seconds,
        state_digest={str(partition): task.detector.state.digest() for partition, task in enumerate(tasks)},
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


def _split(source: str, folder: Path, partitions: int) -> int:
    """Write each line to the log that `feed` and Kafka's partitioner would choose; return the number of lines.

    Kafka assigns a record without a key to any partition. Such a record is refused everywhere, so here it goes to 0.
    """
    count = 0
    with ExitStack() as stack, lines(source) as file:
        logs: dict[tuple[int, int], IO[bytes]] = {
            (p, s): stack.enter_context(_log(folder, p, s).open("wb"))
            for p in range(partitions)
            for s in range(len(STREAMS))
        }
        for raw in file:
            line = raw.rstrip(b"\r\n")
            if line:
                top = head(line)
                partition = partition_of(top.seller_id, partitions) if top.seller_id else 0
                logs[partition, stream_of(top.type)].write(line + b"\n")
                count += 1
    return count


class _Task:
    """The task of one partition, which reads logs."""

    def __init__(self, settings: Settings, folder: Path, partition: int, partitions: int) -> None:
        self.detector = Detector(
            settings.alert_budget, settings.config_digest, partition, partitions, settings.pseudonym_fingerprint
        )
        self.dead = 0
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
        for at, _, _, event, late in taken:
            for alert in self.detector.apply(event, at, late):
                on_alert(alert)
        self._merge.finish(taken)
        if self._merge.blocked_at is not None:
            self.detector.on_blocked(self._merge.blocked_at)
        if taken or not all(self._ended) or any(stream.waiting for stream in self._merge.streams):
            return True
        self.detector.on_idle()
        return False

    def _read(self, stream: int, line: Line) -> tuple[float, int, Event] | None:
        try:
            event = self._intake.read(stream, line[1])
            at = self._intake.check_time(event, time.time())
        except Refused:
            self.dead += 1
            return None
        return at, line[0], event

    @staticmethod
    def _chunks(path: Path) -> Iterator[list[Line]]:
        with path.open("rb") as log:
            numbered = enumerate(log)
            while chunk := [(offset, raw[:-1]) for offset, raw in islice(numbered, _CHUNK)]:
                yield chunk
