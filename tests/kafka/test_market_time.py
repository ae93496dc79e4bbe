"""The time of a replayed market is that of its latest events: for the analyst's commands, and for the console."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaProducer

from stream.console.source.follower import Follower
from stream.console.source.read_model import ReadModel
from stream.contract.cases import Case
from stream.ops import topic_reader
from stream.ops.client import connection
from tests.kafka.group import Group, argv, wait
from tests.sample_cases import HOUR, seller_case

pytestmark = pytest.mark.kafka


def _put(group: Group, case: Case) -> None:
    with KafkaProducer(**connection(group.kafka)) as producer:
        producer.send(group.settings.cases_topic, key=case.case_id.encode(), value=msgspec.json.encode(case)).get(30)


def _send(group: Group, at: dt.datetime, name: str, **options: Any) -> None:
    """Write a review of this time, with others before it in its partition; in transactions, whose markers follow it."""
    topic, value = group.settings.lifecycle_topic, {
        "type": "review.created", "seller_id": "shop", "product_id": "p", "reviewer_id": "u", "rating": 1,
    }  # fmt: skip
    with KafkaProducer(**connection(group.kafka), **options) as producer:
        if options:
            producer.init_transactions()
        for number in range(30):
            own = {"event_id": f"{name}-{number}", "review_id": f"{name}-{number}"}
            occurred_at = (at - (29 - number) * HOUR).isoformat()
            if options:
                producer.begin_transaction()
            producer.send(topic, key=b"shop", value=json.dumps(value | own | {"occurred_at": occurred_at}).encode())
            if options:
                producer.commit_transaction() if name == "kept" else producer.abort_transaction()


def _fill(group: Group, reached: dt.datetime) -> None:
    """Let a market have reached a time; what was taken back, and what is refused, is from later."""
    _send(group, reached, "kept", transactional_id=f"{group.settings.app_id}-kept")
    _send(group, reached + dt.timedelta(days=99), "aborted", transactional_id=f"{group.settings.app_id}-aborted")
    with KafkaProducer(**connection(group.kafka)) as producer:
        refused = {"type": "review.created", "occurred_at": "2026-01-01T00:00:00Z", "seller_id": "shop"}
        producer.send(group.settings.lifecycle_topic, key=b"shop", value=json.dumps(refused).encode()).get(30)


def _run(group: Group, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        argv(*arguments), env=group.environment, capture_output=True, text=True, timeout=60, check=False
    )
    (line,) = done.stderr.splitlines()
    return done.returncode, line


def _times(group: Group) -> list[dt.datetime]:
    records = topic_reader.read(group.kafka, group.settings.verdicts_topic)
    return [dt.datetime.fromisoformat(json.loads(record.value)["occurred_at"]) for record in records]


def test_an_event_has_the_time_that_the_market_has_reached(group: Group) -> None:
    case = seller_case("shop")
    reached = case.updated_at + dt.timedelta(days=21)
    _put(group, case)
    _fill(group, reached)
    code, line = _run(group, "verdict", case.case_id, "dismissed", "--analyst", "ana")
    (at,) = _times(group)
    assert reached <= at < reached + dt.timedelta(minutes=1)
    assert code == 0
    assert line.endswith(f"(dated {reached:%Y-%m-%d %H:%M} UTC, where the cases' market is now)")
    assert _run(group, "note", case.case_id, "x", "--at", (reached + 23 * HOUR).isoformat())[0] == 0
    code, line = _run(group, "note", case.case_id, "x", "--at", (reached + 72 * HOUR).isoformat())
    assert code == 1
    assert line.startswith("nothing was recorded: --at is more than a day after the time of the market, ")
    assert len(_times(group)) == 2


def test_the_console_has_the_time_that_the_market_has_reached(group: Group, tmp_path: Path) -> None:
    case = seller_case("shop")
    reached = case.updated_at + dt.timedelta(days=21)
    _put(group, case)
    _fill(group, reached)
    follower = Follower(group.settings, group.kafka, ReadModel(tmp_path / "rows.sqlite"), lambda _: None)
    follower.start()
    try:
        wait(lambda: abs(follower.market_now() - reached) < HOUR, 30, "the console has another time")
    finally:
        follower.stop()
