"""Follows the topics of cases, alerts and verdicts into the read model.

Invariant: only committed records, and each batch in one transaction with its positions. Topics that were created again
have another id: then the rows are thrown away and read again.
"""

from __future__ import annotations

import datetime as dt
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from stream.config import KafkaSettings, Settings
from stream.console.source.read_model import ReadModel
from stream.console.source.rows import Changes, RecordedEvent
from stream.contract.events import VERDICTS, CaseEvent
from stream.intake.refusal import Refused
from stream.ops.cases import key_of
from stream.ops.client import connection, consumer_connection
from stream.ops.input_records import InputRecords
from stream.ops.market_time import MarketTime, market_time, shift_of
from stream.ops.missing_topics import advice
from stream.ops.output_records import NotACaseError, NotAnAlertError, OutputRecords
from stream.ops.topic_reader import place

log = logging.getLogger(__name__)

_POLL_MS: Final = 200
#: The most records of one transaction of the read model.
_MAX_RECORDS: Final = 5_000
_RETRY_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 3.0
#: How often the topics' ends, and their ids, are asked for.
_ENDS_SECONDS: Final = 2.0
_IDS_SECONDS: Final = 20.0
#: How often the market's time is asked for.
_MARKET_SECONDS: Final = 20.0


class Follower:
    """A thread that reads the topics.

    Args:
        settings, kafka: Which topics, and how to reach Kafka.
        read_model: Where rows go.
        on_change: Called in the thread with the ids of the cases that a batch has changed.

    Attributes:
        problem: Why nothing can be read at present, as a line for a person; None if all is well.
        lag: Records that wait to be read.
        refused: Records that are none of the contract.
    """

    def __init__(
        self,
        settings: Settings,
        kafka: KafkaSettings,
        read_model: ReadModel,
        on_change: Callable[[Sequence[str]], None],
    ) -> None:
        self._settings, self._kafka = settings, kafka
        self._read_model, self._on_change = read_model, on_change
        self._outputs, self._inputs = OutputRecords(settings), InputRecords(settings)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self.problem: str | None = "the topics are being read for the first time"
        read_model.on_damage = self._on_damage
        self.lag = 0
        self.refused = 0
        #: When the ends were asked for that have been read last (`time.monotonic`).
        self._complete_at = float("-inf")
        self._begun_at = time.monotonic()
        #: The market's time, and when it was asked for (`time.monotonic`).
        self._market: MarketTime | None = None
        self._market_at = float("-inf")

    @property
    def topics(self) -> tuple[str, str, str]:
        """The topics that it reads."""
        return self._settings.cases_topic, self._settings.alerts_topic, self._settings.verdicts_topic

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until the thread has ended; not for long, because Kafka may not answer."""
        self._stop.set()
        self._thread.join(_STOP_SECONDS)

    def complete_since(self, at: float) -> bool:
        """Return whether everything that was written before a time (`time.monotonic`) is in the read model."""
        return self._complete_at > at

    def behind_seconds(self) -> float:
        """Return the time since the read model was complete; since the start if it was not yet."""
        return time.monotonic() - max(self._complete_at, self._begun_at)

    def market_now(self) -> dt.datetime:
        """Return the present time in the market's event time, which is the clock's unless the market is replayed."""
        latest, now = self._read_model.latest(), dt.datetime.now(dt.UTC)
        shift = dt.timedelta() if latest is None else shift_of(*latest)
        if latest is None or not shift:
            return now
        market = self._market
        if market is None or not market.shift or not market.is_reached:
            return now + shift
        return max(now + market.shift, latest[0])

    def _on_damage(self) -> None:
        self.problem = "the file of the cases was damaged: it is built again"
        log.warning("%s", self.problem)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except (KafkaError, LookupError, OSError) as error:
                self.problem = str(error) if isinstance(error, LookupError) else f"Kafka cannot be read: {error}"
                log.warning("%s", self.problem)
                self._stop.wait(_RETRY_SECONDS)
            except sqlite3.DatabaseError as error:
                log.warning("the read model has failed: %s", error)
                self._stop.wait(_RETRY_SECONDS)
            except Exception:
                self.problem = "the read model has failed; see the log"
                log.exception("follower_failed")
                self._stop.wait(_RETRY_SECONDS)

    def _follow(self) -> None:
        """Read until the topics are no longer those that were there at the start.

        1. Throw the rows away if they follow from other topics, and the file if it is damaged.
        2. Go on at the stored positions.
        3. Write each batch with its positions, then report what changed.
        """
        origin = self._topic_ids()
        if self._read_model.damaged:
            self._read_model.renew()
        self._read_model.begin_from(origin)
        consumer = KafkaConsumer(
            **consumer_connection(self._kafka), isolation_level="read_committed", auto_offset_reset="earliest",
            enable_auto_commit=False, fetch_max_bytes=16 * 2**20, max_partition_fetch_bytes=4 * 2**20,
            check_crcs=not self._kafka.mock,  # the mock's transaction markers have no checksum
        )  # fmt: skip
        with closing(consumer):
            partitions = self._partitions(consumer)
            consumer.assign(partitions)
            positions = self._read_model.positions()
            asked_at = ids_at = time.monotonic()
            ends = consumer.end_offsets(partitions)
            for tp in partitions:
                stored = positions.get((tp.topic, tp.partition))
                if stored is None:
                    consumer.seek_to_beginning(tp)
                else:
                    consumer.seek(tp, stored)
            while not self._stop.is_set() and not self._read_model.damaged:
                polled = consumer.poll(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
                next_offsets = {(tp.topic, tp.partition): consumer.position(tp) for tp in partitions}
                self._apply([record for records in polled.values() for record in records], next_offsets)
                self.lag = sum(max(ends[tp] - next_offsets[tp.topic, tp.partition], 0) for tp in partitions)
                if self.lag == 0:
                    self.problem, self._complete_at = None, asked_at
                self._ask_for_market_time()
                if time.monotonic() - ids_at > _IDS_SECONDS:
                    ids_at = time.monotonic()
                    if self._topic_ids() != origin:
                        log.warning("a topic was created again: cases are read anew")
                        return
                if time.monotonic() - asked_at > _ENDS_SECONDS:
                    asked_at = time.monotonic()
                    ends = consumer.end_offsets(partitions)

    def _ask_for_market_time(self) -> None:
        """Ask for the time of a replayed market, now and then, once all cases are read."""
        if self.lag or time.monotonic() - self._market_at < _MARKET_SECONDS:
            return
        latest = self._read_model.latest()
        if latest is None:
            return
        try:
            self._market = market_time(self._settings, self._kafka, *latest)
        except KafkaError as error:
            log.warning("the time of the market cannot be read: %s", error)
        self._market_at = time.monotonic()

    def _topic_ids(self) -> dict[str, str]:
        if self._kafka.mock:  # it gives no ids
            return dict.fromkeys(self.topics, "")
        with closing(KafkaAdminClient(**connection(self._kafka))) as admin:
            found = {topic["name"]: topic for topic in admin.describe_topics(list(self.topics))}
        for name in self.topics:
            error = found[name]["error_code"] if name in found else UnknownTopicOrPartitionError.errno
            if error == TopicAuthorizationFailedError.errno:
                raise LookupError(f"Kafka's user may not read topic {name}: it needs the right Read")
            if error:
                raise LookupError(f"topic {name} does not exist: {advice([])}")
        return {name: str(found[name]["topic_id"]) for name in self.topics}

    def _partitions(self, consumer: Any) -> list[TopicPartition]:
        found: list[TopicPartition] = []
        for topic in self.topics:
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise LookupError(f"topic {topic} does not exist: {advice([])}")
            found += [TopicPartition(topic, number) for number in sorted(numbers)]
        return found

    def _apply(self, records: Sequence[Any], next_offsets: dict[tuple[str, int], int]) -> None:
        """Write what some records say; without records the positions stay, because markers alone change nothing."""
        if not records:
            return
        changes = Changes({}, [], [], next_offsets)
        for record in records:
            try:
                self._add(changes, record)
            except (NotACaseError, NotAnAlertError, Refused) as error:
                self.refused += 1
                log.warning("%s, is passed over: %s", place(record), error)
        self._read_model.write(changes)
        changed = {*changes.cases, *(found.event.case_id for found in changes.events)}
        if changed:
            self._on_change(sorted(changed))

    def _add(self, changes: Changes, record: Any) -> None:
        if record.topic == self._settings.cases_topic:
            name = key_of(record)
            is_forgotten = record.value is None
            changes.cases[name] = (
                None if is_forgotten else (self._outputs.case(name, record.value), record.timestamp / 1000)
            )
        elif record.topic == self._settings.alerts_topic:
            changes.alerts.append(self._outputs.alert(record.value))
        else:
            event = self._inputs.decode_value(VERDICTS, record.value, tuple(record.headers))
            assert isinstance(event, CaseEvent), "the decoder of this stream returns no other"
            at = dt.datetime.fromtimestamp(record.timestamp / 1000, dt.UTC)
            changes.events.append(RecordedEvent(event, record.partition, record.offset, at))
