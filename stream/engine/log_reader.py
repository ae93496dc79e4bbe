"""Reads what a task needs of its logs before it continues: the state, ends and offsets, and what lies before records.

Invariant: nothing is written, and no group is joined.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.config import KafkaSettings, Settings
from stream.core.messages.reports import AGGREGATOR, DayReport
from stream.core.messages.wire import decode_message
from stream.engine.kafka_auth import consumer_connection
from stream.engine.log_check import Log
from stream.engine.record_limits import MAX_RECORD_BYTES
from stream.engine.records import app_id_header

#: The longest time for a look at what lies before the first delivered records.
_CHECK_SECONDS: Final = 30
_BATCH: Final = 5000


class LogReader:
    """Reads the logs of one task.

    Args:
        settings: All settings.
        kafka: How to reach Kafka.
        partition: The task's partition number.
    """

    def __init__(self, settings: Settings, kafka: KafkaSettings, partition: int) -> None:
        self._settings = settings
        self._kafka = kafka
        self._partition = partition

    async def rows(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]:
        """Yield the committed rows of the state, from the beginning of its topic to its present end, in batches."""
        tp = TopicPartition(self._settings.state_topic, self._partition)
        async with self._consumer(max_partition_fetch_bytes=MAX_RECORD_BYTES) as consumer:
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            async for records in _batches(consumer, tp, (await consumer.end_offsets([tp]))[tp]):
                yield [(record.key, record.value) for record in records]

    async def logs(self) -> tuple[list[Log], int]:
        """Return the task's partition of each topic that it reads, and where the log of its state begins."""
        state = TopicPartition(self._settings.state_topic, self._partition)
        partitions = [TopicPartition(topic, self._partition) for topic in self._settings.read_topics]
        # Uncommitted, so that the ends are those of the logs and not of their finished transactions.
        async with self._consumer(group_id=self._settings.app_id, isolation_level="read_uncommitted") as consumer:
            consumer.assign(partitions)
            beginnings = await consumer.beginning_offsets([*partitions, state])
            ends = await consumer.end_offsets(partitions)
            committed = [await consumer.committed(tp) for tp in partitions]
        logs = [
            Log(tp.topic, tp.partition, beginnings[tp], ends[tp], offset)
            for tp, offset in zip(partitions, committed, strict=True)
        ]
        return logs, beginnings[state]

    async def has_reported(self) -> bool:
        """Return whether the evidence topic holds a report of the task that the aggregator has not read.

        A task without a state has sent none, unless its state and the group's offsets were deleted. `volteface state
        rebuild` sets the group's offset behind all reports.
        """
        tp = TopicPartition(self._settings.evidence_topic, AGGREGATOR)
        async with self._consumer(group_id=self._settings.app_id) as consumer:
            consumer.assign([tp])
            committed = await consumer.committed(tp)
            beginning, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
            consumer.seek(tp, min(max(beginning, committed or 0), end))
            async for records in _batches(consumer, tp, end):
                if any(self._is_report(record) for record in records):
                    return True
        return False

    def _is_report(self, record: Any) -> bool:
        if app_id_header(self._settings) not in record.headers:
            return False
        try:
            message = decode_message(record.value or b"")
        except msgspec.DecodeError:
            return False
        return isinstance(message, DayReport) and message.reporter == self._partition

    async def passed_over(self, offsets: Sequence[int], firsts: Mapping[int, int]) -> dict[str, str]:
        """Return the topics with records between the task's offset and the first delivered one: "5 instead of 6".

        Transaction markers may lie there, and the places of records that have expired.

        Args:
            offsets: The next offset of each topic in `Settings.read_topics`.
            firsts: By the topic's number, the offset of the first delivered record.
        """
        found: dict[str, str] = {}
        async with self._consumer() as consumer, asyncio.timeout(_CHECK_SECONDS):
            for stream, first in firsts.items():
                tp = TopicPartition(self._settings.read_topics[stream], self._partition)
                consumer.assign([tp])
                consumer.seek(tp, offsets[stream])
                async for records in _batches(consumer, tp, first, most=1):
                    if records[0].offset < first:
                        found[tp.topic] = f"{offsets[stream]} instead of {first}"
                    break
        return found

    @asynccontextmanager
    async def _consumer(self, isolation_level: str = "read_committed", **options: Any) -> AsyncIterator[Any]:
        consumer = AIOKafkaConsumer(
            **consumer_connection(self._kafka), isolation_level=isolation_level, enable_auto_commit=False,
            auto_offset_reset="earliest", **options,
        )  # fmt: skip
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()


async def _batches(
    consumer: AIOKafkaConsumer, tp: TopicPartition, end: int, most: int = _BATCH
) -> AsyncIterator[list[Any]]:
    """Yield the committed records from the consumer's position up to an offset, and perhaps some behind it.

    A transaction marker takes an offset, so the last record's offset may never be end - 1; the position reaches the end
    all the same.
    """
    while await consumer.position(tp) < end:
        for records in (await consumer.getmany(timeout_ms=200, max_records=most)).values():
            yield records
