"""Avro and JSON of a real schema registry (Apicurio): the same alerts as JSON, and no good record lost without it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import fastavro
import pytest
from aiokafka import AIOKafkaProducer

from stream.contract.avro_schemas import avro_schema, schema_text
from stream.engine.kafka_auth import connection
from stream.intake.partition import partition_of
from stream.intake.refusal import Refusal
from stream.ops import topic_reader
from stream.ops.event_files import head, stream_of
from tests.avro_schemas import EVENTS
from tests.kafka.group import PARTITIONS, Group, Market, Worker, wait
from tests.kafka.registry import ApicurioRegistry, Link

pytestmark = pytest.mark.kafka

Confluent = Callable[[str], None]
Record = tuple[int, bytes, bytes, list[tuple[str, bytes]]]
_PARSED = {str(kind.__struct_config__.tag): fastavro.parse_schema(avro_schema(kind)) for kind in EVENTS}


@pytest.fixture(scope="module")
def registry() -> Iterator[ApicurioRegistry]:
    with ApicurioRegistry() as started:
        yield started


def _register(registry: ApicurioRegistry) -> dict[str, int]:
    """Register the schemas; return their ids by event type."""
    ids = {}
    for kind in EVENTS:
        name = str(kind.__struct_config__.tag)
        ids[name] = registry.register(name, schema_text(kind))
    ids["json"] = registry.register("json", _json_schema("event"), "JSON")
    return ids


def _json_schema(title: str) -> str:
    return json.dumps({"title": title, "type": "object", "properties": {"type": {"type": "string"}}})


def _avro(line: bytes) -> tuple[str, bytes]:
    """Return an event's type and its bytes in Avro."""
    document = json.loads(line)
    name = document.pop("type")
    document["occurred_at"] = dt.datetime.fromisoformat(document["occurred_at"])
    body = BytesIO()
    fastavro.schemaless_writer(body, _PARSED[name], document)
    return name, body.getvalue()


def _framed(schema_id: int, body: bytes) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big") + body


def _records(events: Path, ids: dict[str, int]) -> Iterator[Record]:
    """Yield a market's events by turns in JSON frames, in Avro frames, and in Avro with the id in a header."""
    with events.open("rb") as lines:
        for number, line in enumerate(lines):
            event = head(line)
            stream, key = stream_of(event.type), (event.seller_id or "").encode()
            try:
                name, body = _avro(line)
            except (ValueError, KeyError, TypeError):
                name, body = "json", line.rstrip()
            if name == "json" or number % 3 == 0:
                yield stream, key, _framed(ids["json"], line.rstrip()), []
            elif number % 3 == 1:
                yield stream, key, _framed(ids[name], body), []
            else:
                yield stream, key, body, [("__value_schema_id", _framed(ids[name], b""))]


async def _send(group: Group, records: Iterator[Record]) -> None:
    async with AIOKafkaProducer(**connection(group.kafka), linger_ms=20) as producer:
        for stream, key, value, headers in records:
            partition = partition_of(key, PARTITIONS)
            await producer.send(group.settings.input_topics[stream], value, key, partition, headers=headers)


@pytest.fixture
def confluent(monkeypatch: pytest.MonkeyPatch) -> Confluent:
    def use(url: str) -> None:
        monkeypatch.setenv("VOLTEFACE_INPUT_FORMAT", "confluent")
        monkeypatch.setenv("VOLTEFACE_SCHEMA_REGISTRY_URL", url)

    return use


def _letters(group: Group) -> list[Any]:
    return [
        stored.letter
        for topic in group.settings.input_topics
        for stored in topic_reader.dead_letters(group.settings, group.kafka, topic, pytest.fail)
    ]


def _waited(worker: Worker) -> float:
    """Return for how long a partition has waited for a schema, the longest of all."""
    try:
        lines = worker.page("/metrics").splitlines()
    except OSError:
        return 0
    samples = [line.split()[-1] for line in lines if line.startswith("volteface_schema_wait_seconds{")]
    return max(map(float, samples), default=0)


@pytest.mark.long
def test_avro_and_json_of_a_registry_give_the_alerts_of_json(
    group: Group, market: Market, registry: ApicurioRegistry, confluent: Confluent
) -> None:
    confluent(registry.url)
    asyncio.run(_send(group, _records(market.events, _register(registry))))
    worker = Worker(group)
    worker.wait_for(market.total, seconds=90)
    group.wait_for_state(market.expected)
    assert worker.stop() == 0
    group.assert_equals(market.expected, market.alert_ids)


@pytest.mark.long
def test_a_partition_waits_for_the_registry_and_an_unknown_id_is_a_dead_letter(
    group: Group, market: Market, registry: ApicurioRegistry, confluent: Confluent
) -> None:
    link, ids = Link(registry), _register(registry)
    confluent(link.url)
    records = list(islice(_records(market.events, ids), 400))
    asyncio.run(_send(group, iter(records)))
    worker = Worker(group)
    wait(lambda: _waited(worker) > 2, 60, "no partition waits")
    assert worker.ready()
    assert worker.events() == 0
    link.open()
    worker.wait_for(len(records))
    assert _waited(worker) == 0

    link.cut()  # while the worker runs, which has fetched the schemas of before
    stream, key, value, _ = records[0]
    other = registry.register("other", _json_schema("other"), "JSON")
    unknown = _framed(9999, value[5:])
    frames = [value, unknown, _framed(other, value[5:]), value]
    asyncio.run(_send(group, iter([(stream, key, frame, []) for frame in frames])))
    wait(lambda: _waited(worker) > 1, 60, "no partition waits")
    assert worker.events() == len(records) + 1
    assert _letters(group) == []
    link.open()
    worker.wait_for(len(records) + len(frames))
    link.cut()
    assert worker.stop() == 0
    (letter,) = _letters(group)
    assert (letter.reason, letter.value) == (Refusal.UNKNOWN_SCHEMA, unknown)
    lines = [json.loads(line) for line in (group.folder / "worker.log").read_text().splitlines()]
    away = [line for line in lines if line["event"] == "schema_registry_away"]
    assert 2 <= len(away) <= 6  # a line at once, and a few with growing intervals
    assert group.settings.lifecycle_topic in str(away[0]["waiting"])
    assert [line["event"] for line in lines].count("schema_registry_back") == 2
