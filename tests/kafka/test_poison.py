"""Poison on the real pipeline: a worker lives through 20,000 mutants, and each that is refused is kept as it came."""

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

from stream.engine.access import connection
from stream.intake.decode import Intake
from stream.intake.partition import partition_of
from stream.intake.refusal import Refused
from stream.ops import mailbox
from stream.ops.lines import head, stream_of
from tests.kafka.group import PARTITIONS, Group, Market, Worker
from tests.mutants import Mutant, mutants

pytestmark = pytest.mark.kafka

_MUTANTS = 20_000
_GOOD = 5000


class Sent(NamedTuple):
    """A record as it was sent."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


def _among_good_ones(events: Path) -> Iterator[Mutant]:
    """After every four mutants a good event."""
    strangers = mutants(7, _MUTANTS)
    with events.open("rb") as lines:
        for line, _ in zip(lines, range(_GOOD), strict=False):
            for _ in range(_MUTANTS // _GOOD):
                yield next(strangers)
            top = head(line)
            yield Mutant(stream_of(top.type), (top.seller_id or "").encode(), line.rstrip())


async def _send(group: Group, events: Path) -> tuple[list[Sent], Counter[Sent]]:
    """All that was sent, and of it what intake refuses."""
    intake = Intake(group.settings, PARTITIONS)
    sent: list[Sent] = []
    refused: Counter[Sent] = Counter()
    async with AIOKafkaProducer(**connection(group.kafka), linger_ms=20) as producer:
        for number, (stream, key, value, asked) in enumerate(_among_good_ones(events)):
            partition = partition_of(key or b"", PARTITIONS) if asked is None else asked % PARTITIONS
            headers = (("number", b"%d" % number), ("none", None), ("bytes", b"\x00\xff"), ("bytes", b""))
            one = Sent(group.settings.input_topics[stream], partition, key, value, headers)
            sent.append(one)
            try:
                intake.decode(stream, partition, key, value, time.time())
            except Refused:
                refused[one] += 1
            await _send_one(producer, one)
    return sent, refused


async def _send_one(producer: AIOKafkaProducer, one: Sent) -> None:
    if one.key is not None or one.value is not None:
        await producer.send(one.topic, one.value, one.key, one.partition, headers=list(one.headers))
        return
    batch = producer.create_batch()  # `send` wants one of them, Kafka does not
    batch.append(key=None, value=None, timestamp=None, headers=list(one.headers))
    await producer.send_batch(batch, one.topic, partition=one.partition)


def test_a_worker_lives_through_poison_and_keeps_what_it_refuses(group: Group, market: Market) -> None:
    sent, refused = asyncio.run(_send(group, market.events))
    assert len(sent) == _MUTANTS + _GOOD
    assert len(refused) > _MUTANTS / 2
    worker = Worker(group)
    worker.wait_for(len(sent), seconds=120)
    time.sleep(2)  # for one event too many
    assert worker.events() == len(sent)  # events = applied + duplicates + dead
    page = worker.page("/metrics").splitlines()
    dead = sum(float(line.split()[-1]) for line in page if line.startswith("volteface_dead_letters_total{"))
    assert worker.ready()
    assert worker.stop() == 0

    letters = [
        letter
        for topic in group.settings.input_topics
        for letter in mailbox.dead_letters(group.settings, group.kafka, topic, pytest.fail)
    ]
    kept = Counter(Sent(one.topic, one.partition, one.key, one.value, one.headers) for one in letters)
    assert kept == refused
    assert dead == len(letters)
    assert len({letter.reason for letter in letters}) == 9
    assert len(json.loads(group.command("state", "digest"))) == PARTITIONS

    passed_over: list[str] = []
    again = sum(
        mailbox.replay_dead_letters(group.settings, group.kafka, topic, passed_over.append)
        for topic in group.settings.input_topics
    )
    empty = sum(letter.key is None and letter.value is None for letter in letters)
    assert (again, len(passed_over)) == (len(letters) - empty, empty)
    assert empty > 0
