"""The client's lines about batches that Kafka does not take yet, as lines for a person."""

from __future__ import annotations

import logging

from aiokafka import TopicPartition, errors

from stream.ops.named_retries import named_retries

_CLIENT = logging.getLogger("aiokafka")
_SENDER = logging.getLogger("aiokafka.producer.sender")
_LINE = "Got error produce response on topic-partition %s, retrying. Error: %s"


def test_too_few_replicas_in_sync_are_named_once_although_the_client_is_silenced() -> None:
    found: list[str] = []
    level = _CLIENT.level
    _CLIENT.setLevel(logging.CRITICAL)
    try:
        with named_retries(found.append):
            for number in range(4):
                _SENDER.warning(_LINE, TopicPartition("reviews", number), errors.NotEnoughReplicasError)
            _SENDER.warning(_LINE, TopicPartition("reviews", 0), errors.NotLeaderForPartitionError)
        _SENDER.warning(_LINE, TopicPartition("reviews", 0), errors.NotEnoughReplicasError)
    finally:
        _CLIENT.setLevel(level)
    (line,) = found
    assert line == (
        "Kafka takes no records for topic reviews: NOT_ENOUGH_REPLICAS, fewer of its brokers are in sync than its "
        "min.insync.replicas. Start the brokers that are away, or lower it: see `volteface topics check`. Waiting to "
        "send these records again"
    )
