"""Bad input on a real Kafka: a worker survives 20,000 mutated records, and keeps each refused record unchanged."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaProducer

from stream.core.messages.wire import APP_ID_HEADER
from stream.engine.kafka_auth import connection
from stream.intake.intake import Intake
from stream.intake.partition import partition_of
from stream.intake.refusal import Refusal, Refused
from stream.ops import letter_replay, topic_reader
from stream.ops.event_files import head, stream_of
from stream.ops.letter_replay import Choice
from tests.kafka.group import PARTITIONS, Group, Market, Worker, wait
from tests.mutants import Mutant, mutants

pytestmark = pytest.mark.kafka

_MUTANTS = 20_000
_VALID = 5000


class Sent(NamedTuple):
    """A sent record."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


def _mutants_and_events(events: Path) -> Iterator[Mutant]:
    """Yield four mutants before each valid event."""
    mutated = mutants(7, _MUTANTS)
    with events.open("rb") as lines:
        for line, _ in zip(lines, range(_VALID), strict=False):
            for _ in range(_MUTANTS // _VALID):
                yield next(mutated)
            event = head(line)
            yield Mutant(stream_of(event.type), (event.seller_id or "").encode(), line.rstrip())


async def _send(group: Group, events: Path) -> tuple[list[Sent], Counter[Sent]]:
    """Send the records; return all of them, and those that intake refuses."""
    intake = Intake(group.settings, PARTITIONS)
    sent: list[Sent] = []
    refused: Counter[Sent] = Counter()
    async with AIOKafkaProducer(**connection(group.kafka), linger_ms=20) as producer:
        for number, (stream, key, value, wrong_partition) in enumerate(_mutants_and_events(events)):
            partition = (
                partition_of(key or b"", PARTITIONS) if wrong_partition is None else wrong_partition % PARTITIONS
            )
            headers = (("number", b"%d" % number), ("none", None), ("bytes", b"\x00\xff"), ("bytes", b""))
            record = Sent(group.settings.input_topics[stream], partition, key, value, headers)
            sent.append(record)
            try:
                intake.decode(stream, partition, key, value, time.time())
            except Refused:
                refused[record] += 1
            await _send_record(producer, record)
    return sent, refused


async def _send_record(producer: AIOKafkaProducer, record: Sent) -> None:
    headers = list(record.headers)
    if record.key is not None or record.value is not None:
        await producer.send(record.topic, record.value, record.key, record.partition, headers=headers)
        return
    batch = producer.create_batch()  # `send` requires a key or a value, Kafka does not
    batch.append(key=None, value=None, timestamp=None, headers=headers)
    await producer.send_batch(batch, record.topic, partition=record.partition)


def test_a_worker_survives_bad_input_and_keeps_refused_records(group: Group, market: Market) -> None:
    sent, refused = asyncio.run(_send(group, market.events))
    assert len(sent) == _MUTANTS + _VALID
    assert len(refused) > _MUTANTS / 2
    worker = Worker(group)
    worker.wait_for(len(sent), seconds=120)
    time.sleep(2)  # an event counted twice would show by then
    assert worker.events() == len(sent)  # events = applied + duplicates + dead
    page = worker.page("/metrics").splitlines()
    dead = sum(float(line.split()[-1]) for line in page if line.startswith("volteface_dead_letters_total{"))
    assert worker.ready()
    assert worker.stop() == 0

    letters = [
        stored.letter
        for topic in group.settings.input_topics
        for stored in topic_reader.dead_letters(group.settings, group.kafka, topic, pytest.fail)
    ]
    kept = Counter(Sent(letter.topic, letter.partition, letter.key, letter.value, letter.headers) for letter in letters)
    assert kept == refused
    assert dead == len(letters)
    assert len({letter.reason for letter in letters}) == 9
    assert len(json.loads(group.command("state", "digest"))) == PARTITIONS

    unsendable: list[str] = []
    replayed = sum(
        letter_replay.replay(group.settings, group.kafka, topic, Choice(), pytest.fail, unsendable.append).sent
        for topic in group.settings.input_topics
    )
    empty = sum(letter.key is None and letter.value is None for letter in letters)
    assert (replayed, len(unsendable)) == (len(letters) - empty, empty)
    assert empty > 0


async def _send_evidence(group: Group, headers: list[list[tuple[str, bytes]]]) -> None:
    async with AIOKafkaProducer(**connection(group.kafka)) as producer:
        for each in headers:
            await producer.send_and_wait(group.settings.evidence_topic, b"{}", partition=1, headers=each)


def test_records_of_others_on_the_evidence_topic_leave_a_trace(group: Group) -> None:
    """Messages of another application are counted, also after a restart; records of none are kept as dead letters."""
    topic = group.settings.evidence_topic
    asyncio.run(
        _send_evidence(group, [[(APP_ID_HEADER, b"another")], [(APP_ID_HEADER, b"another")], [], [("a", b"b")]])
    )
    names = {"volteface_foreign_messages_total": 'task="1"', "volteface_dead_letters_total": f'topic="{topic}"'}
    for _ in range(2):
        worker = Worker(group)
        for name, label in names.items():
            wait(partial(_has_sample, worker, name, label, 2), 60, f"{name} is not 2")
        assert worker.stop() == 0
    kept = [stored.letter for stored in topic_reader.dead_letters(group.settings, group.kafka, topic, pytest.fail)]
    assert [(letter.reason, letter.value, letter.headers) for letter in kept] == [
        (Refusal.MISSING_FIELD, b"{}", ()),
        (Refusal.MISSING_FIELD, b"{}", (("a", b"b"),)),
    ]


def _has_sample(worker: Worker, name: str, label: str, value: float) -> bool:
    """Return whether the samples of a metric with a label in /metrics have this sum."""
    try:
        lines = worker.page("/metrics").splitlines()
    except OSError:
        return False
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{") and label in line) == value
