"""Producers of the input: plain ones, and transactional ones that abort some transactions.

Invariant: every record of a market becomes visible exactly once, in its stream's order, whatever other records lie
between.
"""

from __future__ import annotations

import zlib
from random import Random
from typing import Final

from aiokafka import TopicPartition

from stream.config import Settings
from stream.core.messages.wire import APP_ID_HEADER
from stream.intake.header_names import RawName
from tests.simulation.input_markets import InputMarket, InputRecord
from tests.simulation.kafka_log import Headers, Log

_TRANSACTIONAL_ID: Final = "a-producer"
#: The value of a record decides which of these it has.
_HEADERS: Final[tuple[Headers, ...]] = (
    (),
    (("trace", b"t" * 4000),),
    (("none", None), ("empty", b""), ("twice", b"1"), ("twice", b"2")),
    ((RawName("\udcff\udcfe"), b"\x00\xff"), ("__streams.errors.offset", b"7")),
)


class Feed:
    """Appends a market to the log, batch by batch."""

    def __init__(self, market: InputMarket, log: Log, settings: Settings, chance: Random) -> None:
        #: Number of records sent.
        self.sent = 0
        #: The latest event time that was sent, epoch seconds.
        self.latest = 0.0
        self._market = market
        self._log = log
        self._settings = settings
        self._chance = chance

    @property
    def finished(self) -> bool:
        return self.sent == len(self._market.records)

    def add_foreign_messages(self) -> None:
        """Append records of other applications to the evidence topic, and an invalid one with our application's id."""
        ours = ((APP_ID_HEADER, self._settings.app_id.encode()),)
        for number in range(self._market.partition_count):
            partition = TopicPartition(self._settings.evidence_topic, number)
            self._log.append(partition, b"k", b'{"type":"day"}', ((APP_ID_HEADER, b"another"),))
            self._log.append(partition, None, None)
            self._log.append(partition, None, b"garbage", ours)

    def send(self, max_records: int) -> None:
        """Send the next records, at most `max_records`."""
        batch = self._market.records[self.sent : self.sent + max_records]
        self.sent += len(batch)
        self.latest = max(self.latest, *(record.at for record in batch))
        if self._chance.random() < 0.3:
            if self._chance.random() < 0.5:
                self._send_in_transaction(batch, commit=False)
            self._send_in_transaction(batch, commit=True)
        else:
            for record in batch:
                self._log.append(self._partition(record), record.key, record.value, _headers(record))

    def send_again(self, stream: int) -> None:
        """Send all records of a stream that were sent so far, because its topic was created again."""
        for record in self._market.records[: self.sent]:
            if record.stream == stream:
                self._log.append(self._partition(record), record.key, record.value, _headers(record))

    def _send_in_transaction(self, batch: list[InputRecord], commit: bool) -> None:
        producer = self._log.start_producer(_TRANSACTIONAL_ID)
        producer.begin()
        for record in batch:
            producer.send(self._partition(record), record.key, record.value, _headers(record))
        if commit:
            producer.commit()
        else:
            producer.abort()

    def _partition(self, record: InputRecord) -> TopicPartition:
        return TopicPartition(self._settings.input_topics[record.stream], record.partition)


def _headers(record: InputRecord) -> Headers:
    return _HEADERS[zlib.crc32(record.value or b"") % len(_HEADERS)]
