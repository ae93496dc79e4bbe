"""The transport passes on the records of aiokafka's fetcher without a copy of each."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecord, DefaultRecordBatchBuilder
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from stream.engine import fetched_records, transport


def test_the_fetcher_uses_our_record_class() -> None:
    assert transport.Transport is not None  # its import installs them
    assert fetcher.PartitionRecords is fetched_records.FetchedRecords
    assert fetcher.MemoryRecords is fetched_records._KeptRecords
    # Looked up by name at each fetch:
    assert {"PartitionRecords", "MemoryRecords"} <= set(fetcher.Fetcher._proc_fetch_request.__code__.co_names)


def test_taken_records_and_answers_are_noted_where_the_clients_do_it() -> None:
    """The transport overrides one method and reads one attribute that no interface promises."""
    assert "_fetch_records" in AIOKafkaConsumerThread.getmany.__code__.co_names
    assert {"highwater", "timestamp"} <= set(fetcher.Fetcher._proc_fetch_request.__code__.co_names)


def test_a_record_is_passed_on_unchanged() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1024)
    for offset in range(3):
        builder.append(offset, 1000 + offset, b"key", b"value %d" % offset, [("name", b"content")])
    records = fetcher.MemoryRecords(bytes(builder.build()))
    fetched = fetcher.PartitionRecords(TopicPartition("topic", 0), records, [], 1, None, None, True, 1)
    found = list(fetched)
    assert all(type(record) is DefaultRecord for record in found)
    assert [(record.offset, record.timestamp, record.key, record.value, record.headers) for record in found] == [
        (1, 1001, b"key", b"value 1", [("name", b"content")]),
        (2, 1002, b"key", b"value 2", [("name", b"content")]),
    ]
    assert fetched.next_fetch_offset == 3


def test_a_consumer_without_partitions_has_nothing_to_seek() -> None:
    async def seek() -> None:
        consumer = AIOKafkaConsumer("topic", group_id="group")
        with pytest.raises(AssertionError):  # what ended a spare worker
            await consumer.seek_to_committed()
        assert await transport._seek_to_committed(consumer) == {}
        await consumer.stop()

    asyncio.run(seek())
