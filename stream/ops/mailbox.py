"""Reads back what Volteface wrote: alerts, dead letters, the committed state.

Rule of this room: read committed only, from the beginning to the end as it was when the reading began (or on, when
told to follow). Transaction markers take offsets, so the end is reached by position, not by the last record.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from stream.alerts import Alert
from stream.config import KafkaSettings, Settings
from stream.intake.dead_letters import DeadLetter, NotADeadLetterError, incoming
from stream.ops.client import connection

_alert = msgspec.json.Decoder(Alert)


def read(
    kafka: KafkaSettings,
    topic: str,
    follow: bool = False,
    group: str | None = None,
    settle: Callable[[], None] = lambda: None,
) -> Generator[Any, None, None]:
    """A topic's committed records, from its beginning, or from where the group stopped.

    `settle` finishes the work on them; only then does the group move on.
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
                # The end is one of transactions; what was fetched beyond it may be a part of one.
                yield from (record for record in records if follow or record.offset < ends[tp])
        if group is not None:
            settle()
            positions = {tp: OffsetAndMetadata(min(consumer.position(tp), ends[tp]), "", -1) for tp in partitions}
            consumer.commit(positions)


def alerts(settings: Settings, kafka: KafkaSettings, follow: bool = False) -> Iterator[Alert]:
    """All alerts, each once."""
    for record in read(kafka, settings.alerts_topic, follow):
        yield _alert.decode(record.value)


def dead_letters(
    settings: Settings,
    kafka: KafkaSettings,
    topic: str,
    foreign: Callable[[str], None],
    group: str | None = None,
    settle: Callable[[], None] = lambda: None,
) -> Iterator[DeadLetter]:
    """The dead letters of an input topic; `foreign` is told of each record there that is none, and why."""
    for record in read(kafka, settings.dead_letter_topic(topic), group=group, settle=settle):
        try:
            letter = incoming(record.key, record.value, tuple(record.headers))
        except NotADeadLetterError as error:
            foreign(f"{record.topic}, partition {record.partition}, offset {record.offset}, is passed over: {error}")
        else:
            yield letter


def replay_dead_letters(settings: Settings, kafka: KafkaSettings, topic: str, foreign: Callable[[str], None]) -> int:
    """Send each dead letter of a topic to it again, as it came; those sent before are not sent twice.

    kafka-python sends no header without a content: it comes back empty. Nor does it send a record with neither key nor
    value, of which no fix would make an event: `foreign` is told of it.
    """
    count = 0
    with closing(KafkaProducer(**connection(kafka), acks="all")) as producer:
        sent: list[Any] = []
        group = f"{settings.app_id}-dlq-replay"
        # Settled before the group moves on: a letter that was not acknowledged would be lost otherwise.
        for letter in dead_letters(settings, kafka, topic, foreign, group, settle=lambda: _acknowledged(sent)):
            if letter.key is None and letter.value is None:
                place = f"{topic}, partition {letter.partition}, offset {letter.offset}"
                foreign(f"the dead letter of {place}, is passed over: it has neither key nor value")
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
    """The latest committed row of each key, by partition."""
    state: dict[int, dict[bytes, bytes]] = {}
    for record in read(kafka, settings.state_topic):
        rows = state.setdefault(record.partition, {})
        if record.value is None:
            rows.pop(record.key, None)
        else:
            rows[record.key] = record.value
    return state
