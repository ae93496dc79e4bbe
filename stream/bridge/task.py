"""One task of the bridge: the partitions of one number of all topics, from fetched records to committed events.

Invariant: the events of a record and its offset are in one transaction. Steps of one commit: 1. take records in order,
2. write their events and dead letters, 3. commit the offsets behind them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition

from stream.bridge.changes import Ignored
from stream.bridge.mapping import Mapping as RecordMapping
from stream.bridge.source_logs import SourceStart, check_id, committed
from stream.bridge.source_merge import Mapped, SourceMerge
from stream.bridge.source_records import Source
from stream.config import Settings, SettingsError
from stream.engine.log_check import Gap
from stream.engine.record_limits import RecordLimits
from stream.engine.records import Record, dead_letter_of, dead_letter_record
from stream.engine.transactional_writer import TransactionalWriter
from stream.intake.refusal import Refused

_NO_HEADERS: Final[list[tuple[str, bytes | None]]] = []


class RefusedRecordError(SettingsError):
    """A record cannot be mapped, and the bridge stops then, as it is set. The text is one line."""


class Outcome(NamedTuple):
    """What a commit has done with records.

    Attributes:
        events: The number of events by topic and type.
        refused, ignored: The number of records by topic and reason.
        latest_at: The latest time of an event (epoch seconds); None if there was none.
    """

    events: Counter[tuple[str, str]]
    refused: Counter[tuple[str, str]]
    ignored: Counter[tuple[str, str]]
    latest_at: float | None = None


class BridgeTask:
    """The task of one partition number.

    Args:
        partition: The number.
        topics: The topics that have such a partition, in the mapping's order.
        settings: All settings, with the bridge's group as `app_id`.
        mapping: From a record to events.
        writer: Its transactions.
        limits: What the topics take.
        stop_on_refusal: Whether a record that cannot be mapped ends the bridge, in place of a dead letter.
    """

    def __init__(
        self,
        partition: int,
        topics: Sequence[str],
        settings: Settings,
        mapping: RecordMapping,
        writer: TransactionalWriter,
        limits: RecordLimits,
        stop_on_refusal: bool,
    ) -> None:
        self.partition = partition
        self.topics = tuple(topics)
        self.gaps: list[Gap] = []
        self.merge = SourceMerge(self.topics, mapping.events)
        #: By topic, the offset of the next record that is committed; before the start, none.
        self.offsets: dict[str, int] = {}
        self._settings = settings
        self._writer = writer
        self._limits = limits
        self._stop_on_refusal = stop_on_refusal
        self._ids: Mapping[str, str] = {}
        self._started = False

    async def open(self) -> None:
        """Fence the previous owner of the task: from now on the group's offsets are final."""
        await self._writer.open()

    def begin(self, start: SourceStart, ids: Mapping[str, str]) -> None:
        """Continue at the group's offsets; records below them, which were fetched meanwhile, are dropped."""
        self._ids = dict(ids)
        self.offsets, self.gaps = dict(start.offsets), start.gaps
        self._started = True
        for topic in self.topics:
            self.merge.drop_below(topic, self.offsets[topic])

    def check_ids(self, present: Mapping[str, str]) -> None:
        """Raise SourceLogError if a topic was created again."""
        for topic in self.topics:
            check_id(topic, self._ids.get(topic, ""), present.get(topic))
        self._ids = {**present, **self._ids}

    def take(self, topic: str, records: Sequence[Any]) -> None:
        """Put fetched records into the topic's inbox, except those that are committed already."""
        least = self.offsets.get(topic, 0) if self._started else 0
        for each in records:
            if each.offset >= least:
                self.merge.put(
                    Source(topic, self.partition, each.offset, each.timestamp, each.key, each.value, each.headers)
                )

    def step(self, idle: Callable[[str], bool], limit: int) -> list[Mapped]:
        """Take the next records, for `commit`."""
        return self.merge.take(idle, limit)

    async def commit(self, taken: Sequence[Mapped]) -> Outcome:
        """Commit records in order: their events, their dead letters, and the offsets behind them.

        Raises:
            RefusedRecordError: A record cannot be mapped, and the bridge stops then, as it is set.
            WriteError, MissingTopicError, MissingRightsError, KafkaError: Nothing is committed.
        """
        outcome = Outcome(Counter(), Counter(), Counter())
        stopped: RefusedRecordError | None = None
        records: list[Record] = []
        offsets: dict[str, int] = {}
        latest = float("-inf")
        for source, found in taken:
            if self._stop_on_refusal and isinstance(found, Refused):
                stopped = _stopped(source, found)
                break
            offsets[source.topic] = source.offset + 1
            if isinstance(found, Ignored):
                outcome.ignored[source.topic, found.reason] += 1
            elif isinstance(found, Refused):
                letter = dead_letter_of(source.topic, source.partition, source, found)
                records.append(dead_letter_record(self._settings, letter, self._limits))
                outcome.refused[source.topic, found.reason] += 1
            else:
                for made in found:
                    topic = self._settings.input_topics[made.stream]
                    records.append(Record(topic, made.key.encode(), made.value, _NO_HEADERS))
                    outcome.events[source.topic, made.kind] += 1
                    latest = max(latest, made.at)
        marks = {
            TopicPartition(topic, self.partition): committed(offset, self._ids.get(topic))
            for topic, offset in offsets.items()
        }
        if marks:
            await self._writer.commit(records, marks)
        self.offsets |= offsets
        if stopped is not None:
            raise stopped
        return outcome._replace(latest_at=latest if outcome.events else None)

    async def drop(self) -> None:
        """End the task; it writes nothing from now on."""
        await self._writer.close()


def _stopped(source: Source, refused: Refused) -> RefusedRecordError:
    return RefusedRecordError(
        f"the record at {source.topic}/{source.partition}/{source.offset} cannot be mapped ({refused.reason}): "
        f"{refused.detail} All records before it are done. Correct the mapping, or set "
        "VOLTEFACE_BRIDGE_ON_REFUSAL=dead_letter"
    )
