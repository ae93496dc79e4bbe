"""The parts of Kafka that a task depends on, in memory: partitions, transactions, fencing, one group's offsets.

Invariant: only this module decides which records a consumer reads. With read_committed, a consumer reads no record of
an open or aborted transaction, and none at or after the first record of an open transaction (the last stable offset).
The end of a transaction takes one offset in every partition that it wrote to, as Kafka's markers do. A consumer whose
offset is not in the log continues at its beginning (`auto.offset.reset=earliest`).
"""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from stream.engine.record_limits import InvalidRecordError

Headers = tuple[tuple[str, bytes | None], ...]
Rows = list[tuple[bytes, bytes | None]]


class LogRecord(NamedTuple):
    """A record with the fields that a Kafka client returns; `timestamp` in milliseconds."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int


class FencedError(Exception):
    """A newer producer has the same transactional id, or the coordinator timed the transaction out."""


class TransactionState(enum.Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


class Transaction:
    """The partitions that a producer wrote to, and the group offsets that it commits with them."""

    def __init__(self) -> None:
        self.state = TransactionState.OPEN
        self.partitions: set[TopicPartition] = set()
        self.offsets: dict[TopicPartition, int] = {}


class Partition:
    """Records by offset, each with its transaction; None for a marker and for a record that compaction removed."""

    def __init__(self) -> None:
        self.records: list[tuple[LogRecord | None, Transaction | None]] = []
        #: Records below this offset have expired; they are kept here only to compare results.
        self.beginning = 0
        #: The first offset of each transaction that is open in this partition.
        self.open_transactions: dict[Transaction, int] = {}

    @property
    def last_stable_offset(self) -> int:
        """A read_committed consumer reads only offsets below this one."""
        return min(self.open_transactions.values(), default=len(self.records))

    def append(self, record: LogRecord, transaction: Transaction | None) -> None:
        if transaction is not None:
            self.open_transactions.setdefault(transaction, len(self.records))
        self.records.append((record._replace(offset=len(self.records)), transaction))

    def append_marker(self, transaction: Transaction) -> None:
        """Append the marker that ends a transaction."""
        self.open_transactions.pop(transaction, None)
        self.records.append((None, None))

    def fetch(self, offset: int, max_records: int, read_committed: bool = True) -> tuple[list[LogRecord], int]:
        """Return at most `max_records` records from an offset on, and the offset of the next fetch."""
        if not self.beginning <= offset <= len(self.records):
            offset = self.beginning
        return self._read(offset, max_records, read_committed)

    def _read(self, offset: int, max_records: int, read_committed: bool) -> tuple[list[LogRecord], int]:
        found: list[LogRecord] = []
        end = self.last_stable_offset if read_committed else len(self.records)
        while offset < end and len(found) < max_records:
            record, transaction = self.records[offset]
            offset += 1
            visible = not read_committed or transaction is None or transaction.state is TransactionState.COMMITTED
            if record is not None and visible:
                found.append(record)
        return found, offset

    def committed(self) -> list[LogRecord]:
        """Return all committed records, also those that have expired."""
        return self._read(0, len(self.records), read_committed=True)[0]

    def expire(self, offset: int) -> None:
        """Let the records below an offset expire, as retention and DeleteRecords do."""
        self.beginning = max(self.beginning, min(offset, self.last_stable_offset))

    def compact(self, tombstones: bool = True) -> None:
        """Keep the latest committed record of each key; remove tombstones too if `tombstones`.

        Kafka removes a tombstone `delete.retention.ms` (a day) after the compaction that removed the key's other rows.
        A reader that began before that compaction still gets the tombstone.
        """
        latest = {record.key: record.offset for record in self.committed()}
        for offset in range(self.last_stable_offset):
            record, _ = self.records[offset]
            if record is not None and (latest.get(record.key) != offset or (tombstones and record.value is None)):
                self.records[offset] = None, None


class Producer:
    """One epoch of a transactional id."""

    def __init__(self, log: Log) -> None:
        self.fenced = False
        self.transaction: Transaction | None = None
        self._log = log

    def begin(self) -> None:
        if self.fenced:
            raise FencedError
        self.transaction = Transaction()

    def send(self, partition: TopicPartition, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        transaction = self._open_transaction()
        transaction.partitions.add(partition)
        self._log.append(partition, key, value, headers, transaction)

    def send_offsets(self, offsets: dict[TopicPartition, int]) -> None:
        self._open_transaction().offsets = offsets

    def commit(self) -> None:
        transaction = self._end(TransactionState.COMMITTED)
        self._log.group_offsets.update(transaction.offsets)

    def abort(self) -> None:
        self._end(TransactionState.ABORTED)

    def _end(self, state: TransactionState) -> Transaction:
        transaction = self._open_transaction()
        transaction.state, self.transaction = state, None
        for partition in sorted(transaction.partitions):
            self._log.partitions[partition].append_marker(transaction)
        return transaction

    def _open_transaction(self) -> Transaction:
        if self.fenced or self.transaction is None:
            raise FencedError
        return self.transaction


class Log:
    """All partitions, the latest producer of each transactional id, and the group's committed offsets."""

    def __init__(self) -> None:
        self.partitions: defaultdict[TopicPartition, Partition] = defaultdict(Partition)
        self.group_offsets: dict[TopicPartition, int] = {}
        self.producers: dict[str, Producer] = {}
        #: Simulated time, epoch seconds: the timestamp of appended records.
        self.now = 0.0
        #: Number of records appended so far; it shows whether a run makes progress.
        self.appended = 0
        #: By topic, how often it was created again.
        self.generations: Counter[str] = Counter()
        #: By topic, the largest record that it takes; and the topics that take no record without a key.
        self.max_bytes: dict[str, int] = {}
        self.keyed: set[str] = set()

    def append(
        self,
        partition: TopicPartition,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        transaction: Transaction | None = None,
    ) -> None:
        """Append a record; without a transaction, as a plain producer does."""
        self.appended += 1
        self.partitions[partition].append(LogRecord(0, key, value, headers, int(self.now * 1000)), transaction)

    def start_producer(self, transactional_id: str) -> Producer:
        """Start a new producer of a transactional id; fence the former one and abort its open transaction."""
        self.fence(transactional_id)
        self.producers[transactional_id] = Producer(self)
        return self.producers[transactional_id]

    def fence(self, transactional_id: str) -> bool:
        """Fence the current producer; the coordinator also does this when a transaction times out.

        Returns:
            Whether a transaction was open.
        """
        former = self.producers.get(transactional_id)
        if former is None:
            return False
        was_open = former.transaction is not None
        if was_open:
            former.abort()
        former.fenced = True
        return was_open

    def topic_id(self, topic: str) -> str:
        """Return the id that Kafka gives this generation of a topic."""
        return f"{topic}/{self.generations[topic]}"

    def create_again(self, topic: str) -> None:
        """Delete a topic with all its records, and create it again."""
        self.generations[topic] += 1
        for partition in self.partitions:
            if partition.topic == topic:
                self.partitions[partition] = Partition()

    def refusal(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> tuple[int, Exception] | None:
        """Return the size of a record and the error with which Kafka refuses it; None if the topic takes it."""
        size = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, list(headers))
        if size > self.max_bytes.get(topic, size):
            return size, MessageSizeTooLargeError()
        return (size, InvalidRecordError()) if key is None and topic in self.keyed else None

    def committed_records(self, topic: str) -> list[LogRecord]:
        """Return all committed records of a topic, partition by partition."""
        partitions = sorted(partition for partition in self.partitions if partition.topic == topic)
        return [record for partition in partitions for record in self.partitions[partition].committed()]
