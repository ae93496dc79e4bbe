"""What docs/partitioning.md says about producers, with the producers themselves."""

from __future__ import annotations

from typing import Final

import pytest
from confluent_kafka import Message, Producer
from kafka import KafkaProducer

from stream.config import KafkaSettings, Settings
from stream.intake.intake import Intake
from stream.intake.refusal import Refused
from stream.ops.client import connection
from stream.ops.mock_broker import MockBroker
from stream.ops.topics import MOCK_PARTITIONS

_SELLERS: Final = [f"seller-{number:03d}" for number in range(200)]


def _event(seller: str) -> bytes:
    return (
        b'{"type":"review.created","event_id":"e","occurred_at":"2025-03-01T10:00:00Z","seller_id":"%s","product_id":"p",'
        b'"review_id":"r","reviewer_id":"u","rating":1}' % seller.encode()
    )


def _accepted(partitions: dict[str, int]) -> tuple[int, set[str]]:
    """Return how many events intake accepts in these partitions, and the texts of the refusals."""
    intake, accepted, refusals = Intake(Settings(), MOCK_PARTITIONS), 0, set[str]()
    for seller, partition in partitions.items():
        try:
            intake.decode(0, partition, seller.encode(), _event(seller), 2e9)
            accepted += 1
        except Refused as refused:
            refusals.add(str(refused))
    return accepted, refusals


def _librdkafka(config: dict[str, str]) -> dict[str, int]:
    """Return the partition that librdkafka chooses for each seller."""
    found: dict[str, int] = {}

    def delivered(error: object, message: Message) -> None:
        found[(message.key() or b"").decode()] = message.partition()

    with MockBroker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0, **config})
        for seller in _SELLERS:
            producer.produce("reviews.lifecycle.v1", _event(seller), key=seller.encode(), on_delivery=delivered)
        assert producer.flush(30) == 0
        del producer
    return found


@pytest.mark.parametrize("partitioner", ["murmur2_random", "murmur2"])
def test_librdkafka_with_murmur2_is_accepted(partitioner: str) -> None:
    assert _accepted(_librdkafka({"partitioner": partitioner})) == (len(_SELLERS), set())


def test_librdkafka_by_default_is_refused_with_the_remedy() -> None:
    accepted, refusals = _accepted(_librdkafka({}))
    assert 0.1 < accepted / len(_SELLERS) < 0.4  # those in the right partition by chance
    assert all("partitioner=murmur2_random" in text and "docs/partitioning.md" in text for text in refusals)


def test_kafka_python_is_accepted_by_default() -> None:
    with MockBroker() as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, mock=True)
        with KafkaProducer(**connection(kafka)) as producer:
            sent = {seller: producer.send("reviews.lifecycle.v1", key=seller.encode()) for seller in _SELLERS}
            chosen = {seller: future.get(30).partition for seller, future in sent.items()}
    assert _accepted(chosen) == (len(_SELLERS), set())
