"""Recognizes the partitioner of a producer from the keys and partitions of its records.

Invariant: pure. A partitioner is named only if it explains every record, and chance is no likely explanation.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from typing import Final

from stream.intake.partition import murmur2

_WORD: Final = 0xFFFFFFFF
_SIGN: Final = 0x80000000
_FNV_BASIS: Final = 0x811C9DC5
_FNV_PRIME: Final = 0x01000193
#: With fewer different keys another partitioner could have chosen the same partitions by chance.
_LEAST_KEYS: Final = 8

#: A record's key and partition.
Placed = tuple[bytes, int]


def fnv1a(key: bytes) -> int:
    """Return the hash of Sarama's and kafka-go's hash partitioner: FNV-1a, as an absolute signed number."""
    hashed = _FNV_BASIS
    for byte in key:
        hashed = (hashed ^ byte) * _FNV_PRIME & _WORD
    return (1 << 32) - hashed if hashed & _SIGN else hashed


def _kafka(key: bytes) -> int:
    return murmur2(key) & 0x7FFFFFFF


_HASHES: Final[dict[str, Callable[[bytes], int]]] = {
    "CRC32, the default of librdkafka (Python's confluent-kafka, Go, Node, .NET, Rust clients)": zlib.crc32,
    "FNV-1a, the default of Sarama and kafka-go": fnv1a,
}
_ADVICE: Final = "Set partitioner=murmur2_random (librdkafka), or the Java client's default partitioner"


def recognized(records: Collection[Placed], partitions: int) -> tuple[str, str] | None:
    """Return which partitioner put the records where they are, and what to change.

    Args:
        records: Key and partition of records; those of right partitions included.
        partitions: The topic's number of partitions.

    Returns:
        None if no known partitioner explains all of them.
    """
    placed = set(records)
    if len({key for key, _ in placed}) < _LEAST_KEYS or partitions == 1:
        return None
    for name, hashed in _HASHES.items():
        if all(hashed(key) % partitions == partition for key, partition in placed):
            return name, f"{_ADVICE}; then `volteface dlq replay` sends the refused records to their partitions."
    for fewer in range(partitions - 1, 0, -1):
        if all(_kafka(key) % fewer == partition for key, partition in placed):
            return (
                f"Kafka's default over {fewer} partitions: the topic has been extended to {partitions} since",
                "Feed the events again to new topics (docs/partitioning.md).",
            )
    if any(len({where for key, where in placed if key == each}) > 1 for each, _ in placed):
        return "none: records of one key are in several partitions", f"{_ADVICE}; it must be the same for all records."
    return None
