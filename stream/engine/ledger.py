"""A task's ledger on Kafka: what it reads to come back, and the one transaction that a checkpoint is.

Rule of this room: rows, alerts, dead letters and offsets move together or not at all. Opening the ledger fences
whoever had the task before; from then on the predecessor's commits fail.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, Final

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream.config import KafkaSettings, Settings
from stream.engine.access import connection, partitions_of
from stream.engine.records import Checkpoint

#: Key, value and headers of a record.
_Plain = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
#: The headers of a row.
_BARE: Final[list[tuple[str, bytes | None]]] = []
_BATCH: Final = 5000
#: Records that travel together; a single one may be larger.
_BATCH_BYTES: Final = 1024 * 1024
#: A row or a dead letter may be as large; the broker's topics are made for it.
_MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024


def credentials(kafka: KafkaSettings) -> Any:
    """Faust's credentials for these settings; None for a plain connection."""
    arguments = connection(kafka)
    if kafka.security_protocol == "SSL":
        return faust.SSLCredentials(arguments["ssl_context"])
    if kafka.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=arguments["sasl_plain_username"], password=arguments["sasl_plain_password"],
            mechanism=kafka.sasl_mechanism, ssl_context=arguments.get("ssl_context"),
        )  # fmt: skip
    return None


class KafkaLedger:
    """The ledger of one partition number."""

    def __init__(self, partition: int, settings: Settings, kafka: KafkaSettings) -> None:
        self._partition = partition
        self._settings = settings
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Start the transactional producer; this aborts and fences the task's former owner."""
        self._producer = AIOKafkaProducer(
            **connection(self._kafka),
            transactional_id=f"{self._settings.app_id}-{self._partition}",
            transaction_timeout_ms=15_000,
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            max_request_size=_MAX_REQUEST_BYTES,
        )
        await self._producer.start()

    async def read(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]:
        """The committed changelog from its beginning to its present end, in batches."""
        tp = TopicPartition(self._settings.state_topic, self._partition)
        await self._check(tp)
        consumer = AIOKafkaConsumer(
            **connection(self._kafka), isolation_level="read_committed", enable_auto_commit=False,
            max_partition_fetch_bytes=_MAX_REQUEST_BYTES,
        )  # fmt: skip
        await consumer.start()
        try:
            consumer.assign([tp])
            await consumer.seek_to_beginning(tp)
            end = (await consumer.end_offsets([tp]))[tp]
            # Transaction markers take offsets: the last record's offset need not be end - 1, but position gets there.
            while await consumer.position(tp) < end:
                fetched = await consumer.getmany(timeout_ms=200, max_records=_BATCH)
                for records in fetched.values():
                    yield [(record.key, record.value) for record in records]
        finally:
            await consumer.stop()

    async def _check(self, tp: TopicPartition) -> None:
        """Raises where the partition is not there."""
        assert self._producer is not None, "open() comes first"
        if tp.partition not in await partitions_of(self._producer, tp.topic):
            raise LookupError(f"topic {tp.topic} has no partition {tp.partition}: see `volteface topics check`")

    async def commit(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint as one transaction; raises where any part of it could not be written."""
        producer = self._producer
        assert producer is not None, "open() comes first"
        async with producer.transaction():
            sent: list[Any] = []
            for (topic, partition), records in self._by_partition(checkpoint).items():
                sent += await _send_batches(producer, topic, partition, records)
            for record in checkpoint.records:
                if record.partition is None:
                    sent.append(await producer.send(record.topic, record.value, record.key, headers=record.headers))
            offsets = {
                TopicPartition(name, self._partition): offset
                for name, offset in zip(self._settings.read_topics, checkpoint.offsets, strict=True)
            }
            await producer.send_offsets_to_transaction(offsets, self._settings.app_id)
            await asyncio.gather(*sent)  # the commit itself does not tell of a record that was refused

    def _by_partition(self, checkpoint: Checkpoint) -> dict[tuple[str, int], list[_Plain]]:
        """The rows, and what else goes to a partition that is known."""
        found: defaultdict[tuple[str, int], list[_Plain]] = defaultdict(list)
        if checkpoint.rows:
            found[self._settings.state_topic, self._partition] = [(*row, _BARE) for row in checkpoint.rows]
        for record in checkpoint.records:
            if record.partition is not None:
                found[record.topic, record.partition].append((record.key, record.value, record.headers))
        return found

    async def close(self) -> None:
        """Let go of the producer."""
        if self._producer is not None:
            await self._producer.stop()


async def _send_batches(
    producer: AIOKafkaProducer, topic: str, partition: int, records: list[_Plain]
) -> list[asyncio.Future[Any]]:
    """Records as whole batches: sent one by one they would cost more than what they hold took to work out."""
    sent: list[asyncio.Future[Any]] = []
    batch = producer.create_batch()
    for key, value, headers in records:
        if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:  # full
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)
    sent.append(await producer.send_batch(batch, topic, partition=partition))
    return sent
