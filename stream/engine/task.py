"""A task: one partition number across the input topics, the unit of order, state and scale.

Rule of this room: new -> restoring -> running -> dropped, and never back. A task knows no Kafka client: it reads and
writes through a ledger that it is given. A dropped task writes nothing more; whoever owns the partition next begins
from the last checkpoint.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from stream.alerts import Alert
from stream.config import Settings
from stream.core import codec, reports
from stream.core.detector import Detector
from stream.core.merge import Merge
from stream.engine.records import Checkpoint, Record, of_alert, of_refused, of_report, signature
from stream.events import STREAMS, Event
from stream.intake.decode import Intake
from stream.intake.refusal import Refusal, Refused

POSITION: Final = b"o"
#: The stream of what tasks tell each other comes after the input streams.
EVIDENCE: Final = len(STREAMS)


class Raised(NamedTuple):
    """An alert, and when Kafka was given the batch of records that its trigger came in (epoch seconds)."""

    alert: Alert
    sent_at: float


class Committed(NamedTuple):
    """What a checkpoint took with it."""

    rows: int
    raised: list[Raised]


class Ledger(Protocol):
    """What a task needs of the outside."""

    async def open(self) -> None: ...
    def read(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]: ...
    async def commit(self, checkpoint: Checkpoint) -> None: ...
    async def close(self) -> None: ...


class State(enum.Enum):
    NEW = "new"
    RESTORING = "restoring"
    RUNNING = "running"
    DROPPED = "dropped"


class PositionRow(msgspec.Struct, array_like=True):
    """Where a task stands in its inputs: lowest offset to do and those done above it, a pair a stream."""

    version: int
    streams: list[tuple[int, list[int]]]
    evidence: int
    dead: dict[str, int]


class Task:
    """Restores, applies, checkpoints; see the rule above. `now` gives epoch seconds."""

    def __init__(
        self, partition: int, settings: Settings, intake: Intake, ledger: Ledger, now: Callable[[], float]
    ) -> None:
        self.partition = partition
        self.state = State.NEW
        self.detector = Detector(
            settings.alert_budget, settings.config_digest, partition, intake.partitions, settings.pseudonym_fingerprint
        )
        self.dead: Counter[str] = Counter()
        self.merge: Merge[Any, Event] = Merge(len(STREAMS), settings.allowed_lateness_seconds, self._read)
        self.alerts_waiting: list[Raised] = []
        self._settings = settings
        self._intake = intake
        self._ledger = ledger
        self._now = now
        #: When the present step began: one reading of the clock for all it decodes.
        self._read_at = 0.0
        #: Records of what tasks tell each other that were not heard yet, and the offset of the next one.
        self._told: deque[Any] = deque()
        self._next_told = 0
        self._signature = signature(settings)
        self._lowest = [0] * len(STREAMS)
        self._letters: list[Record] = []
        #: Of the batches not yet done with, by stream: last offset, and the time of the first record.
        self._batches: list[deque[tuple[int, float]]] = [deque() for _ in STREAMS]
        self._changed = False

    @property
    def unknown_fields(self) -> int:
        """Events that came with fields which the contract does not know, since the task was restored."""
        return self._intake.unknown_fields

    def oldest_sent_at(self, stream: int) -> float | None:
        """When Kafka was given the oldest fetched batch of a stream that is not done with (epoch seconds)."""
        lowest = self.merge.streams[stream].lowest
        return next((at for last, at in self._batches[stream] if last >= lowest), None)

    async def restore(self) -> int:
        """Fence the former owner, read the state back; the number of rows."""
        self.state = State.RESTORING
        await self._ledger.open()
        rows: dict[bytes, bytes] = {}
        async for batch in self._ledger.read():
            for key, value in batch:
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
        position = rows.pop(POSITION, None)
        if position is not None:
            row = codec.decode(position, PositionRow)
            self.dead = Counter(row.dead)
            for index, (lowest, done) in enumerate(row.streams):
                self._lowest[index] = lowest
                self.merge.streams[index].next_offset = lowest
                self.merge.streams[index].done = set(done)
                _drop_below(lowest, self.merge.streams[index].inbox)
            self._next_told = row.evidence
            _drop_below(row.evidence, self._told)
        self.detector.restore(rows.items())
        if self.state is State.RESTORING:
            self.state = State.RUNNING
        return len(rows)

    def take(self, stream: int, records: list[Any]) -> None:
        """Put fetched records into a stream's inbox, without those below the restored position."""
        if stream == EVIDENCE:
            self._told.extend(record for record in records if record.offset >= self._next_told)
            return
        lowest = self._lowest[stream]
        self._batches[stream].append((records[-1].offset, records[0].timestamp / 1000))
        inbox = self.merge.streams[stream].inbox
        if records[0].offset >= lowest:
            inbox.extend(records)
        else:
            inbox.extend(record for record in records if record.offset >= lowest)

    def unread(self, stream: int) -> int:
        """Records of a stream that were taken and not read."""
        return len(self._told if stream == EVIDENCE else self.merge.streams[stream].inbox)

    def _read(self, stream: int, record: Any) -> tuple[float, int, Event] | None:
        """Decode one record; what cannot be used becomes a dead letter."""
        source = self.merge.streams[stream]
        source.next_offset = record.offset + 1
        self._changed = True
        if record.offset in source.done:  # done before a restart, ahead of its turn
            source.skip(record.offset)
            return None
        try:
            at, event = self._intake.decode(stream, self.partition, record.key, record.value, self._read_at)
        except Refused as refused:
            self._bury(stream, record, refused)
            source.skip(record.offset)
            return None
        return at, record.offset, event

    def _bury(self, stream: int, record: Any, refused: Refused) -> None:
        topic = self._settings.read_topics[stream]
        self.dead[f"{topic}/{refused.reason}"] += 1
        self._letters.append(of_refused(self._settings, topic, self.partition, record, refused))

    def step(self, quiet: Callable[[int], bool], limit: int) -> int:
        """Hear what was told, and apply up to `limit` events whose turn it is; how many there were."""
        self._read_at = self._now()
        self._hear()
        detector, streams = self.detector, self.merge.streams
        apply = detector.apply
        taken = self.merge.take(quiet, detector.at_most(limit), detector.until())
        for at, stream, offset, event, late in taken:
            alerts = apply(event, at, late)
            if alerts:
                sent_at = next((at for last, at in self._batches[stream] if offset <= last), self._read_at)
                self._raise(alerts, sent_at)
        self.merge.finish(taken)
        if self.merge.held is not None:
            detector.wake(self.merge.held)
        elif not taken and all(not stream.waiting and quiet(stream.index) for stream in streams):
            detector.answer()
        self._changed = self._changed or bool(taken) or bool(detector.outbox)
        return len(taken)

    @property
    def held(self) -> bool:
        """Whether events wait until other tasks have come as far."""
        return self.merge.held is not None

    def _hear(self) -> None:
        """Take what this application's tasks have told; others may share the topic."""
        while self._told:
            record = self._told.popleft()
            self._next_told = record.offset + 1
            self._changed = True
            if self._signature not in record.headers:
                continue
            try:
                report = reports.decode(record.value or b"")
            except msgspec.DecodeError as error:
                self._bury(EVIDENCE, record, Refused(Refusal.UNDECODABLE, str(error)))
            else:
                self._raise(self.detector.hear(report), record.timestamp / 1000)

    def _raise(self, alerts: list[Alert], sent_at: float) -> None:
        self.alerts_waiting += [Raised(alert, sent_at) for alert in alerts]

    async def checkpoint(self, stamp: Callable[[Alert], Alert]) -> Committed:
        """Commit all that changed since the last checkpoint, and say what went out with it.

        Everything is gathered before the first wait, so what is applied meanwhile belongs to the next one.
        """
        if self.state is not State.RUNNING or not self._changed:
            return Committed(0, [])
        self._changed = False
        raised, self.alerts_waiting = self.alerts_waiting, []
        letters, self._letters = self._letters, []
        told, self.detector.outbox = self.detector.outbox, []
        records = letters + [of_alert(self._settings, stamp(alert)) for alert, _ in raised]
        for report in told:
            records += of_report(self._settings, report, self.detector.tasks)
        positions = [stream.position for stream in self.merge.streams]
        for batches, (lowest, _) in zip(self._batches, positions, strict=True):
            while batches and batches[0][0] < lowest:
                batches.popleft()
        row = codec.encode(PositionRow(codec.VERSION, positions, self._next_told, dict(self.dead)))
        rows = [*self.detector.changed(), (POSITION, row)]
        offsets = [*(lowest for lowest, _ in positions), self._next_told]
        await self._ledger.commit(Checkpoint(rows, records, offsets))
        return Committed(len(rows), raised)

    async def drop(self) -> None:
        """Give the task up: nothing is written any more."""
        self.state = State.DROPPED
        await self._ledger.close()


def _drop_below(lowest: int, records: deque[Any]) -> None:
    """Records may come before the rows: if the former owner committed last after the group's offsets were asked for."""
    while records and records[0].offset < lowest:
        records.popleft()
