"""A transaction that another producer leaves open keeps an input back: the worker names it and goes on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from stream.engine.kafka_auth import connection
from stream.intake.partition import partition_of
from stream.market.simulate import simulate
from stream.ops.event_files import head, stream_of
from tests.kafka.group import PARTITIONS, Group, Worker, wait
from tests.kafka.test_log_identity import send

pytestmark = pytest.mark.kafka


def _stalled(group: Group) -> list[dict[str, Any]]:
    written = (group.folder / "worker.log").read_text().splitlines()
    return [json.loads(line) for line in written if '"stream_stalled"' in line]


def test_an_input_that_an_open_transaction_keeps_back_is_named_once(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLTEFACE_MAX_IDLE_SECONDS", "0.1")  # the input is waited for 30 times as long
    topic = group.settings.outreach_topic
    reviews = [line for line in simulate("bribes", 1, 6, 30).lines if stream_of(head(line).type) == 0]
    seller = head(reviews[0]).seller_id
    assert seller is not None

    async def run() -> None:
        async with AIOKafkaProducer(**connection(group.kafka), transactional_id="another") as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"{}", key=seller.encode())
            await asyncio.to_thread(send, group, reviews)
            worker = Worker(group)
            await asyncio.to_thread(worker.wait_for, len(reviews))
            await asyncio.to_thread(wait, lambda: bool(_stalled(group)), 20, "nothing was logged")
            await producer.abort_transaction()
            assert await asyncio.to_thread(worker.stop) == 0

    asyncio.run(run())
    (line,) = _stalled(group)
    assert (line["level"], line["topic"], line["partition"]) == ("warning", topic, partition_of(seller, PARTITIONS))
