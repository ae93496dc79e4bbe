"""An outbox of a real PostgreSQL through a real Debezium: the alerts of a replay, whatever ends in between."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest
from kafka import KafkaConsumer, TopicPartition

from stream.cli.connect import committed_tasks
from stream.intake.partition import partition_of
from stream.ops import topic_reader
from stream.ops.client import consumer_connection
from tests.kafka.cdc.conftest import StartConnector
from tests.kafka.cdc.connect import KafkaConnect
from tests.kafka.cdc.connectors import OutboxShape, outbox_connector
from tests.kafka.cdc.postgres import Postgres
from tests.kafka.cdc.shop import Shop, stream_name
from tests.kafka.group import PARTITIONS, Group, Market, Worker, wait

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("cdc")]

ShopEvents = Sequence[Mapping[str, Any]]
#: Events in the connector's snapshot, and in the first part.
SNAPSHOT, HALF = 1_000, 4_000
_WITH_SNAPSHOT = {"snapshot.mode": "initial"}


@pytest.fixture(autouse=True)
def format_of_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTEFACE_INPUT_FORMAT", "outbox")


def _outbox(postgres: Postgres, group: Group, shape: OutboxShape) -> dict[str, str]:
    topics = group.settings.lifecycle_topic.replace("lifecycle", "${routedByValue}")
    return outbox_connector(postgres, topics, shape, prefix=re.sub("[^a-z]+", "_", group.settings.app_id)[:60])


class Inputs:
    """What is in a group's input topics."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._partitions = [
            TopicPartition(topic, number) for topic in group.settings.marketplace_topics for number in range(PARTITIONS)
        ]
        self._consumer = KafkaConsumer(**consumer_connection(group.kafka), enable_auto_commit=False)
        self._consumer.assign(self._partitions)

    def count(self) -> int:
        """Return the number of records."""
        return sum(self._consumer.end_offsets(self._partitions).values())

    def end_with(self, events: ShopEvents) -> bool:
        """Return whether the last record of each partition is the last of these events."""
        topics = self._group.settings
        last = {
            TopicPartition(
                getattr(topics, f"{stream_name(event)}_topic"), partition_of(event["seller_id"].encode(), PARTITIONS)
            ): event["event_id"]
            for event in events
        }
        ends = {tp: end for tp, end in self._consumer.end_offsets(list(last)).items() if end}
        if len(ends) < len(last):
            return False
        for tp, end in ends.items():
            self._consumer.seek(tp, end - 1)
        found: dict[TopicPartition, str] = {}
        wait(lambda: self._read(found) == len(last), 30, "Kafka does not give the records that it has")
        return found == last

    def _read(self, found: dict[TopicPartition, str]) -> int:
        """Add the last event id of each partition of which records come; return how many are known."""
        for tp, records in self._consumer.poll(timeout_ms=200).items():
            found[tp] = _event_id(records[-1].value)
        return len(found)

    def close(self) -> None:
        """End the connection."""
        self._consumer.close()


def _event_id(value: bytes) -> str:
    """Return the event's id from a value of any shape."""
    document = json.loads(value)
    if isinstance(document, str):
        document = json.loads(document)
    return str(document.get("payload", document)["event_id"])


@pytest.fixture
def inputs(group: Group) -> Iterator[Inputs]:
    with closing(Inputs(group)) as inputs:
        yield inputs


def _write_on(postgres: Postgres, shop: Shop, events: ShopEvents) -> None:
    """Write events; as a shop does, write again what may have been lost with a connection."""
    for begin in range(0, len(events), 100):
        while True:
            try:
                shop.write_outbox(events[begin : begin + 100])
            except psycopg.OperationalError:
                wait(postgres.answers, 30, "PostgreSQL does not come back")
            else:
                break


@pytest.mark.long
def test_an_outbox_gives_the_state_and_alerts_of_a_replay(
    group: Group,
    inputs: Inputs,
    postgres: Postgres,
    empty_shop: Shop,
    shop_market: Market,
    shop_events: ShopEvents,
    start_connector: StartConnector,
) -> None:
    empty_shop.write_outbox(shop_events[:SNAPSHOT], keep=True)
    start_connector(_outbox(postgres, group, "expanded") | _WITH_SNAPSHOT)
    empty_shop.clean_outbox()
    empty_shop.write_outbox(shop_events[SNAPSHOT:HALF])
    wait(lambda: inputs.count() >= HALF, 60, "not all rows of the first part arrived")
    # The same connector: its later values have another shape.
    start_connector(_outbox(postgres, group, "envelope") | _WITH_SNAPSHOT)
    empty_shop.write_outbox(shop_events[HALF:])
    wait(lambda: inputs.end_with(shop_events), 60, "not all rows arrived")
    assert inputs.count() == shop_market.total
    worker = Worker(group)
    worker.wait_for(shop_market.total)
    group.wait_for_state(shop_market.expected)
    assert worker.stop() == 0
    assert _alert_ids(group) == shop_market.alert_ids


@pytest.mark.long
def test_what_debezium_sends_again_after_kills_and_restarts_counts_once(
    group: Group,
    inputs: Inputs,
    postgres: Postgres,
    connect: KafkaConnect,
    empty_shop: Shop,
    shop_market: Market,
    shop_events: ShopEvents,
    start_connector: StartConnector,
) -> None:
    name = start_connector(_outbox(postgres, group, "escaped"))
    with ThreadPoolExecutor(1) as writer:
        first = writer.submit(_write_on, postgres, empty_shop, shop_events[:HALF])
        wait(lambda: inputs.count() > 500, 60, "nothing arrives")
        assert not first.done()
        connect.kill()
        first.result()
        assert not inputs.end_with(shop_events[:HALF])
        connect.start()
        connect.wait_until_running(name)
        wait(lambda: inputs.end_with(shop_events[:HALF]), 60, "not all rows of the first part arrived")

        before = inputs.count()
        second = writer.submit(_write_on, postgres, empty_shop, shop_events[HALF:])
        wait(lambda: inputs.count() > before + 500, 60, "nothing arrives")
        assert not second.done()
        postgres.restart()
        second.result()
    wait(lambda: inputs.end_with(shop_events), 90, "not all rows arrived")
    connect.wait_until_running(name)
    sent = inputs.count()
    assert sent > shop_market.total + 500
    worker = Worker(group)
    worker.wait_for(sent)
    wait(lambda: _applied(group) == shop_market.total, 60, "an event was not applied, or twice")
    assert worker.stop() == 0
    assert _alert_ids(group) == shop_market.alert_ids
    assert len(shop_market.alert_ids) >= 3


def _alert_ids(group: Group) -> list[str]:
    return sorted(alert.alert_id for alert in topic_reader.alerts(group.settings, group.kafka))


def _applied(group: Group) -> int:
    """Return the number of events applied, from the committed state."""
    return sum(task.state.counts["applied"] for task in committed_tasks(group.settings, group.kafka).values())
