"""Header names that are not UTF-8 are read by the worker's client, without losing a byte."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka import codec as codecs
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from stream.engine.fetched_records import FetchedRecords, _KeptRecords

_READ_COMMITTED = 1


def _batch(base_offset: int, names: list[str], codec: int, producer_id: int = -1) -> bytes:
    builder = DefaultRecordBatchBuilder(
        2, codec, is_transactional=producer_id >= 0, producer_id=producer_id, producer_epoch=0, base_sequence=0,
        batch_size=1 << 20,
    )  # fmt: skip
    for number, name in enumerate(names):
        builder.append(number, 1000, key=b"k%d" % number, value=b"v" * 100, headers=[(name, b"1"), ("none", None)])
    data = bytearray(builder.build())
    data[:8] = base_offset.to_bytes(8, "big")
    return bytes(data)


def _fetched(data: bytes, offset: int, aborted: list[tuple[int, int]] | None = None) -> list[Any]:
    tp = TopicPartition("t", 0)
    # Checksums are not compared: the batch was changed after its builder had computed it.
    return list(FetchedRecords(tp, _KeptRecords(data), aborted, offset, None, None, False, _READ_COMMITTED))


def _spoiled(batch: bytes) -> bytes:
    return batch.replace(b"BAD", b"\xff\x00\xe9")


def test_names_that_are_not_utf8_keep_their_bytes() -> None:
    data = _batch(5, ["a", "b"], 0) + _spoiled(_batch(7, ["\u00e4", "BAD", "c"], 0)) + _batch(10, ["d"], 0)
    found = _fetched(data, 6)
    assert [record.offset for record in found] == [6, 7, 8, 9, 10]
    names = [record.headers[0][0] for record in found]
    assert [name.encode(errors="surrogateescape") for name in names] == [
        b"b", "\u00e4".encode(), b"\xff\x00\xe9", b"c", b"d",
    ]  # fmt: skip
    assert all(
        (record.key[:1], record.value, record.headers[1]) == (b"k", b"v" * 100, ("none", None)) for record in found
    )
    assert all(type(each) is bytes for record in found for each in (record.key, record.value, record.headers[0][1]))


def test_several_such_fetches_and_records_are_read() -> None:
    data = b"".join(_spoiled(_batch(offset, ["BAD", "BAD"], 0)) for offset in (0, 2, 4))
    assert [record.offset for record in _fetched(data, 0)] == list(range(6))


def test_an_aborted_transaction_before_such_a_name_stays_unread() -> None:
    data = _batch(0, ["aborted"], 0, producer_id=7) + _spoiled(_batch(1, ["BAD"], 0)) + _batch(2, ["x"], 0, 7)
    assert [record.offset for record in _fetched(data, 0, [(7, 0)])] == [1]


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_such_names_are_read_from_compressed_batches(codec: int) -> None:
    # A compressed batch cannot be spoiled afterwards: the name has equal length, and is spoiled before compression.
    plain = bytearray(_spoiled(_batch(0, ["a", "BAD"], 0)))
    encode = {1: codecs.gzip_encode, 2: codecs.snappy_encode, 3: codecs.lz4_encode, 4: codecs.zstd_encode}[codec]
    body = encode(bytes(plain[61:]))
    plain[61:] = body
    plain[8:12] = (len(plain) - 12).to_bytes(4, "big")
    plain[21:23] = codec.to_bytes(2, "big")
    found = _fetched(bytes(plain), 0)
    assert [record.headers[0][0] for record in found] == ["a", "\udcff\x00\udce9"]
