"""Reads what Volteface wrote: alerts, dead letters, the committed state.

Invariant: only committed records, from the beginning of a topic to its end at the start of the reading, or on without
an end with `follow`. Transaction markers take offsets, so the end is compared with the position, not with a record's
offset.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from stream.config import KafkaSettings, Settings
from stream.contract.alerts import Alert
from stream.intake.dead_letters import DeadLetter, NotADeadLetterError, incoming
from stream.ops.client import connection

log = logging.getLogger(__name__)

_alert = msgspec.json.Decoder(Alert)


def read(
    kafka: KafkaSettings,
    topic: str,
    follow: bool = False,
    group: str | None = None,
    before_commit: Callable[[], None] = lambda: None,
) -> Generator[Any, None, None]:
    """Yield a topic's committed records.

    Args:
        kafka: How to reach Kafka.
        topic: The topic.
        follow: Whether to go on after the end.
        group: A group whose committed offsets are the start; without it the start is the beginning of the topic.
        before_commit: Called before the group's offsets are committed: it finishes the work on the records.

    Raises:
        LookupError: The topic does not exist.
    """
    consumer = KafkaConsumer(
        **connection(kafka), isolation_level="read_committed", auto_offset_reset="earliest",
        enable_auto_commit=False, group_id=group,
        check_crcs=not kafka.mock,  # the mock's transaction markers have no checksum
    )  # fmt: skip
    with closing(consumer):
        found = consumer.partitions_for_topic(topic)
        if not found:
            raise LookupError(f"topic {topic} does not exist: run `volteface topics create`")
        partitions = [TopicPartition(topic, number) for number in sorted(found)]
        consumer.assign(partitions)
        if group is None:
            consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while follow or any(consumer.position(tp) < ends[tp] for tp in partitions):
            for tp, records in consumer.poll(timeout_ms=200).items():
                # A record beyond the end may belong to a transaction that is only partly fetched.
                yield from (record for record in records if follow or record.offset < ends[tp])
        if group is not None:
            before_commit()
            positions = {tp: OffsetAndMetadata(min(consumer.position(tp), ends[tp]), "", -1) for tp in partitions}
            consumer.commit(positions)


def alerts(
    settings: Settings,
    kafka: KafkaSettings,
    follow: bool = False,
    on_foreign: Callable[[str], None] = log.warning,
) -> Generator[Alert, None, None]:
    """Yield all alerts, each once; call `on_foreign` for each other record on the alerts topic."""
    for record in read(kafka, settings.alerts_topic, follow):
        try:
            alert = _alert.decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            on_foreign(f"{_place(record)}, is passed over: The record is no alert: {error}.")
        else:
            yield alert


def _place(record: Any) -> str:
    return f"{record.topic}, partition {record.partition}, offset {record.offset}"


def dead_letters(
    settings: Settings,
    kafka: KafkaSettings,
    topic: str,
    on_foreign: Callable[[str], None],
    group: str | None = None,
    before_commit: Callable[[], None] = lambda: None,
) -> Iterator[DeadLetter]:
    """Yield the dead letters of a topic; call `on_foreign` for each other record on the dead-letter topic."""
    for _, letter in dated_dead_letters(settings, kafka, topic, on_foreign, group, before_commit):
        yield letter


def dated_dead_letters(
    settings: Settings,
    kafka: KafkaSettings,
    topic: str,
    on_foreign: Callable[[str], None],
    group: str | None = None,
    before_commit: Callable[[], None] = lambda: None,
) -> Iterator[tuple[dt.datetime | None, DeadLetter]]:
    """Yield the dead letters of a topic, each with the time of its record; None if that has no time."""
    for record in read(kafka, settings.dead_letter_topic(topic), group=group, before_commit=before_commit):
        try:
            letter = incoming(record.key, record.value, tuple(record.headers))
        except NotADeadLetterError as error:
            on_foreign(f"{_place(record)}, is passed over: {error}")
        else:
            yield _time(record), letter


def _time(record: Any) -> dt.datetime | None:
    if record.timestamp is None or record.timestamp < 0:
        return None
    return dt.datetime.fromtimestamp(record.timestamp / 1000, dt.UTC)


def replay_dead_letters(settings: Settings, kafka: KafkaSettings, topic: str, on_foreign: Callable[[str], None]) -> int:
    """Send the original of each dead letter to its topic again, once, and return their number.

    kafka-python sends a header without content as an empty one. It does not send a record with neither key nor value,
    which no fix could make an event: `on_foreign` is called for it.
    """
    count = 0
    with closing(KafkaProducer(**connection(kafka), acks="all")) as producer:
        sent: list[Any] = []
        group = f"{settings.app_id}-dlq-replay"
        # Acknowledged before the group's offsets are committed: otherwise an unacknowledged record would be lost.
        for letter in dead_letters(
            settings, kafka, topic, on_foreign, group, before_commit=lambda: _acknowledged(sent)
        ):
            if letter.key is None and letter.value is None:
                place = f"{topic}, partition {letter.partition}, offset {letter.offset}"
                on_foreign(f"the dead letter of {place}, is passed over: it has neither key nor value")
                continue
            headers = [(name, content or b"") for name, content in letter.headers]
            sent.append(producer.send(letter.topic, value=letter.value, key=letter.key, headers=headers))
            count += 1
            if len(sent) >= 1000:
                _acknowledged(sent)
    return count


def _acknowledged(sent: list[Any]) -> None:
    for future in sent:
        future.get(60)
    sent.clear()


def committed_state(settings: Settings, kafka: KafkaSettings) -> dict[int, dict[bytes, bytes]]:
    """Return the latest committed row of each key, by partition."""
    state: dict[int, dict[bytes, bytes]] = {}
    for record in read(kafka, settings.state_topic):
        rows = state.setdefault(record.partition, {})
        if record.value is None:
            rows.pop(record.key, None)
        else:
            rows[record.key] = record.value
    return state
