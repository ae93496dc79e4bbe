"""Partitioners are recognized from keys and partitions, and never by chance."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from stream.doctor.partitioners import fnv1a, recognized
from stream.intake.partition import partition_of

_KEYS = [f"seller-{number}".encode() for number in range(60)]


def _placed(hashed: Callable[[bytes], int], partitions: int) -> list[tuple[bytes, int]]:
    return [(key, hashed(key) % partitions) for key in _KEYS]


def test_the_hash_of_sarama_and_kafka_go() -> None:
    # From Sarama's tests of its hash partitioner: FNV-1a of these bytes has the sign bit, and counts as absolute.
    assert fnv1a(b"") == (1 << 32) - 0x811C9DC5
    assert fnv1a(b"foobar") == (1 << 32) - 0xBF9CF968
    assert fnv1a(b"fo") == 0x6222E842


@pytest.mark.parametrize(("hashed", "name"), [(zlib.crc32, "CRC32"), (fnv1a, "FNV-1a")])
def test_other_clients(hashed: Callable[[bytes], int], name: str) -> None:
    found = recognized(_placed(hashed, 12), 12)
    assert found is not None
    assert found[0].startswith(name)
    assert "murmur2_random" in found[1]


def test_a_topic_that_was_extended() -> None:
    found = recognized([(key, partition_of(key, 4)) for key in _KEYS], 12)
    assert found is not None
    assert found[0] == "Kafka's default over 4 partitions: the topic has been extended to 12 since"


def test_keys_in_several_partitions() -> None:
    found = recognized([*_placed(zlib.crc32, 12), (_KEYS[0], (zlib.crc32(_KEYS[0]) + 1) % 12)], 12)
    assert found is not None
    assert found[0].startswith("none:")


def test_an_unknown_partitioner_and_too_few_keys_are_not_guessed() -> None:
    assert recognized([(key, len(key) * 7 % 12 if number % 2 else 3) for number, key in enumerate(_KEYS)], 12) is None
    assert recognized(_placed(zlib.crc32, 12)[:7], 12) is None
    assert recognized(_placed(zlib.crc32, 1), 1) is None
