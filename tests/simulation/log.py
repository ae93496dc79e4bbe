"""Kafka as far as a task can tell: partitions, transactions, fencing, committed offsets of one group; in memory.

Rule of this room: what a reader may see is decided here and nowhere else. Read committed means: nothing of a
transaction that is open or was aborted, and nothing behind the first record of an open one (the last stable offset).
The end of a transaction takes an offset in every partition that it wrote to, as Kafka's markers do.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from typing import NamedTuple

Headers = tuple[tuple[str, bytes | None], ...]
Rows = list[tuple[bytes, bytes | None]]


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Entry(NamedTuple):
    """A record as the client gives it."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int


class FencedError(Exception):
    """A younger producer has the same transactional id, or the coordinator gave the transaction up."""


class Fate(enum.Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


class Transaction:
    """What a producer does together."""

    def __init__(self) -> None:
        self.fate = Fate.OPEN
        self.places: set[Place] = set()
        self.offsets: dict[Place, int] = {}


class Partition:
    """Entries by offset, each with its transaction; None for a marker and for what was compacted away."""

    def __init__(self) -> None:
        self.entries: list[tuple[Entry | None, Transaction | None]] = []
        #: The first offset of each transaction that is open here.
        self.open: dict[Transaction, int] = {}

    @property
    def stable(self) -> int:
        """The last stable offset: up to here a reader may go."""
        return min(self.open.values(), default=len(self.entries))

    def append(self, entry: Entry, transaction: Transaction | None) -> None:
        if transaction is not None:
            self.open.setdefault(transaction, len(self.entries))
        self.entries.append((entry._replace(offset=len(self.entries)), transaction))

    def end(self, transaction: Transaction) -> None:
        """The marker."""
        self.open.pop(transaction, None)
        self.entries.append((None, None))

    def fetch(self, offset: int, most: int, committed: bool = True) -> tuple[list[Entry], int]:
        """Up to so many records from an offset on, and the offset to go on from."""
        found: list[Entry] = []
        end = self.stable if committed else len(self.entries)
        while offset < end and len(found) < most:
            entry, transaction = self.entries[offset]
            offset += 1
            if entry is not None and (not committed or transaction is None or transaction.fate is Fate.COMMITTED):
                found.append(entry)
        return found, offset

    def compact(self) -> None:
        """Keep the latest committed record of each key; of a tombstone nothing."""
        latest = {entry.key: entry.offset for entry in self.fetch(0, len(self.entries))[0]}
        for offset in range(self.stable):
            entry, _ = self.entries[offset]
            if entry is not None and (latest.get(entry.key) != offset or entry.value is None):
                self.entries[offset] = None, None


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

    def send(self, place: Place, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        transaction = self._in_transaction()
        transaction.places.add(place)
        self._log.append(place, key, value, headers, transaction)

    def send_offsets(self, offsets: dict[Place, int]) -> None:
        self._in_transaction().offsets = offsets

    def commit(self) -> None:
        transaction = self._end(Fate.COMMITTED)
        self._log.group.update(transaction.offsets)

    def abort(self) -> None:
        self._end(Fate.ABORTED)

    def _end(self, fate: Fate) -> Transaction:
        transaction = self._in_transaction()
        transaction.fate, self.transaction = fate, None
        for place in sorted(transaction.places):
            self._log.partitions[place].end(transaction)
        return transaction

    def _in_transaction(self) -> Transaction:
        if self.fenced or self.transaction is None:
            raise FencedError
        return self.transaction


class Log:
    """All partitions, the producers of all transactional ids, and what the group has committed."""

    def __init__(self) -> None:
        self.partitions: defaultdict[Place, Partition] = defaultdict(Partition)
        self.group: dict[Place, int] = {}
        self.producers: dict[str, Producer] = {}
        #: Simulated time, epoch seconds: the timestamp of what is appended.
        self.now = 0.0
        #: Records appended so far, to tell whether anything moves.
        self.appended = 0

    def append(
        self,
        place: Place,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        transaction: Transaction | None = None,
    ) -> None:
        """Write a record, outside of any transaction if none is given."""
        self.appended += 1
        self.partitions[place].append(Entry(0, key, value, headers, int(self.now * 1000)), transaction)

    def open(self, name: str) -> Producer:
        """A new producer of a transactional id; the former one is fenced, and what it had open is aborted."""
        self.expire(name)
        self.producers[name] = Producer(self)
        return self.producers[name]

    def expire(self, name: str) -> bool:
        """Fence the producer; whether a transaction was open. The coordinator does so when one takes too long."""
        former = self.producers.get(name)
        if former is None:
            return False
        was_open = former.transaction is not None
        if was_open:
            former.abort()
        former.fenced = True
        return was_open

    def all_of(self, topic: str) -> list[Entry]:
        """All that a reader of a topic may see, partition by partition."""
        places = sorted(place for place in self.partitions if place.topic == topic)
        return [entry for place in places for entry in self.partitions[place].fetch(0, 1 << 60)[0]]
