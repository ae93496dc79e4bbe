"""Writes records and the group's offsets as one Kafka transaction, for one task.

Invariant: what one `commit` gets is committed together or not at all. Opening the writer fences the previous owner of
the task: its commits fail from then on.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    InvalidTxnState,
    KafkaError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import OffsetAndMetadata

from stream.config import KafkaSettings, Settings
from stream.engine.kafka_auth import connection, partitions_of
from stream.engine.record_limits import MAX_RECORD_BYTES, REFUSALS, RecordLimits, WriteError
from stream.engine.records import Record
from stream.engine.refusals import MissingTopicError, named_refusals
from stream.intake.partition import partition_of
from stream.rights import refusal_of

#: Key, value and headers of a record.
KeyValueHeaders = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
_size_of: Final = DefaultRecordBatchBuilder.estimate_size_in_bytes
#: Answers to a batch that are not about its topic.
_ABOUT_THE_PRODUCER: Final = (ProducerFenced, TransactionalIdAuthorizationFailed)
#: The size of a batch; a single record may be larger.
_BATCH_BYTES: Final = 1024 * 1024


class _Sent(NamedTuple):
    """A batch on its way: its number of records and its size in bytes."""

    topic: str
    partition: int
    records: int
    size_bytes: int
    acknowledged: asyncio.Future[Any]


class TransactionalWriter:
    """The transactions of one task.

    Args:
        partition: The task's partition number.
        settings: All settings; `app_id` is the group and the first part of the transactional id.
        kafka: How to reach Kafka.
        limits: What the topics take; shared by all tasks of the process.
    """

    def __init__(self, partition: int, settings: Settings, kafka: KafkaSettings, limits: RecordLimits) -> None:
        self._partition = partition
        self._settings = settings
        self._kafka = kafka
        self._limits = limits
        self._open_producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Start the transactional producer, which aborts the previous owner's transaction and fences that owner.

        Raises:
            MissingRightsError: Kafka's user may not write under this transactional id.
            SettingsError: The transaction timeout is beyond the brokers' limit.
        """
        self._open_producer = AIOKafkaProducer(
            **connection(self._kafka),
            transactional_id=f"{self._settings.app_id}-{self._partition}",
            transaction_timeout_ms=int(self._settings.transaction_timeout_seconds * 1000),
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            max_request_size=MAX_RECORD_BYTES,
        )
        with self._named():
            await self._producer.start()

    async def partitions_of(self, topic: str) -> set[int]:
        """Return a topic's partitions, none if it is missing."""
        return await partitions_of(self._producer, topic)

    async def commit(
        self,
        records: Iterable[Record],
        offsets: Mapping[TopicPartition, int | OffsetAndMetadata],
        rows: tuple[str, list[KeyValueHeaders]] | None = None,
    ) -> None:
        """Commit records and offsets as one transaction.

        Args:
            records: For any topics. Without a partition, the key decides it; without both, the task's number.
            offsets: The group's offsets.
            rows: A topic, and records for the task's own partition of it.

        Raises:
            WriteError: A topic did not take its records; nothing is committed.
            MissingTopicError: A topic does not exist; nothing is committed.
            MissingRightsError: Kafka's user may not write to a topic; nothing is committed.
            KafkaError: The transaction failed; nothing is committed.
        """
        with self._named():
            await self._commit(records, offsets, rows)

    async def _commit(
        self,
        records: Iterable[Record],
        offsets: Mapping[TopicPartition, int | OffsetAndMetadata],
        rows: tuple[str, list[KeyValueHeaders]] | None,
    ) -> None:
        sent: list[_Sent] = []
        # Before the transaction begins: the client looks for a missing topic for longer than a transaction may last.
        by_partition = await self._by_partition(records)
        if rows is not None:
            by_partition[rows[0], self._partition] = rows[1]
        try:
            async with self._producer.transaction():
                for (topic, partition), its in by_partition.items():
                    await self._send_batches(topic, partition, its, sent)
                await self._producer.send_offsets_to_transaction(offsets, self._settings.app_id)
                # The commit itself does not fail for a refused record.
                await asyncio.gather(*(batch.acknowledged for batch in sent))
        except KafkaError as error:
            refused = _refused(sent)
            if refused is None:
                raise
            if refusal_of(error) is not None and not isinstance(refused.cause, TopicAuthorizationFailedError):
                raise  # Kafka refused another topic, or the offsets: the batches on their way failed with it
            if isinstance(refused.cause, _ABOUT_THE_PRODUCER):
                raise refused.cause from error
            if isinstance(refused.cause, TopicAuthorizationFailedError):
                raise TopicAuthorizationFailedError(refused.topic) from error
            self._limits.learn(refused)
            raise refused from error

    async def _by_partition(self, records: Iterable[Record]) -> dict[tuple[str, int], list[KeyValueHeaders]]:
        """Group records by topic and partition."""
        found: defaultdict[tuple[str, int], list[KeyValueHeaders]] = defaultdict(list)
        counts: dict[str, int] = {}
        for topic, key, value, headers, partition in records:
            number = partition
            if number is None:
                if topic not in counts:
                    counts[topic] = await self._count_of(topic)
                number = self._partition % counts[topic] if key is None else partition_of(key, counts[topic])
            found[topic, number].append((key, value, headers))
        return found

    async def _count_of(self, topic: str) -> int:
        """Return a topic's number of partitions; raise MissingTopicError if the client does not find it in time."""
        try:
            return len(await self._producer.partitions_for(topic))
        except UnknownTopicOrPartitionError:  # it does not name the topic
            raise MissingTopicError(topic) from None

    async def _send_batches(
        self, topic: str, partition: int, records: list[KeyValueHeaders], sent: list[_Sent]
    ) -> None:
        """Send records in whole batches: one by one, sending would cost more than the core."""
        limit = self._limits.max_bytes(topic)
        small = limit < _BATCH_BYTES  # otherwise the batch itself knows when it is full
        batch = self._producer.create_batch()
        for key, value, headers in records:
            full = small and batch.record_count() and batch.size() + _size_of(key, value, headers) > limit
            if full or batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                sent.append(await self._send_batch(batch, topic, partition))
                batch = self._producer.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=headers)
        sent.append(await self._send_batch(batch, topic, partition))

    async def _send_batch(self, batch: Any, topic: str, partition: int) -> _Sent:
        records, size = batch.record_count(), batch.size()
        acknowledged = await self._producer.send_batch(batch, topic, partition=partition)
        return _Sent(topic, partition, records, size, acknowledged)

    async def close(self) -> None:
        """Stop the producer."""
        if self._open_producer is not None:
            await self._open_producer.stop()

    @property
    def _producer(self) -> AIOKafkaProducer:
        assert self._open_producer is not None, "open() comes first"
        return self._open_producer

    def _named(self) -> AbstractContextManager[None]:
        return named_refusals(self._settings, self._kafka, "Write")


def _refused(sent: list[_Sent]) -> WriteError | None:
    """Return the first refusal among sent batches; one for the batch's own sake comes first, one for another's last."""
    failed: list[WriteError] = []
    for topic, partition, records, size, acknowledged in sent:
        if acknowledged.done() and not acknowledged.cancelled() and (cause := acknowledged.exception()) is not None:
            failed.append(WriteError(topic, partition, records, size, cause))
    failed.sort(key=lambda error: (not isinstance(error.cause, REFUSALS), isinstance(error.cause, InvalidTxnState)))
    return failed[0] if failed else None
