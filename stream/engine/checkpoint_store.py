"""A task's checkpoints in Kafka: one transaction for each, read back at a restore.

Invariant: rows, alerts, dead letters, messages and offsets are committed together or not at all. Opening the store
fences the previous owner of the task: its commits fail from then on.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple

import faust
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

from stream.config import KafkaSettings, Settings
from stream.engine.checkpoint import Checkpoint
from stream.engine.deciding_settings import check_member, deciding_settings
from stream.engine.group_members import settings_of_members
from stream.engine.kafka_auth import connection, partitions_of
from stream.engine.log_check import GroupOffsetsError, LogError, Start, check, foreign_offsets
from stream.engine.log_reader import LogReader
from stream.engine.record_limits import MAX_RECORD_BYTES, REFUSALS, RecordLimits, WriteError
from stream.engine.refusals import MissingTopicError, named_refusals
from stream.intake.partition import partition_of
from stream.rights import Operation, refusal_of

#: Key, value and headers of a record.
_KeyValueHeaders = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
#: Rows have no headers.
_NO_HEADERS: Final[list[tuple[str, bytes | None]]] = []
_size_of: Final = DefaultRecordBatchBuilder.estimate_size_in_bytes
#: The time for a group's coordinator to show the offsets of a transaction that has just ended.
_OFFSETS_SECONDS: Final = 1
#: Answers to a batch that are not about its topic.
_ABOUT_THE_PRODUCER: Final = (ProducerFenced, TransactionalIdAuthorizationFailed)
#: The size of a batch; a single record may be larger.
_BATCH_BYTES: Final = 1024 * 1024


def credentials(kafka: KafkaSettings) -> Any:
    """Return Faust's credentials for these settings; None for a plain connection."""
    arguments = connection(kafka)
    if kafka.security_protocol == "SSL":
        return faust.SSLCredentials(arguments["ssl_context"])
    if "sasl_oauth_token_provider" in arguments:
        return faust.OAuthCredentials(
            oauth_cb=arguments["sasl_oauth_token_provider"], ssl_context=arguments.get("ssl_context")
        )
    if kafka.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=arguments["sasl_plain_username"], password=arguments["sasl_plain_password"],
            mechanism=kafka.sasl_mechanism, ssl_context=arguments.get("ssl_context"),
        )  # fmt: skip
    return None


class _Sent(NamedTuple):
    """A batch on its way: its number of records and its size in bytes."""

    topic: str
    partition: int
    records: int
    size_bytes: int
    acknowledged: asyncio.Future[Any]


class KafkaCheckpointStore:
    """The checkpoints of one partition number.

    Args:
        partition: The partition number.
        settings: All settings.
        kafka: How to reach Kafka.
        limits: What the topics take; shared by all tasks of the worker.
        topic_ids: Returns the present ids of the topics that the task reads, and of the state topic.
    """

    def __init__(
        self,
        partition: int,
        settings: Settings,
        kafka: KafkaSettings,
        limits: RecordLimits,
        topic_ids: Callable[[], Awaitable[Mapping[str, str]]],
    ) -> None:
        self.limits = limits
        self._partition = partition
        self._settings = settings
        self._kafka = kafka
        self._topic_ids = topic_ids
        self._reader = LogReader(settings, kafka, partition)
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Start the transactional producer, which aborts the previous owner's transaction and fences that owner.

        Raises:
            MissingRightsError: Kafka's user may not write under this transactional id.
            SettingsError: The transaction timeout is beyond the brokers' limit.
        """
        self._producer = AIOKafkaProducer(
            **connection(self._kafka),
            transactional_id=f"{self._settings.app_id}-{self._partition}",
            transaction_timeout_ms=int(self._settings.transaction_timeout_seconds * 1000),
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            max_request_size=MAX_RECORD_BYTES,
        )
        with self._named("Write"):
            await self._producer.start()

    def _named(self, operation: Operation) -> AbstractContextManager[None]:
        return named_refusals(self._settings, self._kafka, operation)

    async def read(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]:
        """Yield the committed rows from the beginning of the state topic to its present end, in batches.

        Raises:
            LookupError: The state topic lacks this partition.
            MissingRightsError: Kafka's user may not read it.
        """
        with self._named("Read"):
            await self._check(TopicPartition(self._settings.state_topic, self._partition))
            async for rows in self._reader.rows():
                yield rows

    async def _check(self, tp: TopicPartition) -> None:
        """Raise LookupError if the state topic lacks this partition."""
        assert self._producer is not None, "open() comes first"
        found = await partitions_of(self._producer, tp.topic)
        if not found:
            raise MissingTopicError(tp.topic)
        if tp.partition not in found:
            raise LookupError(f"topic {tp.topic} has no partition {tp.partition}: see `volteface topics check`")

    async def topic_ids(self) -> Mapping[str, str]:
        """Return the present ids of the topics that the task reads and of the state topic, as far as they are known."""
        return await self._topic_ids()

    async def check_logs(self, offsets: list[int] | None, *, at_checkpoint: bool) -> Start:
        """Compare the task's offsets with the topics that it reads, and with the group's offsets.

        Args:
            offsets: The next offset of each topic in `Settings.read_topics`; None if the task has no state.
            at_checkpoint: Whether they are those of the last checkpoint: the group's are then the same.

        Raises:
            LogError: The state does not belong to the topics.
            DifferentMemberError: There is no state yet, and another worker of the group has other settings.
            GroupOffsetsError: The group's offsets were not the task's; they are set to them now.
            MissingRightsError: Kafka's user may not read the topics or the group's offsets.
        """
        with self._named("Read"):
            return await self._check_logs(offsets, at_checkpoint)

    async def _check_logs(self, offsets: list[int] | None, at_checkpoint: bool) -> Start:
        if offsets is None:
            for others in await settings_of_members(self._kafka, self._settings.app_id):
                check_member(others, deciding_settings(self._settings))
        logs, state_beginning = await self._reader.logs()
        try:
            start = check(offsets, logs, len(self._settings.input_topics), self._settings.state_topic)
            if offsets is None:
                await self._check_first_start()
        except LogError:
            # A worker that was frozen amid a restore compares an old state with the offsets of the next owner. It is
            # fenced, so this commit, which changes nothing, fails, and the worker does not tell of a lost state.
            await self.commit(Checkpoint([], [], [log.committed or 0 for log in logs]))
            raise
        start = start._replace(state_beginning=state_beginning)
        if offsets is None:
            return start
        foreign = foreign_offsets(offsets, start, logs, at_checkpoint=at_checkpoint)
        if foreign and not foreign_offsets(offsets, start, logs, at_checkpoint=False):
            # All are behind: the coordinator may not show the last transaction's offsets yet.
            await asyncio.sleep(_OFFSETS_SECONDS)
            foreign = foreign_offsets(offsets, start, (await self._reader.logs())[0], at_checkpoint=at_checkpoint)
        if foreign:
            await self.commit(Checkpoint([], [], start.offsets))
            raise GroupOffsetsError(foreign)
        return start

    async def _check_first_start(self) -> None:
        """Raise LogError if a task without a state has had one."""
        if await self._reader.has_reported():
            raise LogError(
                f"topic {self._settings.state_topic} has no state of partition {self._partition}, but topic "
                f"{self._settings.evidence_topic} holds reports of its task: the state and the group's offsets were "
                "deleted, and the reports would count twice"
            )

    async def check_delivered(self, offsets: list[int], firsts: Mapping[int, int]) -> None:
        """Check that no record lies between the task's offset and the first one that was delivered.

        Args:
            offsets: The next offset of each topic in `Settings.read_topics`.
            firsts: By the topic's number, the offset of the first delivered record.

        Raises:
            GroupOffsetsError: The consumer began at another offset; the group's offsets are set back now.
        """
        missed = await self._reader.passed_over(offsets, firsts)
        if missed:
            await self.commit(Checkpoint([], [], offsets))
            raise GroupOffsetsError(missed)

    async def commit(self, checkpoint: Checkpoint) -> None:
        """Commit a checkpoint as one transaction.

        Raises:
            WriteError: A topic did not take its records; nothing is committed.
            MissingTopicError: A topic does not exist; nothing is committed.
            MissingRightsError: Kafka's user may not write to a topic; nothing is committed.
            KafkaError: The transaction failed; nothing is committed.
        """
        with self._named("Write"):
            await self._commit(checkpoint)

    async def _commit(self, checkpoint: Checkpoint) -> None:
        producer = self._producer
        assert producer is not None, "open() comes first"
        sent: list[_Sent] = []
        try:
            async with producer.transaction():
                for (topic, partition), records in (await self._by_partition(checkpoint)).items():
                    await self._send_batches(topic, partition, records, sent)
                offsets = {
                    TopicPartition(name, self._partition): offset
                    for name, offset in zip(self._settings.read_topics, checkpoint.offsets, strict=True)
                }
                await producer.send_offsets_to_transaction(offsets, self._settings.app_id)
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
            self.limits.learn(refused)
            raise refused from error

    async def _by_partition(self, checkpoint: Checkpoint) -> dict[tuple[str, int], list[_KeyValueHeaders]]:
        """Group the rows and the records by topic and partition."""
        assert self._producer is not None, "open() comes first"
        found: defaultdict[tuple[str, int], list[_KeyValueHeaders]] = defaultdict(list)
        if checkpoint.rows:
            found[self._settings.state_topic, self._partition] = [(*row, _NO_HEADERS) for row in checkpoint.rows]
        for record in checkpoint.records:
            partition = record.partition
            if partition is None:
                count = await self._count_of(record.topic)
                partition = self._partition % count if record.key is None else partition_of(record.key, count)
            found[record.topic, partition].append((record.key, record.value, record.headers))
        return found

    async def _count_of(self, topic: str) -> int:
        """Return a topic's number of partitions; raise MissingTopicError if the client does not find it in time."""
        assert self._producer is not None, "open() comes first"
        try:
            return len(await self._producer.partitions_for(topic))
        except UnknownTopicOrPartitionError:  # it does not name the topic
            raise MissingTopicError(topic) from None

    async def _send_batches(
        self, topic: str, partition: int, records: list[_KeyValueHeaders], sent: list[_Sent]
    ) -> None:
        """Send records in whole batches: one by one, sending would cost more than the core."""
        assert self._producer is not None, "open() comes first"
        limit = self.limits.max_bytes(topic)
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
        assert self._producer is not None, "open() comes first"
        records, size = batch.record_count(), batch.size()
        acknowledged = await self._producer.send_batch(batch, topic, partition=partition)
        return _Sent(topic, partition, records, size, acknowledged)

    async def close(self) -> None:
        """Stop the producer."""
        if self._producer is not None:
            await self._producer.stop()


def _refused(sent: list[_Sent]) -> WriteError | None:
    """Return the first refusal among sent batches; one for the batch's own sake comes first, one for another's last."""
    failed: list[WriteError] = []
    for topic, partition, records, size, acknowledged in sent:
        if acknowledged.done() and not acknowledged.cancelled() and (cause := acknowledged.exception()) is not None:
            failed.append(WriteError(topic, partition, records, size, cause))
    failed.sort(key=lambda error: (not isinstance(error.cause, REFUSALS), isinstance(error.cause, InvalidTxnState)))
    return failed[0] if failed else None
