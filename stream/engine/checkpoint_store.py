"""A task's checkpoints in Kafka: one transaction for each, read back at a restore.

Invariant: rows, alerts, dead letters, messages and offsets are committed together or not at all. Opening the store
fences the previous owner of the task: its commits fail from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final

from aiokafka import TopicPartition

from stream.config import KafkaSettings, Settings
from stream.engine.checkpoint import Checkpoint
from stream.engine.deciding_settings import check_member, deciding_settings
from stream.engine.group_members import settings_of_members
from stream.engine.log_check import GroupOffsetsError, LogError, Start, check, foreign_offsets
from stream.engine.log_reader import LogReader
from stream.engine.record_limits import RecordLimits
from stream.engine.refusals import MissingTopicError, named_refusals
from stream.engine.transactional_writer import KeyValueHeaders, TransactionalWriter
from stream.rights import Operation

#: Rows have no headers.
_NO_HEADERS: Final[list[tuple[str, bytes | None]]] = []
#: The time for a group's coordinator to show the offsets of a transaction that has just ended.
_OFFSETS_SECONDS: Final = 1


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
        self._writer = TransactionalWriter(partition, settings, kafka, limits)

    async def open(self) -> None:
        """Start the transactional producer, which aborts the previous owner's transaction and fences that owner.

        Raises:
            MissingRightsError: Kafka's user may not write under this transactional id.
            SettingsError: The transaction timeout is beyond the brokers' limit.
        """
        await self._writer.open()

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
        found = await self._writer.partitions_of(tp.topic)
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
        offsets = {
            TopicPartition(name, self._partition): offset
            for name, offset in zip(self._settings.read_topics, checkpoint.offsets, strict=True)
        }
        rows: list[KeyValueHeaders] = [(*row, _NO_HEADERS) for row in checkpoint.rows]
        await self._writer.commit(checkpoint.records, offsets, (self._settings.state_topic, rows) if rows else None)

    async def close(self) -> None:
        """Stop the producer."""
        await self._writer.close()
