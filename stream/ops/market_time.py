"""What time it is in the market of the cases: the clock's, or in a replayed or simulated market the one it has reached.

Invariant: in a live market nothing is read. In another one only committed records count that a worker accepts, so a
record with a wrong time that is refused moves nothing.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from contextlib import closing
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import TopicAuthorizationFailedError

from stream.config import KafkaSettings, Settings
from stream.intake.intake import Intake
from stream.intake.refusal import Refused
from stream.ops.client import consumer_connection
from stream.ops.input_records import InputRecords

#: A case this far from the Kafka time of its record belongs to a market that is replayed or simulated.
_REPLAYED: Final = dt.timedelta(days=1)
#: How far before its end a partition is read, one after the other until there is an event: transaction markers and
#: records that were taken back have offsets, too.
_STEPS_BACK: Final = (20, 500, 10_000)
_MAX_SECONDS: Final = 10.0


class MarketTime(NamedTuple):
    """The present time of a market.

    Attributes:
        shift: Its event time minus the time of the clock; zero for a live market.
        is_reached: False if the input topics cannot be read: then the time follows from the newest case alone, and the
            market may have come further.
    """

    shift: dt.timedelta
    is_reached: bool


LIVE: Final = MarketTime(dt.timedelta(), True)


def shift_of(updated_at: dt.datetime, written_at: float) -> dt.timedelta:
    """Return how far a market's event time is from the clock, if it is replayed or simulated; else zero.

    Args:
        updated_at: The event time of the market's newest case.
        written_at: The time of its record, in epoch seconds.
    """
    shift = updated_at - dt.datetime.fromtimestamp(written_at, dt.UTC)
    return shift if abs(shift) > _REPLAYED else dt.timedelta()


def market_time(settings: Settings, kafka: KafkaSettings, updated_at: dt.datetime, written_at: float) -> MarketTime:
    """Return the time of the market that a case belongs to.

    A worker orders all events by event time, so in a market that is replayed or simulated an event of today would come
    long after all others, and one of the time of the newest case weeks too late. The market's time is that of its
    latest events, and never before the newest case.

    Args:
        settings, kafka: Which topics, and how to reach Kafka.
        updated_at: The event time of the market's newest case.
        written_at: The time of its record, in epoch seconds.
    """
    shift = shift_of(updated_at, written_at)
    if not shift:
        return LIVE
    try:
        reached = _latest_event(settings, kafka)
    except (TopicAuthorizationFailedError, LookupError):
        return MarketTime(shift, False)
    newest = updated_at.timestamp()
    return MarketTime(dt.timedelta(seconds=max(newest, reached or newest) - time.time()), True)


def _latest_event(settings: Settings, kafka: KafkaSettings) -> float | None:
    """Return the latest event time (epoch seconds) at the ends of the input topics; None if they hold no event.

    Raises:
        LookupError: A topic does not exist, or its name may not be known.
        TopicAuthorizationFailedError: A topic may not be read.
    """
    consumer = KafkaConsumer(
        **consumer_connection(kafka), isolation_level="read_committed", auto_offset_reset="earliest",
        enable_auto_commit=False,
        check_crcs=not kafka.mock,  # the mock's transaction markers have no checksum
    )  # fmt: skip
    with closing(consumer):
        counts = {topic: len(consumer.partitions_for_topic(topic) or ()) for topic in settings.input_topics}
        if not all(counts.values()):
            raise LookupError("an input topic cannot be read")
        partitions = min(counts.values())  # a worker reads those that all of them have
        reader = _EndReader(consumer, settings, partitions)
        waiting = [TopicPartition(topic, number) for topic in counts for number in range(partitions)]
        for step in _STEPS_BACK:
            waiting = reader.read(waiting, step)
        return max(reader.latest.values(), default=None)


class _EndReader:
    """Reads the ends of partitions.

    Attributes:
        latest: The latest event time (epoch seconds) by partition, of those that have an event.
    """

    def __init__(self, consumer: Any, settings: Settings, partitions: int) -> None:
        self.latest: dict[TopicPartition, float] = {}
        self._consumer = consumer
        self._streams = {topic: stream for stream, topic in enumerate(settings.input_topics)}
        self._intake = Intake(settings, partitions)
        self._records = InputRecords(settings)
        self._until = time.monotonic() + _MAX_SECONDS

    def read(self, partitions: list[TopicPartition], step: int) -> list[TopicPartition]:
        """Read so many offsets before the end of partitions; return those without an event that hold more."""
        if not partitions:
            return []
        consumer = self._consumer
        consumer.assign(partitions)
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for tp in partitions:
            consumer.seek(tp, max(begins[tp], ends[tp] - step))
        while time.monotonic() < self._until and any(consumer.position(tp) < ends[tp] for tp in partitions):
            for records in consumer.poll(timeout_ms=200).values():
                self._take(records)
        return [tp for tp in partitions if tp not in self.latest and ends[tp] - step > begins[tp]]

    def _take(self, records: Iterable[Any]) -> None:
        now = time.time()
        for record in records:
            stream, tp = self._streams[record.topic], TopicPartition(record.topic, record.partition)
            event = self._records.event(stream, record.value, record.headers)
            if event is None:
                continue
            try:
                at = self._intake.check(event, record.partition, record.key, now)
            except Refused:
                continue
            self.latest[tp] = max(at, self.latest.get(tp, at))
