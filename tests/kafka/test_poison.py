"""Bad input on a real Kafka: a worker survives 20,000 mutated records, and keeps each refused record unchanged."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaProducer

from stream.engine.kafka_auth import connection
from stream.intake.intake import Intake
from stream.intake.partition import partition_of
from stream.intake.refusal import Refused
from stream.ops import letter_replay, topic_reader
from stream.ops.event_files import head, stream_of
from stream.ops.letter_replay import Choice
from tests.kafka.group import PARTITIONS, Group, Market, Worker
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
