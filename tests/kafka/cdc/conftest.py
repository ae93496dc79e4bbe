"""A PostgreSQL and a Kafka Connect for all tests of this folder; they share a process, and so these parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from stream.config import KafkaSettings
from tests.kafka.cdc import shop
from tests.kafka.cdc.connect import KafkaConnect
from tests.kafka.cdc.postgres import Postgres
from tests.kafka.cdc.shop import Shop
from tests.kafka.group import Market, replay, wait

StartConnector = Callable[[dict[str, str]], str]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as started:
        yield started


@pytest.fixture(scope="session")
def connect(kafka: KafkaSettings) -> Iterator[KafkaConnect]:
    with KafkaConnect(kafka.bootstrap_servers) as started:
        yield started


@pytest.fixture(scope="session")
def shop_market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """The events of the shop; they are replayed once for all tests."""
    folder = tmp_path_factory.mktemp("shop")
    events = folder / "shop.jsonl"
    made = shop.market()
    made.write(events, folder / "truth.jsonl")
    return Market(events, len(made.lines), {}, *replay(events, folder))


@pytest.fixture(scope="session")
def shop_events(shop_market: Market) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in shop_market.events.read_text().splitlines()]


@pytest.fixture
def empty_shop(postgres: Postgres) -> Shop:
    empty = Shop(postgres)
    empty.create()
    return empty


@pytest.fixture
def start_connector(postgres: Postgres, connect: KafkaConnect) -> Iterator[StartConnector]:
    """Start a connector, wait until its snapshot is complete, and return its name; it ends with the test.

    Its name and its topics' prefix must be new: Connect remembers the position of each name.
    """
    names = set()

    def start(config: dict[str, str]) -> str:
        name = config["slot.name"]
        names.add(name)
        connect.create(name, config)
        wait(partial(postgres.streams, name), 30, f"the connector {name} does not stream")
        return name

    yield start
    if not connect.running:  # a test failed after it had killed it
        connect.start()
    for name in names:
        connect.delete(name)
        wait(partial(postgres.drop_slot, name), 30, f"the connector {name} does not end")
