"""Dead letters that leave out what does not fit, and settlements."""

from __future__ import annotations

import hashlib
import random

import msgspec
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from stream.intake.dead_letters import DeadLetter, LeftOut, fitted, incoming, outgoing
from stream.intake.header_names import LenientBytes, RawName
from stream.intake.settlements import SETTLED, Settled, is_settlement, settlement

LETTER = DeadLetter(
    topic="t", partition=1, offset=2, key=b"k" * 500, value=b"v" * 2000, headers=(("h", b"x" * 1000), ("n", None)),
    reason="too_large", detail="Why.",
)  # fmt: skip


def _size(letter: DeadLetter) -> int:
    key, value, headers = outgoing(letter)
    return len(key or b"") + len(value or b"") + sum(len(name) + len(content or b"") for name, content in headers)


@pytest.mark.parametrize(
    ("max_bytes", "left_out"),
    [
        (10_000, set()),
        (3000, {"value"}),
        (1800, {"value", "headers"}),
        (1000, {"value", "headers", "key"}),
        (10, {"value", "headers", "key"}),
    ],
)
def test_the_largest_parts_are_left_out_until_the_rest_fits(max_bytes: int, left_out: set[str]) -> None:
    found = fitted(LETTER, max_bytes)
    assert set(found.left_out) == left_out
    assert _size(found) <= max_bytes or max_bytes == 10  # the added headers themselves stay
    if "value" in left_out:
        assert found.left_out["value"] == LeftOut(2000, hashlib.sha256(b"v" * 2000).hexdigest())
        assert found.value is None
    if "headers" in left_out:
        assert found.left_out["headers"] == LeftOut(1002, hashlib.sha256(b"h" + b"x" * 1000 + b"n").hexdigest())
    assert incoming(*outgoing(found)) == found
    assert fitted(LETTER, max_bytes) == found


def test_thousands_of_headers_with_names_that_are_not_utf8_fit() -> None:
    headers = tuple((f"\udcff{number}", b"") for number in range(5000))
    found = fitted(msgspec.structs.replace(LETTER, headers=headers), 64 * 1024)
    assert set(found.left_out) == {"headers"}


@pytest.mark.parametrize("key", [b"", b"k", None])
@pytest.mark.parametrize("value", [b"", b"v", None])
def test_every_letter_is_read_as_it_was_written(key: bytes | None, value: bytes | None) -> None:
    names = (
        "plain",
        "\u00e4",
        "\udcff\udcfe",
        RawName("a\udc80"),
        "volteface.left_out",
        "volteface.no_key",
        "",
        "\x00",
    )
    headers = tuple((name, content) for name in names for content in (b"1", None, b""))
    letter = msgspec.structs.replace(LETTER, key=key, value=value, headers=headers)
    for keyed in (False, True):
        sent = outgoing(letter, keyed)
        assert all(name.encode() is not None for name, _ in sent[2]), "each name is UTF-8"
        assert incoming(*sent) == letter
        assert not keyed or sent[0] is not None
        # A dead letter that becomes a dead letter again, with other optional headers.
        second = msgspec.structs.replace(LETTER, headers=sent[2], left_out={"value": LeftOut(1, "a")}, value=None)
        assert incoming(*outgoing(second, keyed)) == second


def test_a_raw_name_gives_its_bytes_back() -> None:
    buffer = LenientBytes(b"..\xff\xfeab..")
    name = buffer[2:6].decode("utf-8")
    assert name.encode("utf-8") == b"\xff\xfeab"
    assert name == "\udcff\udcfeab"
    assert buffer[2] == 0xFF
    assert LenientBytes("ä".encode())[0:2].decode() == "ä"


@pytest.mark.parametrize("name", ["plain", "ä", ""])
def test_a_usual_name_beside_a_raw_one_can_be_sent(name: str) -> None:
    """A whole batch is read leniently if one of its records has a name that is not UTF-8."""
    fetched = LenientBytes(name.encode())[0:].decode("utf-8")
    _, _, headers = outgoing(msgspec.structs.replace(LETTER, headers=((fetched, b"1"),)))
    batch = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10_000)
    assert batch.append(0, 0, b"k", b"v", list(headers)) is not None


def test_settlements_hold_exactly_their_offsets() -> None:
    draw = random.Random(1)
    settled = Settled()
    for _ in range(50):
        offsets = draw.sample(range(200), draw.randint(1, 80))
        found = Settled()
        key, value, headers = settlement(3, offsets)
        found.add(3, value)
        assert {offset for offset in range(250) if (3, offset) in found} == set(offsets)
        assert (2, offsets[0]) not in found
        assert is_settlement(headers)
        assert key == b"settled/3/%d" % min(offsets)
    settled.add(0, b"no JSON")
    settled.add(0, None)
    assert (0, 0) not in settled


def test_a_letter_whose_original_had_the_header_of_a_settlement_is_a_letter() -> None:
    letter = msgspec.structs.replace(LETTER, headers=((SETTLED, b"1"),))
    assert not is_settlement(outgoing(letter)[2])
    assert is_settlement(((SETTLED, b"1"),))
