"""Reads records of a connector as they are in Kafka, for tests and samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kafka import KafkaConsumer

from stream.config import KafkaSettings
from stream.ops.client import consumer_connection


class ConnectRecord(NamedTuple):
    """A record as Connect wrote it; the value of a tombstone is None."""

    topic: str
    partition: int
    offset: int
    key: str | None
    value: str | None
    headers: dict[str, str]


def read_until(
    kafka: KafkaSettings,
    topics: Sequence[str],
    enough: Callable[[list[ConnectRecord]], bool],
    seconds: float = 60,
) -> list[ConnectRecord]:
    """Read topics from their beginning until the records are enough; fail if they are not in this time.

    Topics that do not exist yet are waited for.
    """
    records: list[ConnectRecord] = []
    until = time.monotonic() + seconds
    options = {"auto_offset_reset": "earliest", "metadata_max_age_ms": 500, "group_id": None}
    with KafkaConsumer(**(consumer_connection(kafka) | options)) as consumer:
        consumer.subscribe(pattern="^(" + "|".join(topic.replace(".", r"\.") for topic in topics) + ")$")
        while not enough(records):
            assert time.monotonic() < until, f"{topics} have only {len(records)} records: {records[-3:]}"
            for batch in consumer.poll(timeout_ms=200).values():
                records += map(_record, batch)
    return records


def _record(record: Any) -> ConnectRecord:
    headers = {name: _text(value) or "" for name, value in record.headers}
    return ConnectRecord(record.topic, record.partition, record.offset, _text(record.key), _text(record.value), headers)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
