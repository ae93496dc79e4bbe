"""The shop's tables through a real Debezium in row mode: their changes tell all events of the shop."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from stream.config import KafkaSettings
from tests.kafka.cdc.conftest import StartConnector
from tests.kafka.cdc.connectors import SHOP_TABLES, shop_connector
from tests.kafka.cdc.postgres import Postgres
from tests.kafka.cdc.records import ConnectRecord, read_until
from tests.kafka.cdc.shop import Shop, before_edits

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("cdc")]

EVENTS = 3_000
Fact = tuple[str, str, str, str]


def _fact_of_event(event: Mapping[str, Any]) -> Fact:
    """Return the type, seller, time, and what else tells events of this type apart."""
    more = {
        "review.created": ("review_id", "product_id", "reviewer_id", "rating"),
        "review.edited": ("review_id", "rating"),
        "review.deleted": ("review_id", "deleted_by", "actor_id"),
        "outreach.sent": ("reviewer_id", "review_id", "channel", "incentive_value", "currency"),
        "contact.accessed": ("actor_id", "review_id", "reviewer_id", "purpose"),
    }[event["type"]]
    return event["type"], event["seller_id"], event["occurred_at"], str([event.get(name) for name in more])


def _fact_of_change(record: ConnectRecord) -> Fact:
    """Return the same of a changed row."""
    change = json.loads(record.value or "")
    row, table = change["after"], record.topic.rpartition(".")[2]
    if table == "messages":
        value = None if row["value"] is None else float(row["value"])
        more = [row["reviewer_id"], row["review_id"], row["channel"], value, row["currency"]]
        return "outreach.sent", row["seller_id"], _time(row["sent_at"]), str(more)
    if table == "contact_lookups":
        more = [row["staff_id"], row["review_id"], row["reviewer_id"], row["purpose"]]
        return "contact.accessed", row["seller_id"], _time(row["looked_up_at"]), str(more)
    if change["op"] in "rc":
        more = [row["id"], row["product_id"], row["author_id"], row["stars"]]
        return "review.created", row["seller_id"], _time(row["created_at"]), str(more)
    if row["deleted_at"] is None:
        return "review.edited", row["seller_id"], _time(row["updated_at"]), str([row["id"], row["stars"]])
    by = {"moderator": "platform", "author": "author"}[row["deleted_by"]]
    return "review.deleted", row["seller_id"], _time(row["deleted_at"]), str([row["id"], by, row["removed_by_staff"]])


def _time(text: str) -> str:
    """Return a time of Debezium with milliseconds, as events have it."""
    assert text.endswith("000Z"), text
    return text.removesuffix("000Z") + "Z"


def test_the_changes_of_the_shop_s_rows_tell_all_its_events(
    kafka: KafkaSettings,
    postgres: Postgres,
    empty_shop: Shop,
    shop_events: Sequence[Mapping[str, Any]],
    start_connector: StartConnector,
) -> None:
    events = shop_events[:EVENTS]
    snapshot = before_edits(events)
    empty_shop.write_rows(events[:snapshot])
    start_connector(shop_connector(postgres, more={"decimal.handling.mode": "string"}))
    empty_shop.write_rows(events[snapshot:])
    topics = [f"shop.public.{table}" for table in SHOP_TABLES]
    records = read_until(kafka, topics, lambda records: len(records) >= EVENTS)
    operations = [json.loads(record.value or "")["op"] for record in records]
    assert operations.count("r") == snapshot > 50
    assert sorted(map(_fact_of_change, records)) == sorted(map(_fact_of_event, events))
