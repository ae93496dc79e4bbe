"""The transport hands on records as aiokafka's fetcher unpacked them, without a copy of each."""

from __future__ import annotations

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecord, DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from stream.engine import transport


def test_the_fetcher_makes_our_records() -> None:
    assert fetcher.PartitionRecords is transport._Fetched
    assert "PartitionRecords" in fetcher.Fetcher._proc_fetch_request.__code__.co_names  # found by name, at each fetch


def test_a_record_is_handed_on_as_it_was_unpacked() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1024)
    for offset in range(3):
        builder.append(offset, 1000 + offset, b"key", b"value %d" % offset, [("name", b"content")])
    records = MemoryRecords(bytes(builder.build()))
    fetched = fetcher.PartitionRecords(TopicPartition("topic", 0), records, [], 1, None, None, True, 1)
    found = list(fetched)
    assert all(type(record) is DefaultRecord for record in found)
    assert [(one.offset, one.timestamp, one.key, one.value, one.headers) for one in found] == [
        (1, 1001, b"key", b"value 1", [("name", b"content")]),
        (2, 1002, b"key", b"value 2", [("name", b"content")]),
    ]
    assert fetched.next_fetch_offset == 3
