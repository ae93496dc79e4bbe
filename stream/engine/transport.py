"""Batched transport: a Faust transport with one message for each partition and fetch.

The message's value is the list of fetched records: Faust spends over 100 us on each message, here once for a batch.
The transport is registered as `batched` in the entry-point group `faust.transports`.

Invariant: transport only. The tasks' transactions commit offsets, so Faust's own commits are switched off.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

import aiokafka
import faust
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor as Assignor
from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from stream.config import SettingsError
from stream.engine import fetched_records
from stream.engine.idle_streams import Tail
from stream.rights import REFUSALS

#: How often the membership is renewed, and the time until a refused fetch is repeated.
_EVERY_SECONDS: Final = 1

#: Of a server's start; Kafka's clients give errors of their own for a broker that is away.
_ADDRESS_ERRORS: Final = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)

fetched_records.install()


class Batch(NamedTuple):
    """Records of one partition, in offset order."""

    topic: str
    partition: int
    records: list[Any]


class App(faust.App):  # type: ignore[misc]  # Faust ships no types
    """A Faust application that names a port in use. Its assignor shares the group's partitions out."""

    group_assignor: type[Assignor]
    #: Whether to compare records with their checksums: the mock's transaction markers have none.
    check_crcs: bool = True
    #: The rack of this machine, from whose replicas records are read.
    client_rack: str | None = None
    #: The setting with the port of the web pages.
    port_variable: str = "VOLTEFACE_WEB_PORT"
    #: Called with the error that ends the start, if a person can correct it.
    on_fatal: Callable[[Exception], None]

    async def start(self) -> None:
        """Start the consumer and the web server.

        Raises:
            SettingsError: /metrics cannot be served at the configured address.
        """
        try:
            await super().start()
        except OSError as error:
            if error.errno not in _ADDRESS_ERRORS:
                raise
            fatal = SettingsError(
                f"{self.port_variable}={self.conf.web_port} cannot be used at VOLTEFACE_WEB_HOST={self.conf.web_bind}: "
                f"{os.strerror(error.errno)}; set another one: two processes on one machine need different ports"
            )
            self.on_fatal(fatal)
            raise fatal from None


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust ships no types
    """Reads committed records only. Its assignor gives one member equal partition numbers of all topics."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        self._assignor = self.app.group_assignor
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            client_rack=self.app.client_rack,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
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
            check_crcs=self.app.check_crcs,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> dict[TP, list[Any]]:
        """Take records from the client, and note at once that they are on their way: its positions are behind them."""
        records: dict[TP, list[Any]] = await super()._fetch_records(*args, **kwargs)
        self.consumer.note_taken(records)
        return records

    async def seek_to_committed(self) -> dict[TP, int]:
        """Seek the assigned partitions to the group's offsets; a worker without partitions has nothing to seek."""
        found: dict[TP, int] = await self.call_thread(_seek_to_committed, self._ensure_consumer())
        return found

    def stay_in_group(self) -> None:
        """Keep the membership; called as long as the worker's event loop makes progress.

        aiokafka leaves the group when nothing was fetched for `max_poll_interval_ms`, and then never joins it again
        (aio-libs/aiokafka#1187). A worker without partitions, or whose partitions are all paused, fetches nothing, and
        no worker fetches while a rebalance waits for Kafka. None of these is idle.
        """
        if self._consumer is not None:
            # A plain assignment, because another thread runs the client.
            self._consumer._subscription._last_fetch_ended = time.monotonic()

    async def on_thread_stop(self) -> None:
        """Stop the client.

        While Kafka is away, aiokafka's fetcher ends with the cancellation of its own requests. If that exception left
        this method, the thread would end without notice and Faust would wait a minute for it.
        """
        with contextlib.suppress(asyncio.CancelledError):
            await super().on_thread_stop()


class Consumer(driver.Consumer):  # type: ignore[misc]  # Faust ships no types
    """Yields batches, and reports how far each partition has been read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: By partition, the group's generation and the offset after the last record that was taken from the client.
        self._taken: dict[TP, tuple[int, int]] = {}

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109  # Faust's
        """Yield one message for each partition that has records."""
        try:
            records, active = await self._wait_next_records(timeout)
        except REFUSALS as error:
            # The client fetches again. The exception would end the worker, although the right may be given later.
            await self.transport.on_refusal(error)
            await self.sleep(_EVERY_SECONDS)
            return
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            # A partition may be revoked while this seeks. The exception would end the worker; the next assignment
            # seeks again.
            with contextlib.suppress(IllegalStateError):
                await self.perform_seek()
            return
        for tp, batch in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is None or tp in active or tp in self._buffered_partitions:
                yield tp, _message(tp, batch, generation)

    async def perform_seek(self) -> None:
        """Seek to the group's offsets. If Kafka refuses them, the group assigns again, and that seeks again."""
        try:
            await super().perform_seek()
        except IllegalStateError:  # a partition was revoked meanwhile: no refusal
            raise
        except KafkaError as error:
            await self.transport.on_refusal(error)
            await self.rejoin()

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: offsets between batches are no gap."""

    async def _commit_offsets(self, *args: Any, **kwargs: Any) -> bool:
        return True

    async def verify_all_partitions_active(self) -> None:
        """Do nothing: Faust's check counts its own acks, which are not used. Lag is a metric instead."""

    def note_taken(self, records: Mapping[TP, list[Any]]) -> None:
        """Note records that were taken from the client; its thread calls this."""
        generation = self.app.consumer_generation_id
        self._taken.update({tp: (generation, batch[-1].offset + 1) for tp, batch in records.items() if batch})

    def tail(self, tp: TP) -> Tail:
        """Return what the client knows about the end of a partition.

        Records from before a rebalance are not counted as taken: they went to a task that has ended.
        """
        client = self._thread._consumer
        if client is None or tp not in client.assignment():
            return Tail()
        state = client._subscription.subscription.assignment.state_value(aiokafka.TopicPartition(*tp))
        position = state.position if state.has_valid_position else None
        generation, taken = self._taken.get(tp, (None, 0))
        is_present = generation == self.app.consumer_generation_id
        return Tail(position, state.highwater, taken if is_present else 0, state.timestamp)

    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]:
        """Return each topic's number of partitions, 0 if it is unknown.

        Faust's own `topic_partitions` asks the coordinator's snapshot, which only the group's leader has.
        """
        client = self._thread._ensure_consumer()
        return {topic: len(client.partitions_for_topic(topic) or ()) for topic in topics}

    def connected(self) -> bool:
        """Return whether a broker is connected; the client closes a connection that does not answer in time.

        This reads the client's state directly: a call to its thread would wait in a queue that an outage fills.
        """
        client = self._thread._consumer
        return client is not None and any(each.connected() for each in list(client._client._conns.values()))

    @driver.Consumer.task  # type: ignore[untyped-decorator]  # Faust ships no types
    async def _keep_membership(self) -> None:
        """Keep the membership while the event loop makes progress, and report what the group refuses.

        After an error the client waits until somebody has taken it, and then tries again. Faust takes none.
        """
        while not self.should_stop:
            self._thread.stay_in_group()
            client = self._thread._consumer
            coordinator = None if client is None else client._coordinator
            if coordinator is not None and coordinator._pending_exception is not None:
                await self.transport.on_refusal(coordinator._pending_exception)
                self._thread.thread_loop.call_soon_threadsafe(_resume_coordination, coordinator)
            await self.sleep(_EVERY_SECONDS)

    async def rejoin(self) -> None:
        """Leave the present assignment and ask the group for a new one."""
        client = self._thread._ensure_consumer()
        await self._thread.call_thread(_request_rejoin, client)


async def _seek_to_committed(client: aiokafka.AIOKafkaConsumer) -> dict[TP, int]:
    # Without partitions the client's own method fails with an AssertionError, which would end the worker.
    partitions = client.assignment()
    return await client.seek_to_committed(*partitions) if partitions else {}


async def _request_rejoin(client: aiokafka.AIOKafkaConsumer) -> None:
    # Without assigned partitions the client would not refresh its metadata for `metadata_max_age_ms`, five minutes. The
    # refresh is not awaited: calls wait in one queue, and Kafka may be away.
    client._client.force_metadata_update()
    client._coordinator.request_rejoin()


def _resume_coordination(coordinator: Any) -> None:
    with contextlib.suppress(KafkaError):
        coordinator.check_errors()
    # A heartbeat that was refused is the end of the heartbeats: they begin again with the next assignment.
    coordinator.request_rejoin()


def _message(tp: TP, batch: list[Any], generation: int) -> ConsumerMessage:
    last = batch[-1]
    value = Batch(tp.topic, tp.partition, batch)
    return ConsumerMessage(
        tp.topic, tp.partition, last.offset, last.timestamp / 1000, last.timestamp_type, None, None, value,
        None, 0, 0, tp, generation_id=generation,
    )  # fmt: skip


class Transport(driver.Transport):  # type: ignore[misc]  # Faust ships no types
    """Kafka through aiokafka, in batches.

    Attributes:
        on_refusal: Called with what Kafka refuses: the group's membership, or the reading of a topic.
    """

    on_refusal: Callable[[KafkaError], Awaitable[None]]

    Consumer = cast(Any, Consumer)
