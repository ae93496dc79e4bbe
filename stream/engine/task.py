"""A task: one partition number across the input topics, the unit of order, state and scale.

Invariant: new -> restoring -> running -> dropped, never back. A task uses no Kafka client: it reads and writes through
a checkpoint store. A dropped task writes nothing; the next owner of the partition starts from the last checkpoint.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.contract.cases import Position
from stream.contract.events import STREAMS, VERDICTS, Event
from stream.core.merge import Merge
from stream.core.messages.wire import decode_message
from stream.core.model.encoding import ROW_VERSION, StateError, decode, encode
from stream.engine import deciding_settings
from stream.engine.applied_counts import AppliedCounts
from stream.engine.checkpoint import POSITION, Checkpoint, CheckpointStore, Committed, PositionRow, RaisedAlert
from stream.engine.detection import detector_of
from stream.engine.log_check import Gap, check_ids, check_state_beginning
from stream.engine.output_encoder import OutputEncoder
from stream.engine.reception import Reception
from stream.engine.records import (
    alert_record,
    app_id_header,
    case_record,
    check_foreign,
    dead_letter_of,
    dead_letter_record,
    message_records,
)
from stream.engine.task_totals import ExpectedFlips, TaskTotals
from stream.intake.dead_letters import DeadLetter
from stream.intake.intake import Intake
from stream.intake.refusal import Refusal, Refused
from stream.intake.schema_cache import SchemaId, SchemaNeeded

#: The number of the evidence stream: it follows the input streams.
EVIDENCE: Final = len(STREAMS)


class TaskPhase(enum.Enum):
    """Where a task stands between its creation and its end."""

    NEW = "new"
    RESTORING = "restoring"
    RUNNING = "running"
    DROPPED = "dropped"


class Task:
    """Restores a task's state, applies events, and gathers checkpoints.

    Args:
        partition: The partition number.
        settings: All settings.
        intake: Decodes records, and holds the number of partitions.
        store: The task's checkpoints.
        now: Returns the present time in epoch seconds.
        encoder: Encodes alerts and cases; by default as JSON.
    """

    def __init__(
        self,
        partition: int,
        settings: Settings,
        intake: Intake,
        store: CheckpointStore,
        now: Callable[[], float],
        encoder: OutputEncoder | None = None,
    ) -> None:
        self.partition = partition
        self.phase = TaskPhase.NEW
        self.detector = detector_of(settings, partition, intake.partitions)
        self.dead: Counter[str] = Counter()
        #: Of the whole state, but for the events with unknown fields: these count from the restore on.
        self.counts = AppliedCounts()
        self.merge: Merge[Any, Event] = Merge(len(STREAMS), settings.allowed_lateness_seconds, self._read)
        self.alerts_waiting: list[RaisedAlert] = []
        self._expected_flips = ExpectedFlips()
        self._settings = settings
        self._deciding_settings = deciding_settings.deciding_settings(settings)
        self._intake = intake
        self._store = store
        self._encoder = encoder or OutputEncoder()
        self._now = now
        #: When the present step began: the clock is read once for all records of a step.
        self._read_at = 0.0
        #: Evidence records that were fetched and not read, and the offset of the next one.
        self._evidence_records: deque[Any] = deque()
        self._next_evidence_offset = 0
        self._signature = app_id_header(settings)
        #: Messages of other applications on the evidence topic, of the whole state.
        self._foreign_messages = 0
        self._state_beginning = 0
        #: As of the last checkpoint, for a failed task's later work is done again by the next owner and counts once;
        #: and as of the restore.
        self.committed_totals = self.restored_totals = self.totals()
        self._low_offsets = [0] * len(STREAMS)
        #: The next offset of each topic when the task was restored, and whether it has found a state.
        self.state_found = False
        self.restored_offsets = [0] * len(settings.read_topics)
        self._dead_letters: list[DeadLetter] = []
        #: By stream, the fetched batches that are not done: last offset, and time of the first record.
        self._batches: list[deque[tuple[int, float]]] = [deque() for _ in STREAMS]
        self._changed = False
        #: Records that expired before they were read; known after `restore`.
        self.gaps: list[Gap] = []
        #: By topic.
        self.receptions = [Reception(topic, partition) for topic in settings.read_topics]
        #: By stream that is held back: the schema without which its next record cannot be read.
        self.needed_schemas: dict[int, SchemaId] = {}
        #: The ids of the topics that the state belongs to, by name.
        self._written_ids: dict[str, str] = {}

    @property
    def blocked(self) -> bool:
        """Whether the next event has to wait until other tasks have announced more days."""
        return self.merge.blocked_at is not None

    def oldest_sent_at(self, stream: int) -> float | None:
        """When the batch of a stream's oldest waiting record was appended to Kafka (epoch seconds).

        An event that waits only for its place in event time is not late: one dated ahead waits until its time comes.
        """
        source = self.merge.streams[stream]
        if source.queue:
            offset = source.queue[0][2]
        elif source.inbox:
            offset = source.inbox[0].offset
        else:
            return None
        return next((at for last, at in self._batches[stream] if last >= offset), None)

    async def restore(self) -> int:
        """Fence the previous owner and read the state back; return the number of rows.

        1. Open the store, which fences the previous owner.
        2. Read the rows; a later row of a key replaces an earlier one.
        3. Take the offsets from the position row, if the settings are those of the state and the offsets belong to the
           logs, and drop fetched records below them.
        4. Restore the detector's state from the other rows.

        Raises:
            StateError: A row cannot be read, the settings differ, or the offsets do not belong to the logs.
            GroupOffsetsError: The group's offsets were not the task's; they are set to them now.
        """
        self.phase = TaskPhase.RESTORING
        await self._store.open()
        rows: dict[bytes, bytes] = {}
        async for batch in self._store.read():
            for key, value in batch:
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
        position = rows.pop(POSITION, None)
        row = None if position is None else decode(position, PositionRow)
        self.state_found = row is not None
        deciding_settings.check({} if row is None else row.settings, self._deciding_settings)
        # At once, even without input: a worker with other settings must not find a state without them.
        self._changed = row is None or not row.settings
        self._written_ids = {} if row is None else row.topic_ids
        await self.check_topic_ids()
        await self._check_logs(row)
        self.detector.rows.restore(rows.items())
        # Even without further input: a restore erases what the settings no longer allow the task to keep.
        self._changed = self._changed or self.detector.rows.has_changed()
        self._measure_expected_flips()
        self.committed_totals = self.restored_totals = self.totals()
        self.merge.clock = self.detector.state.clock
        if self.phase is TaskPhase.RESTORING:
            self.phase = TaskPhase.RUNNING
        return len(rows)

    async def _check_logs(self, row: PositionRow | None) -> None:
        """Take the offsets from the position row, once they are known to belong to the logs."""
        if row is not None and len(row.streams) != len(STREAMS):
            raise StateError(f"the state has offsets of {len(row.streams)} input topics, and there are {len(STREAMS)}")
        offsets = None if row is None else [*(low_offset for low_offset, _ in row.streams), row.evidence]
        start = await self._store.check_logs(offsets, at_checkpoint=True)
        topic, written = self._settings.state_topic, None if row is None else row.state_beginning
        check_state_beginning(topic, self.partition, written, start.state_beginning)
        self._state_beginning = start.state_beginning
        self.restored_offsets = start.offsets
        streams = [] if row is None else row.streams
        ahead = {topic: done for topic, (_, done) in zip(self._settings.input_topics, streams, strict=False)}
        self.gaps = [left for gap in start.gaps for left in gap.without(ahead.get(gap.topic, ()))]
        # Even without further input: the next owner of the partition must not report the same records again.
        self._changed = self._changed or bool(start.gaps)
        for reception, offset in zip(self.receptions, start.offsets, strict=True):
            reception.begin_at(offset)
        for stream, low_offset in enumerate(start.offsets[:EVIDENCE]):
            self._low_offsets[stream] = low_offset
            self.merge.streams[stream].next_offset = low_offset
            _drop_below(low_offset, self.merge.streams[stream].inbox)
        self._next_evidence_offset = start.offsets[EVIDENCE]
        _drop_below(self._next_evidence_offset, self._evidence_records)
        if row is not None:
            self.dead = Counter(row.dead)
            self.counts.restore(row.applied, row.late)
            self._foreign_messages = row.foreign_messages
            for stream, (_, done) in enumerate(row.streams):
                self.merge.streams[stream].done_offsets = {offset for offset in done if offset >= start.offsets[stream]}

    async def check_topic_ids(self) -> None:
        """Compare the ids of the topics with those that the state belongs to.

        Raises:
            LogError: A topic was deleted and created again.
        """
        present = await self._store.topic_ids()
        check_ids(self._written_ids, present)
        self._written_ids = {**present, **self._written_ids}

    async def verify(self) -> None:
        """Check that the records that came are those that follow the restored state; nothing may be awaited after it.

        Raises:
            LogError: A topic was deleted and created again, or lost records.
            GroupOffsetsError: The consumer had passed over records; the group's offsets are set back now.
        """
        for reception in self.receptions:
            if reception.error is not None:
                raise reception.error
        while any(reception.unverified_first is not None for reception in self.receptions):
            taken = enumerate([reception.take_unverified() for reception in self.receptions])
            firsts = {stream: first for stream, first in taken if first is not None}
            await self._store.check_delivered(self.restored_offsets, firsts)
        if any(reception.below_low_offset for reception in self.receptions):
            for reception in self.receptions:
                reception.below_low_offset = False
            positions = [stream.low_offset for stream in self.merge.streams]
            await self._store.check_logs([*positions, self._next_evidence_offset], at_checkpoint=False)

    def take(self, stream: int, records: list[Any]) -> None:
        """Put fetched records into a stream's inbox, except those below the restored offset."""
        first, last = records[0].offset, records[-1].offset
        reception, low_offset = self.receptions[stream], self._low_offset(stream)
        reception.take(first, last, low_offset, self.phase is TaskPhase.RUNNING)
        if reception.error is not None:
            return
        if stream == EVIDENCE:
            self._evidence_records.extend(record for record in records if record.offset >= low_offset)
            return
        self._batches[stream].append((last, records[0].timestamp / 1000))
        inbox = self.merge.streams[stream].inbox
        if first >= low_offset:
            inbox.extend(records)
        else:
            inbox.extend(record for record in records if record.offset >= low_offset)

    def _low_offset(self, stream: int) -> int:
        return self._next_evidence_offset if stream == EVIDENCE else self._low_offsets[stream]

    def look(self, stream: int, position: int) -> None:
        """Note that the client has passed over offsets of a stream although no record has come since.

        Args:
            stream: The number of the stream.
            position: Where the client fetches.
        """
        if not self.unread(stream):
            reception = self.receptions[stream]
            reception.skipped.look(reception.expected(self._low_offset(stream)), position)

    def pass_gaps(self, stream: int) -> list[Gap]:
        """Continue behind the expired records that the stream has reached, and return them: they must be reported."""
        skipped = self.receptions[stream].skipped
        source = None if stream == EVIDENCE else self.merge.streams[stream]
        gaps = skipped.due(self._next_evidence_offset if source is None else source.low_offset)
        left = [part for gap in gaps for part in gap.without(() if source is None else source.done_offsets)]
        for gap in gaps:
            self._changed = True  # even without further input: the next owner must not report the same records again
            if source is None:
                self._next_evidence_offset = max(self._next_evidence_offset, gap.last)
            else:
                source.pass_over(gap.last)
        return left

    def unread(self, stream: int) -> int:
        """Return the number of records of a stream that were taken and not decoded."""
        return len(self._evidence_records if stream == EVIDENCE else self.merge.streams[stream].inbox)

    def _read(self, stream: int, record: Any) -> tuple[float, int, Event] | None:
        """Decode a record for the merge; a record that cannot be used becomes a dead letter."""
        source = self.merge.streams[stream]
        unread_offset, source.next_offset = source.next_offset, record.offset + 1
        self._changed = True
        if record.offset in source.done_offsets:  # applied before a restart, ahead of an earlier record
            source.skip(record.offset)
            return None
        unknown_fields = self._intake.unknown_fields
        try:
            at, event = self._intake.decode(
                stream, self.partition, record.key, record.value, self._read_at, record.headers
            )
        except Refused as refused:
            self._dead_letter(stream, record, refused)
            source.skip(record.offset)
            return None
        except SchemaNeeded as needed:
            source.next_offset = unread_offset  # else a checkpoint would pass over the record
            source.inbox.appendleft(record)
            source.held = True
            self.needed_schemas[stream] = needed.schema_id
            return None
        if self._intake.unknown_fields != unknown_fields:
            self.counts.note_unknown_fields(stream, record.offset)
        return at, record.offset, event

    def release(self, stream: int) -> None:
        """Read a stream on that was held back: its schema is there."""
        del self.needed_schemas[stream]
        self.merge.streams[stream].held = False

    def _dead_letter(self, stream: int, record: Any, refused: Refused) -> None:
        topic = self._settings.read_topics[stream]
        self.dead[f"{topic}/{refused.reason}"] += 1
        self._dead_letters.append(dead_letter_of(topic, self.partition, record, refused))

    def step(self, idle: Callable[[int], bool], limit: int) -> int:
        """Read the evidence records, then apply up to `limit` events; return how many were applied.

        Args:
            idle: Returns whether the merge need not wait for a stream that has no event.
            limit: The most events to apply.
        """
        self._read_at = self._now()
        self._read_evidence()
        detector, streams = self.detector, self.merge.streams
        apply, counts = detector.apply, detector.state.counts
        applied = counts["applied"]
        taken = self.merge.take(idle, detector.max_events(limit), detector.events_before())
        for at, stream, offset, event, late in taken:
            alerts = apply(event, at, late)
            if counts["applied"] == applied:
                self.counts.skip(stream, offset)
                continue
            applied += 1
            self.counts.add(stream, offset, late)
            if alerts:
                sent_at = next((at for last, at in self._batches[stream] if offset <= last), self._read_at)
                self._raise(alerts, sent_at)
        self.merge.finish(taken)
        if taken:
            self._measure_expected_flips()
        if self.merge.blocked_at is not None:
            detector.on_blocked(self.merge.blocked_at)
        elif not taken and all(not stream.waiting and idle(stream.index) for stream in streams):
            detector.on_idle()
        self._changed = self._changed or bool(taken) or bool(detector.outbox)
        return len(taken)

    def _measure_expected_flips(self) -> None:
        state = self.detector.state
        self._expected_flips.advance(state.clock, state.baseline.flips_per_second())

    def totals(self) -> TaskTotals:
        """Return the present totals, those that are not committed included."""
        records = [low_offset + len(done) for low_offset, done in (stream.position for stream in self.merge.streams)]
        counts = self.counts
        return TaskTotals(
            dict(self.detector.state.counts),
            dict(self.dead),
            records,
            list(counts.applied),
            list(counts.late),
            self._foreign_messages,
        )

    def _read_evidence(self) -> None:
        """Give the detector the messages of this application's tasks; count those of others that share the topic."""
        while self._evidence_records:
            record = self._evidence_records.popleft()
            self._next_evidence_offset = record.offset + 1
            self._changed = True
            try:
                if self._signature not in record.headers:
                    check_foreign(record.headers)
                    self._foreign_messages += 1
                    continue
                message = decode_message(record.value or b"")
            except Refused as refused:
                self._dead_letter(EVIDENCE, record, refused)
            except msgspec.DecodeError as error:
                self._dead_letter(EVIDENCE, record, Refused(Refusal.UNDECODABLE, str(error)))
            else:
                self._raise(self.detector.on_message(message), record.timestamp / 1000)

    def _raise(self, alerts: list[Alert], sent_at: float) -> None:
        self.alerts_waiting += [RaisedAlert(alert, sent_at) for alert in alerts]

    async def checkpoint(self, stamp: Callable[[Alert], Alert]) -> Committed:
        """Commit everything that changed since the last checkpoint.

        Steps 1 to 3 wait for nothing, so an event that is applied meanwhile belongs to the next checkpoint.

        1. Gather the records: dead letters, alerts, cases, messages to other tasks.
        2. Gather the offsets, and forget the batches below them.
        3. Gather the changed rows and the position row.
        4. Commit all of it as one transaction.

        Args:
            stamp: Sets an alert's time of detection.

        Returns:
            What was committed; nothing if nothing changed or the task is not running.
        """
        if self.phase is not TaskPhase.RUNNING or not self._changed:
            return Committed(0, [])
        self._changed = False
        raised, self.alerts_waiting = self.alerts_waiting, []
        dead_letters, self._dead_letters = self._dead_letters, []
        limits = self._store.limits
        records = [dead_letter_record(self._settings, letter, limits) for letter in dead_letters]
        records += [alert_record(self._settings, self._encoder, stamp(alert)) for alert, _ in raised]
        verdicts_offset = self.merge.streams[VERDICTS].low_offset
        for name, case in self.detector.take_cases():
            position = Position(self.partition, verdicts_offset)
            records.append(case_record(self._settings, self._encoder, name, case, position))
        for message in self.detector.take_outbox():
            records += message_records(self._settings, message, self.detector.state.tasks)
        positions = [stream.position for stream in self.merge.streams]
        for batches, (low_offset, _) in zip(self._batches, positions, strict=True):
            while batches and batches[0][0] < low_offset:
                batches.popleft()
        row = encode(
            PositionRow(
                ROW_VERSION, positions, self._next_evidence_offset, dict(self.dead), self._deciding_settings,
                self._written_ids, list(self.counts.applied), list(self.counts.late),
                self._foreign_messages, self._state_beginning,
            )
        )  # fmt: skip
        rows = [*self.detector.rows.changed(), (POSITION, row)]
        offsets = [*(low_offset for low_offset, _ in positions), self._next_evidence_offset]
        totals, expected_flips = self.totals(), self._expected_flips.take()
        await self._store.commit(Checkpoint(rows, records, offsets))
        self.committed_totals = totals
        return Committed(len(rows), raised, expected_flips)

    async def drop(self) -> None:
        """End the task; it writes nothing from now on."""
        self.phase = TaskPhase.DROPPED
        await self._store.close()


def _drop_below(low_offset: int, records: deque[Any]) -> None:
    """Drop records below the restored offset.

    They were fetched before the rows were read, from the offset that the group had before the previous owner's last
    commit.
    """
    while records and records[0].offset < low_offset:
        records.popleft()
