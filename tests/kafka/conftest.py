"""A real Apache Kafka for every test of this folder; without Java or Maven they fail with a message."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.config import KafkaSettings
from stream.market import simulate
from stream.ops.broker import Broker
from tests.kafka.group import Group, Market, replay

# A broker runs for half a minute: HotSpot's optimizing compiler would cost more time than it saves.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaSettings]:
    with Broker() as broker:
        yield KafkaSettings(bootstrap_servers=broker.bootstrap_servers)


@pytest.fixture
def group(kafka: KafkaSettings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Group]:
    group = Group(re.sub(r"[^A-Za-z0-9]+", "-", request.node.name), kafka, tmp_path)
    yield group
    for worker in group.workers:
        worker.kill()


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """A market with cheats and with late, repeated and disordered events; it is replayed once for all tests."""
    folder = tmp_path_factory.mktemp("market")
    events, truth = folder / "market.jsonl", folder / "truth.jsonl"
    total = simulate.write("dirty", 7, 60, 170, events, truth)
    cheats = [json.loads(line) for line in truth.read_text().splitlines()]
    return Market(events, total, {cheat["seller_id"]: cheat["paid_flips"] for cheat in cheats}, *replay(events, folder))
