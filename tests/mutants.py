"""Mutated records for fuzz tests: seeded mutations of the bytes, fields, keys and partitions of valid events.

A mutant may still be valid; the tests decide. A document is a list of pairs of raw JSON texts, so that it can hold
input that no encoder writes: a repeated name, NaN, bytes that are not UTF-8.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Final, NamedTuple

from stream.contract.events import STREAMS

Pairs = list[tuple[bytes, bytes]]

#: For each input stream, in the order of `events.STREAMS`: fields of its event types besides ids and times.
_KINDS: Final[tuple[tuple[dict[str, object], ...], ...]] = (
    (
        {"type": "review.created", "product_id": "p-1", "rating": 1, "verified_purchase": True, "marketplace": "DE"},
        {"type": "review.edited", "product_id": "p-1", "rating": 5, "previous_rating": 1},
        {"type": "review.deleted", "product_id": "p-1", "deleted_by": "platform", "actor_id": "a-1", "rating": 2},
        {"type": "seller.linked", "link_id": "l-1", "relation": "owner"},
    ),
    ({"type": "outreach.sent", "channel": "gift_card", "incentive_value": 10.5, "currency": "EUR"},),
    ({"type": "contact.accessed", "actor_id": "a-1", "purpose": "a call"},),
)
_DATES: Final = (
    "2024-02-30T00:00:00Z", "2024-05-01", "2024-05-01T24:00:00Z", "2024-05-01T10:00:60Z", "2024-05-01 10:00:00Z",
    "2024-05-01T10:00:00", "2024-05-01T10:00:00+25:00", "2024-05-01T10:00:00+0000", "2024-05-01t10:00:00z",
    "2024-05-01T10:00:00.1234567890Z", "2024-05-01T10:00:00.999999999Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00+23:59", "2999-12-31T23:59:59-23:59", "3000-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "0000-01-01T00:00:00Z", "+2024-05-01T10:00:00Z", "-2024-05-01T10:00:00Z", "٢٠٢٤-05-01T10:00:00Z", "2024-W18-3",
    "2024-05-01T10:00:00Z\n", " 2024-05-01T10:00:00Z", "2024-05-01T10:00:00[UTC]", "1714557600", "now", "",
)  # fmt: skip
_TEXTS: Final = (
    "", " ", "a b", "a\u00a0b", "a\u2028b", "\ufeffa", "a\u0000b", "a\nb", "x" * 64, "x" * 65, "x" * 128, "x" * 129,
    "é" * 128, "\U0001f600" * 129, "jane.doe@example.com", "+49 170 1234567", "555-123-4567", "a@b", "null", "DE",
    "a\u202eb", "a\u2066b\u2069", "a\u200db", "\u061c",
    "usd", "review.created", "outreach.sent", "contact.accessed", "seller.linked", "review.vanished", "author",
    "message", "owner", *_DATES,
)  # fmt: skip
_RAW: Final = (
    b"null", b"true", b"false", b"0", b"-0", b"1", b"5", b"6", b"-1", b"1.0", b"4.999999999999999999",
    b"5.0000000001", b"0.1e1", b"1e0", b"1e400", b"-1e400", b"1e308", b"1e-400", b"9" * 25, b"9" * 5000,
    b"-" + b"9" * 400, b"1" + b"0" * 400, b"18446744073709551615", b"18446744073709551616", b"-9223372036854775809",
    b"NaN", b"Infinity", b"-Infinity", b"nan", b"01", b"+1", b"1.", b".5", b"0x10", b"1_000", b"[]", b"{}", b"[1]",
    b'["a"]', b'{"a":1}', b'{"type":"review.created"}', b"[" * 3000, b"[" * 3000 + b"]" * 3000,
    b'{"a":' * 1500 + b"1" + b"}" * 1500, b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\\x41"', b'"\xff\xfe"',
    b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\x01"', b'"open', b"", b"'a'", b"undefined",
)  # fmt: skip


#: The fields of each event type.
_FIELDS_OF_TYPE: Final = {
    str(kind.__struct_config__.tag): frozenset(kind.__struct_fields__) for kinds in STREAMS.values() for kind in kinds
}


class Mutant(NamedTuple):
    """A record for an input stream; with `partition` None it goes to the partition of its key."""

    stream: int
    key: bytes | None
    value: bytes | None
    partition: int | None = None


def mutants(seed: int, count: int) -> Iterator[Mutant]:
    """Yield `count` mutants, the same for the same seed."""
    chance = Random(seed)
    for number in range(count):
        yield _mutant(chance, f"{seed}-{number}")


def valid_event(chance: Random, name: str, stream: int) -> dict[str, object]:
    """Return a valid event."""
    event = {
        **chance.choice(_KINDS[stream]),
        "event_id": f"e-{name}",
        "occurred_at": f"2024-0{chance.randint(1, 4)}-{chance.randint(10, 28)}T{chance.randint(10, 23)}:30:00Z",
        "seller_id": f"s-{chance.randrange(40)}",
        "reviewer_id": f"u-{chance.randrange(1000)}",
        "review_id": f"r-{chance.randrange(10_000)}",
    }
    known = {"type", *_FIELDS_OF_TYPE[str(event["type"])]}
    return {name: value for name, value in event.items() if name in known}


def _mutant(chance: Random, name: str) -> Mutant:
    stream = chance.randrange(len(_KINDS))
    event = valid_event(chance, name, stream)
    key: bytes | None = str(event["seller_id"]).encode()
    value: bytes | None = _mutated_value(chance, event)
    kind = chance.random()
    if kind < 0.03:
        key = chance.choice((None, b"", b"s-41", b"S-1", chance.randbytes(8), (key or b"") + b"\x00"))
    elif kind < 0.035:
        key = value = None  # Kafka accepts this record, not every client does
    elif kind < 0.05:
        return Mutant(stream, key, value, chance.randrange(64))
    elif kind < 0.07:
        stream = chance.randrange(len(_KINDS))
    elif kind < 0.08:
        value = chance.choice((None, None, b"", b"null", b"[]", b'"a"', b"7", b"\xef\xbb\xbf" + (value or b"")))
    return Mutant(stream, key, value)


def _mutated_value(chance: Random, event: dict[str, object]) -> bytes:
    kind = chance.random()
    if kind < 0.05:
        return chance.randbytes(chance.randrange(300))
    pairs = [(json.dumps(name).encode(), json.dumps(value).encode()) for name, value in event.items()]
    if kind < 0.65:
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            chance.choice(_FIELDS)(chance, pairs)
    value = b"{" + b",".join(name + b":" + text for name, text in pairs) + b"}"
    if kind > 0.6:
        for _ in range(chance.choice((1, 1, 1, 2, 8))):
            value = chance.choice(_BYTES)(chance, value)
    return value


def _text(chance: Random) -> bytes:
    text = chance.choice(_TEXTS)
    return json.dumps(text, ensure_ascii=chance.random() < 0.5).encode()


def _replace(chance: Random, pairs: Pairs) -> None:
    if pairs:
        at = chance.randrange(len(pairs))
        pairs[at] = pairs[at][0], chance.choice(_RAW) if chance.random() < 0.5 else _text(chance)


def _date(chance: Random, pairs: Pairs) -> None:
    pairs[:] = [pair for pair in pairs if pair[0] != b'"occurred_at"']
    pairs.append((b'"occurred_at"', json.dumps(chance.choice(_DATES)).encode()))


def _drop(chance: Random, pairs: Pairs) -> None:
    if pairs:
        del pairs[chance.randrange(len(pairs))]


def _repeat(chance: Random, pairs: Pairs) -> None:
    """Repeat a name, with its own value, that of another field, or a raw one."""
    if pairs:
        name, own = chance.choice(pairs)
        pairs.insert(chance.randrange(len(pairs) + 1), (name, chance.choice((own, pairs[0][1], chance.choice(_RAW)))))


def _add(chance: Random, pairs: Pairs) -> None:
    pairs.insert(chance.randrange(len(pairs) + 1), (_text(chance), chance.choice((b'"new"', chance.choice(_RAW)))))


def _swap(chance: Random, pairs: Pairs) -> None:
    if len(pairs) > 1:
        one, other = chance.sample(range(len(pairs)), 2)
        pairs[one], pairs[other] = (pairs[one][0], pairs[other][1]), (pairs[other][0], pairs[one][1])


def _pad(chance: Random, pairs: Pairs) -> None:
    pairs.append((b'"padding"', b'"' + b"x" * chance.choice((1900, 2500, 70_000)) + b'"'))


def _flip(chance: Random, value: bytes) -> bytes:
    if not value:
        return value
    at = chance.randrange(len(value))
    return value[:at] + bytes([value[at] ^ 1 << chance.randrange(8)]) + value[at + 1 :]


def _cut(chance: Random, value: bytes) -> bytes:
    return (
        value[: chance.randrange(len(value) + 1)]
        if chance.random() < 0.7
        else value[chance.randrange(len(value) + 1) :]
    )


def _insert(chance: Random, value: bytes) -> bytes:
    at = chance.randrange(len(value) + 1)
    return value[:at] + chance.choice((chance.randbytes(3), b"\x00", b" ", b"\n", b'"', b"\\", b"}", b",")) + value[at:]


def _again(chance: Random, value: bytes) -> bytes:
    at = chance.randrange(len(value) + 1)
    return value[:at] + value[at // 2 : at] + value[at:]


_FIELDS: Final[tuple[Callable[[Random, Pairs], None], ...]] = (
    _replace, _replace, _replace, _date, _drop, _repeat, _add, _swap, _pad
)  # fmt: skip
_BYTES: Final[tuple[Callable[[Random, bytes], bytes], ...]] = (_flip, _flip, _cut, _insert, _again)
