"""All of Kafka's compression codecs on all topics: inputs by their producers, the others by `compression.type`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from stream.config import KafkaSettings
from stream.market import simulate
from stream.ops.client import connection
from stream.ops.event_files import head, stream_of
from tests.kafka.group import Group, Worker, replay

pytestmark = pytest.mark.kafka
CODECS = ("gzip", "snappy", "lz4", "zstd")


class Inputs(NamedTuple):
    """Lines of events with some that are refused, and the result of their replay."""

    lines: list[bytes]
    expected: dict[str, dict[str, str]]
    alert_ids: list[str]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("codecs")
    events = folder / "events.jsonl"
    lines = simulate.simulate("bribes", 1, 25, 120).lines
    seller = json.loads(lines[0])["seller_id"]
    lines = [*lines, json.dumps({"type": "review.burned", "seller_id": seller}).encode()]
    events.write_bytes(b"\n".join(lines) + b"\n")
    return Inputs(lines, *replay(events, folder))


def compress(kafka: KafkaSettings, topics: list[str], codec: str) -> None:
    """Let the broker recompress these topics."""
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, topic, configs={"compression.type": codec}) for topic in topics
        ]
        admin.alter_configs(resources)


def send(group: Group, lines: list[bytes], codecs: Iterator[str]) -> None:
    """Send events as a producer of a platform would: each input topic with another codec."""
    for stream, topic in enumerate(group.settings.input_topics):
        with closing(KafkaProducer(**connection(group.kafka), compression_type=next(codecs))) as producer:
            for line in lines:
                found = head(line)
                if stream_of(found.type) == stream:
                    assert found.seller_id is not None
                    producer.send(topic, value=line, key=found.seller_id.encode())
            producer.flush()


@pytest.mark.parametrize("first", [0, 2], ids=[CODECS[0], CODECS[2]])
@pytest.mark.long
def test_every_codec_works_on_every_topic(group: Group, inputs: Inputs, first: int) -> None:
    """Each of the three input topics has another codec, and so has each kind of the worker's own topics."""
    turned = CODECS[first:] + CODECS[:first]
    letters = [group.settings.dead_letter_topic(topic) for topic in group.settings.read_topics]
    own = [[group.settings.state_topic], [group.settings.evidence_topic], [group.settings.alerts_topic], letters]
    for topics, codec in zip(own, turned, strict=True):
        compress(group.kafka, topics, codec)
    send(group, inputs.lines, iter(turned))
    worker = Worker(group)
    worker.wait_for(len(inputs.lines))
    assert worker.stop() == 0
    restored = Worker(group)  # reads the state topic, and the messages of the evidence topic that are left
    group.wait_for_state(inputs.expected)
    assert restored.stop() == 0
    group.assert_equals(inputs.expected, inputs.alert_ids)
    (letter,) = map(json.loads, group.command("dlq", "list").splitlines())
    assert letter["reason"] == "unknown_type"
    group.command("watchlist")


def test_all_codecs_are_dependencies_of_the_distribution() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '"aiokafka[lz4,snappy,zstd]' in project
    assert '"kafka-python[crc32c,lz4,snappy,zstd]' in project
