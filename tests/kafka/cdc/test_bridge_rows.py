"""Rows of a real PostgreSQL through a real Debezium and the bridge: a replay's alerts, whatever ends in between."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final, LiteralString

import msgspec
import pytest
from kafka import KafkaConsumer, TopicPartition

from stream.ops import topic_reader, topics
from stream.ops.client import consumer_connection
from tests.kafka.bridge import BridgeProcess, read_all
from tests.kafka.cdc.conftest import StartConnector
from tests.kafka.cdc.connect import KafkaConnect
from tests.kafka.cdc.connectors import SHOP_TABLES, shop_connector
from tests.kafka.cdc.postgres import Postgres
from tests.kafka.cdc.shop import Shop, before_edits
from tests.kafka.group import PARTITIONS, Group, Market, Worker, wait

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("cdc")]

ShopEvents = Sequence[Mapping[str, Any]]
_MAPPING: Final = Path("docs/examples/postgres/mapping.toml")
#: A change behind all others.
_LAST: Final[LiteralString] = """
INSERT INTO reviews (id, seller_id, product_id, author_id, stars, body, created_at, updated_at)
SELECT 'last', 'last', 'last', 'last', 5, '', max(updated_at), max(updated_at) FROM reviews"""


class Rows:
    """The topics of the shop's tables, and a bridge that reads them."""

    def __init__(self, group: Group, postgres: Postgres) -> None:
        self.group = group
        self.prefix = re.sub("[^a-z]+", "_", group.settings.app_id)[:60]
        self.mapping = group.folder / "mapping.toml"
        self.mapping.write_text(_MAPPING.read_text().replace('"shop.', f'"{self.prefix}.'))
        self._postgres = postgres
        self._reviews = TopicPartition(f"{self.prefix}.public.reviews", 0)
        # Connect makes the topics themselves.
        sources = [f"{self.prefix}.public.{table}" for table in SHOP_TABLES]
        topics.create(group.settings, group.kafka, PARTITIONS, 1, sources)
        self._letters = [group.settings.dead_letter_topic(topic) for topic in sources]

    def connector(self, schemas: bool, snapshot_mode: str) -> dict[str, str]:
        """Return the connector's configuration, with one partition for each table."""
        more = {"snapshot.mode": snapshot_mode, **({} if schemas else {"decimal.handling.mode": "string"})}
        return shop_connector(self._postgres, prefix=self.prefix, schemas=schemas, partitions=1, more=more)

    def count(self) -> int:
        """Return the number of changes of reviews in Kafka."""
        with closing(KafkaConsumer(**consumer_connection(self.group.kafka))) as consumer:
            if not consumer.partitions_for_topic(self._reviews.topic):
                return 0
            return int(consumer.end_offsets([self._reviews])[self._reviews])

    def have_last(self) -> bool:
        """Return whether the last change of the database is in Kafka."""
        with closing(KafkaConsumer(**consumer_connection(self.group.kafka), enable_auto_commit=False)) as consumer:
            consumer.assign([self._reviews])
            consumer.seek(self._reviews, max(0, consumer.end_offsets([self._reviews])[self._reviews] - 1))
            return any(b'"last"' in record.key for its in consumer.poll(timeout_ms=2000).values() for record in its)

    def bridge(self, kills: int = 0) -> None:
        """Read all of it, by several bridges, each but the last one killed amid its work."""
        for _ in range(kills):
            bridge = BridgeProcess(self.group, self.mapping)
            _wait_for_records(bridge)
            bridge.kill()
        bridge = BridgeProcess(self.group, self.mapping)
        try:
            wait(lambda: _is_done(bridge), 90, "the bridge does not read to the end")
            assert read_all(self.group, self._letters) == []
            assert bridge.stop() == 0
        finally:
            bridge.kill()


def _wait_for_records(bridge: BridgeProcess) -> None:
    wait(lambda: bridge.records() > 0, 60, "the bridge does nothing")


def _is_done(bridge: BridgeProcess) -> bool:
    assert bridge.process.poll() is None, "the bridge ended by itself"
    return bridge.ready() and bridge.metric("volteface_bridge_lag_records") == 0


def _assert_alerts_of_a_replay(group: Group, market: Market) -> None:
    """What alerts say is the same. Their ids differ, because the events' ids do: rows have none."""
    worker = Worker(group)
    worker.wait_for(len(read_all(group, group.settings.marketplace_topics)))
    lines = (market.events.parent / "alerts.jsonl").read_text().splitlines()
    assert len(lines) >= 3
    wait(lambda: len(_alerts(group)) >= len(lines), 120, f"there are not {len(lines)} alerts")
    assert worker.stop() == 0
    assert sorted(map(_said, _alerts(group))) == sorted(map(_said, lines))


def _alerts(group: Group) -> list[bytes]:
    return [msgspec.json.encode(alert) for alert in topic_reader.alerts(group.settings, group.kafka)]


def _said(line: str | bytes) -> tuple[Any, ...]:
    alert = json.loads(line)
    evidence = alert["evidence"]
    numbers = (evidence["flips"], round(evidence["expected"], 6), round(evidence["odds"], 3))
    return alert["kind"], alert["subject"]["id"], alert["severity"], alert["raised_at"], *numbers


def test_rows_give_the_alerts_of_a_replay_although_bridges_are_killed(
    group: Group,
    postgres: Postgres,
    empty_shop: Shop,
    shop_market: Market,
    shop_events: ShopEvents,
    start_connector: StartConnector,
) -> None:
    postgres.execute("ALTER TABLE reviews REPLICA IDENTITY FULL")
    rows = Rows(group, postgres)
    in_snapshot = before_edits(shop_events)
    assert in_snapshot > 20
    empty_shop.write_rows(shop_events[:in_snapshot])
    start_connector(rows.connector(schemas=False, snapshot_mode="initial"))
    empty_shop.write_rows(shop_events[in_snapshot:])
    postgres.execute(_LAST)
    wait(rows.have_last, 90, "not all changes arrived")
    rows.bridge(kills=2)
    _assert_alerts_of_a_replay(group, shop_market)


@pytest.mark.long
def test_what_debezium_sends_again_counts_once_and_old_rows_are_not_needed(
    group: Group,
    postgres: Postgres,
    connect: KafkaConnect,
    empty_shop: Shop,
    shop_market: Market,
    shop_events: ShopEvents,
    start_connector: StartConnector,
) -> None:
    """With REPLICA IDENTITY DEFAULT an update has no old stars; the worker knows those of the reviews at risk.

    Without a snapshot: a failure before Connect's first commit would repeat it, and hide the changes in between.
    """
    rows = Rows(group, postgres)
    name = start_connector(rows.connector(schemas=True, snapshot_mode="no_data"))
    with ThreadPoolExecutor(1) as writer:
        written = writer.submit(empty_shop.write_rows, shop_events)
        wait(lambda: rows.count() > 500, 60, "nothing arrives")
        connect.kill()
        written.result()
    postgres.execute(_LAST)
    before = rows.count()
    connect.start()
    wait(lambda: rows.count() > before + 500, 60, "nothing arrives after the restart")
    postgres.restart()
    assert not rows.have_last(), "the restart came after the work"
    connect.wait_until_running(name)
    wait(rows.have_last, 90, "not all changes arrived")
    changes = sum(event["type"].startswith("review.") for event in shop_events) + 1
    assert rows.count() > changes, "nothing was sent again"
    rows.bridge()
    _assert_alerts_of_a_replay(group, shop_market)
