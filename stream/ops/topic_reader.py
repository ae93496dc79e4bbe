"""Reads what Volteface wrote: alerts, dead letters, the committed state.

Invariant: only committed records, from the beginning of a topic to its end at the start of the reading, or on without
an end with `follow`. Transaction markers take offsets, so the end is compared with the position, not with a record's
offset.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch

from stream.config import KafkaSettings, Settings
from stream.contract.alerts import Alert
from stream.intake.dead_letters import DeadLetter, NotADeadLetterError, incoming
from stream.intake.header_names import LenientBytes
from stream.intake.settlements import Settled, is_settlement
from stream.ops.client import consumer_connection
from stream.ops.missing_topics import advice
from stream.ops.output_records import NotAnAlertError, OutputRecords

log = logging.getLogger(__name__)


class _LenientBatch(DefaultRecordBatch):  # type: ignore[misc]  # kafka-python ships no types
    """Reads header names that are not UTF-8, where kafka-python would raise the same error for ever."""

    _buffer: Any

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()
        except UnicodeDecodeError:
            self._buffer = LenientBytes(self._buffer)
            return super()._read_msg()


# kafka-python has no parameter for this class.
memory_records.DefaultRecordBatch = _LenientBatch


def read(
    kafka: KafkaSettings,
    topic: str,
    follow: bool = False,
    positions: dict[int, int] | None = None,
    peers: Sequence[str] = (),
) -> Generator[Any, None, None]:
    """Yield a topic's committed records.

    Args:
        kafka: How to reach Kafka.
        topic: The topic.
        follow: Whether to go on after the end.
        positions: By partition, the offset to begin at instead of the beginning; afterwards, the ends.
        peers: Topics whose partition count a missing topic has to fit, for the advice.

    Raises:
        LookupError: The topic does not exist.
    """
    consumer = KafkaConsumer(
        **consumer_connection(kafka), isolation_level="read_committed", auto_offset_reset="earliest",
        enable_auto_commit=False,
        check_crcs=not kafka.mock,  # the mock's transaction markers have no checksum
    )  # fmt: skip
    with closing(consumer):
        found = consumer.partitions_for_topic(topic)
        if not found:
            counts = [len(consumer.partitions_for_topic(peer) or ()) for peer in peers]
            raise LookupError(f"topic {topic} does not exist: {advice(counts)}")
        partitions = [TopicPartition(topic, number) for number in sorted(found)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        if positions is not None:
            for partition, offset in positions.items():
                consumer.seek(TopicPartition(topic, partition), offset)
            positions.update({tp.partition: end for tp, end in ends.items()})
        while follow or any(consumer.position(tp) < ends[tp] for tp in partitions):
            for tp, records in consumer.poll(timeout_ms=200).items():
                # A record beyond the end may belong to a transaction that is only partly fetched.
                yield from (record for record in records if follow or record.offset < ends[tp])


def alerts(
    settings: Settings,
    kafka: KafkaSettings,
    follow: bool = False,
    on_foreign: Callable[[str], None] = log.warning,
) -> Generator[Alert, None, None]:
    """Yield all alerts, each once; call `on_foreign` for each other record on the alerts topic.

    Raises:
        LookupError: The topic does not exist, or the schema registry gives no answer about a record's schema.
    """
    records = OutputRecords(settings)
    for record in read(kafka, settings.alerts_topic, follow, peers=settings.read_topics):
        try:
            alert = records.alert(record.value)
        except NotAnAlertError as error:
            on_foreign(f"{place(record)}, is passed over: The record is no alert: {error}.")
        else:
            yield alert


def place(record: Any) -> str:
    """Return where a record is, in words."""
    return f"{record.topic}, partition {record.partition}, offset {record.offset}"


class StoredLetter(NamedTuple):
    """A dead letter, and where it is: its own partition and offset on the dead-letter topic identify it.

    Attributes:
        time: Of its record; None if that has no time.
    """

    partition: int
    offset: int
    time: dt.datetime | None
    letter: DeadLetter


def dead_letters(
    settings: Settings, kafka: KafkaSettings, topic: str, on_foreign: Callable[[str], None]
) -> Iterator[StoredLetter]:
    """Yield the dead letters of a topic; call `on_foreign` for each other record on the dead-letter topic."""
    for record in read(kafka, settings.dead_letter_topic(topic), peers=settings.read_topics):
        headers = tuple(record.headers)
        if is_settlement(headers):
            continue
        try:
            letter = incoming(record.key, record.value, headers)
        except NotADeadLetterError as error:
            on_foreign(f"{place(record)}, is passed over: {error}")
        else:
            yield StoredLetter(record.partition, record.offset, _time(record), letter)


def read_settlements(settings: Settings, kafka: KafkaSettings, topic: str, settled: Settled) -> None:
    """Add the settlements of a topic's dead letters that were not read before."""
    name = settings.dead_letter_topic(topic)
    for record in read(kafka, name, positions=settled.positions, peers=settings.read_topics):
        if is_settlement(tuple(record.headers)):
            settled.add(record.partition, record.value)


def _time(record: Any) -> dt.datetime | None:
    if record.timestamp is None or record.timestamp < 0:
        return None
    return dt.datetime.fromtimestamp(record.timestamp / 1000, dt.UTC)


def committed_state(settings: Settings, kafka: KafkaSettings) -> dict[int, dict[bytes, bytes]]:
    """Return the latest committed row of each key, by partition."""
    state: dict[int, dict[bytes, bytes]] = {}
    for record in read(kafka, settings.state_topic, peers=settings.read_topics):
        rows = state.setdefault(record.partition, {})
        if record.value is None:
            rows.pop(record.key, None)
        else:
            rows[record.key] = record.value
    return state
