"""Batched transport: a Faust transport that hands on one message per partition and fetch, its value the records.

Rule of this room: nothing but transport. Stock Faust spends over 100 us an event on machinery per message; a batch
pays it once. Offsets are committed by the tasks' transactions, so Faust's own commits are switched off. Registered
under the entry-point group `faust.transports` as `batched`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple, cast

import aiokafka
from aiokafka.consumer import fetcher
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage


class _Fetched(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka ships no types
    """Hands on a record as it was unpacked: aiokafka's own copy of it costs more than the unpacking (1 us)."""

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        return record


# The one place where aiokafka 0.14 can be told what a record is: its fetcher finds the class by this name.
fetcher.PartitionRecords = _Fetched


class Batch(NamedTuple):
    """Records of one partition, in offset order."""

    topic: str
    partition: int
    records: list[Any]


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust ships no types
    """Reads committed records only, and assigns by range: equal partition numbers lie on one worker."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        self._assignor = RangePartitionAssignor
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset=conf.consumer_auto_offset_reset,
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=200,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            isolation_level="read_committed",
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def on_thread_stop(self) -> None:
        """Stop the client.

        Where Kafka is away, aiokafka's fetcher ends in the cancellation of its own requests. Let out of here, that
        would end the thread before it says so, and Faust would wait for it for a minute.
        """
        with contextlib.suppress(asyncio.CancelledError):
            await super().on_thread_stop()


class Consumer(driver.Consumer):  # type: ignore[misc]  # Faust ships no types
    """Yields batches, and knows whether a partition has been read to its end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: The group's generation, and the next offset, of what was handed on last.
        self._handed_on: dict[TP, tuple[int, int]] = {}

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109  # Faust's
        """One message per partition that has records."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            # What was just assigned may be revoked while this seeks; let out of here that would end the worker, and
            # the next assignment seeks again.
            with contextlib.suppress(IllegalStateError):
                await self.perform_seek()
            return
        for tp, batch in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is None or tp in active or tp in self._buffered_partitions:
                self._handed_on[tp] = generation, batch[-1].offset + 1
                yield tp, _message(tp, batch, generation)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets between batches are no gap."""

    async def _commit_offsets(self, *args: Any, **kwargs: Any) -> bool:
        return True

    async def verify_all_partitions_active(self) -> None:
        """Faust's check counts its own acks, which are not used; lag is a metric instead."""

    def tail(self, tp: TP) -> tuple[int | None, int | None, int]:
        """(position, end, next offset handed on) of a partition, as the client knows them.

        What was handed on before a rebalance is not counted: it went to a task that is no more.
        """
        client = self._thread._consumer
        if client is None or tp not in client.assignment():
            return None, None, 0
        state = client._subscription.subscription.assignment.state_value(aiokafka.TopicPartition(*tp))
        position = state.position if state.has_valid_position else None
        generation, handed_on = self._handed_on.get(tp, (None, 0))
        return position, state.highwater, handed_on if generation == self.app.consumer_generation_id else 0

    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]:
        """How many partitions each topic has, 0 where it is not known.

        Faust's own `topic_partitions` asks the coordinator's snapshot, which only the group's leader has.
        """
        client = self._thread._ensure_consumer()
        return {topic: len(client.partitions_for_topic(topic) or ()) for topic in topics}

    def connected(self) -> bool:
        """Whether a broker is connected; one that does not answer in time is not for long.

        Looked at, not asked: calls to the client's thread wait in one queue, and an outage would fill it.
        """
        client = self._thread._consumer
        return client is not None and any(each.connected() for each in list(client._client._conns.values()))

    async def rejoin(self) -> None:
        """Leave the present assignment and ask the group for a new one."""
        client = self._thread._ensure_consumer()
        await self._thread.call_thread(_request_rejoin, client)


async def _request_rejoin(client: aiokafka.AIOKafkaConsumer) -> None:
    # Without partitions nothing else would look at the topics again before `metadata_max_age_ms`, five minutes. Not
    # awaited: calls wait in one queue, and Kafka may be away.
    client._client.force_metadata_update()
    client._coordinator.request_rejoin()


def _message(tp: TP, batch: list[Any], generation: int) -> ConsumerMessage:
    last = batch[-1]
    value = Batch(tp.topic, tp.partition, batch)
    return ConsumerMessage(
        tp.topic, tp.partition, last.offset, last.timestamp / 1000, last.timestamp_type, None, None, value,
        None, 0, 0, tp, generation_id=generation,
    )  # fmt: skip


class Transport(driver.Transport):  # type: ignore[misc]  # Faust ships no types
    """Kafka through aiokafka, in batches."""

    Consumer = cast(Any, Consumer)
