"""Dead letters: records that could not be used, unchanged, with the reason in added headers.

Invariant: the original's key, value and headers are never changed, so a record can be sent to its topic again byte for
byte. A part that does not fit into the dead-letter topic is left out as a whole, with its size and digest in a header.
The added headers follow the original's own and have the names that Kafka Streams uses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from msgspec import Struct

Headers = tuple[tuple[str, bytes | None], ...]

_EXCEPTION: Final = "__streams.errors.exception"
_MESSAGE: Final = "__streams.errors.message"
_STACKTRACE: Final = "__streams.errors.stacktrace"
_TOPIC: Final = "__streams.errors.topic"
_PARTITION: Final = "__streams.errors.partition"
_OFFSET: Final = "__streams.errors.offset"
_REASON: Final = "volteface.reason"
#: The headers that a dead letter adds.
HEADERS: Final = (_EXCEPTION, _MESSAGE, _STACKTRACE, _TOPIC, _PARTITION, _OFFSET, _REASON)
#: Headers that only some dead letters add, after the others: the parts that are left out; the names of headers that are
#: not UTF-8, in hexadecimal digits by their number; and that the record's key is not the original's.
_LEFT_OUT: Final = "volteface.left_out"
_NAMES: Final = "volteface.header_names"
_NO_KEY: Final = "volteface.no_key"
OPTIONAL_HEADERS: Final = (_LEFT_OUT, _NAMES, _NO_KEY)

#: A literal, so that no renaming of the class reaches the header.
_REFUSED: Final = "stream.intake.refusal.Refused"
_TEXT_BYTES: Final = 1024
#: More than Kafka adds to a batch and its one record, and to each header.
_RECORD_BYTES: Final = 128
_HEADER_BYTES: Final = 10

Part = Literal["value", "headers", "key"]


class LeftOut(Struct, frozen=True):
    """A part of the original that the dead letter does not hold.

    Attributes:
        bytes: The size of the part.
        sha256: Its digest; of the headers, that of their names and contents in order.
    """

    bytes: int
    sha256: str


_left_out_of = msgspec.json.Decoder(dict[Part, LeftOut]).decode
_names_of = msgspec.json.Decoder(dict[int, str]).decode


class NotADeadLetterError(ValueError):
    """A record on a dead-letter topic without the headers of a dead letter."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A record that could not be used.

    Attributes:
        topic, partition, offset: Where the record was read.
        key, value, headers: The record, unchanged.
        reason: A value of `Refusal`.
        detail: One sentence for a person.
        left_out: The parts of the record that the dead letter does not hold; these are None, or no headers.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str
    detail: str
    left_out: Mapping[Part, LeftOut] = {}

    @property
    def place(self) -> str:
        """Where the record was read: topic/partition/offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def fitted(letter: DeadLetter, max_bytes: int) -> DeadLetter:
    """Leave out the largest parts until the letter's record has at most `max_bytes`, or until nothing is left."""
    while _record_bytes(*outgoing(letter)) > max_bytes:
        sizes: dict[Part, int] = {"value": len(letter.value or b""), "key": len(letter.key or b"")}
        sizes["headers"] = sum(map(len, _header_bytes(letter.headers)))
        part = max(sizes, key=sizes.__getitem__)
        if not sizes[part]:
            break
        letter = _without(letter, part, sizes[part])
    return letter


def _without(letter: DeadLetter, part: Part, size: int) -> DeadLetter:
    content = _header_bytes(letter.headers) if part == "headers" else [getattr(letter, part)]
    left_out = {**letter.left_out, part: LeftOut(size, hashlib.sha256(b"".join(content)).hexdigest())}
    empty = () if part == "headers" else None
    return msgspec.structs.replace(letter, left_out=left_out, **{part: empty})


def _header_bytes(headers: Headers) -> list[bytes]:
    """Return the names and contents in order. Bytes of a name that are not UTF-8 are surrogates in its text."""
    return [each for name, content in headers for each in (name.encode(errors="surrogateescape"), content or b"")]


def _record_bytes(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Return at least the size of a batch with this record."""
    size = _RECORD_BYTES + len(key or b"") + len(value or b"") + _HEADER_BYTES * len(headers)
    return size + sum(map(len, _header_bytes(headers)))


def outgoing(letter: DeadLetter, keyed: bool = False) -> tuple[bytes | None, bytes | None, Headers]:
    """Return key, value and headers of the record for the dead-letter topic.

    Args:
        letter: The letter.
        keyed: Whether the topic takes no record without a key, as a compacted one: then the place of a letter that has
            no key becomes its key.
    """
    why = (
        _REFUSED,
        letter.detail,
        # No code failed, so there is no stack trace: this is the line that one would end with.
        f"{_REFUSED}: {letter.reason}: {letter.detail}",
        letter.topic,
        str(letter.partition),
        str(letter.offset),
        letter.reason,
    )
    own = letter.headers
    added: Headers = tuple(zip(HEADERS, map(_bounded, why), strict=True))
    if letter.left_out:
        added += ((_LEFT_OUT, msgspec.json.encode(letter.left_out)),)
    raw = {number: name.encode(errors="surrogateescape") for number, (name, _) in enumerate(own) if not _is_utf8(name)}
    if raw:
        own = tuple((_shown(name), content) for name, content in own)
        added += ((_NAMES, msgspec.json.encode({number: name.hex() for number, name in raw.items()})),)
    if keyed and letter.key is None:
        return letter.place.encode(), letter.value, (*own, *added, (_NO_KEY, b"true"))
    return letter.key, letter.value, own + added


def _is_utf8(name: str) -> bool:
    try:
        str.encode(name)  # not the method of a `RawName`, which never fails
    except UnicodeEncodeError:
        return False
    return True


def _shown(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def incoming(key: bytes | None, value: bytes | None, headers: Headers) -> DeadLetter:
    """Return the original record and its place: the inverse of `outgoing`.

    Only the last header of each name is taken off. An original that had such headers, because it was a dead letter of
    another system, keeps them.

    Raises:
        NotADeadLetterError: A header is missing or cannot be read.
    """
    found: dict[str, bytes] = {}
    kept: list[tuple[str, bytes | None]] = []
    for name, content in reversed(headers):
        expected = name in HEADERS or (name in OPTIONAL_HEADERS and found.keys().isdisjoint(HEADERS))
        if expected and name not in found and content is not None:
            found[name] = content
        else:
            kept.append((name, content))
    kept.reverse()
    try:
        for number, name in _names_of(found.get(_NAMES, b"{}")).items():
            kept[number] = bytes.fromhex(name).decode(errors="surrogateescape"), kept[number][1]
        return DeadLetter(
            topic=found[_TOPIC].decode(),
            partition=int(found[_PARTITION]),
            offset=int(found[_OFFSET]),
            key=None if _NO_KEY in found else key,
            value=value,
            headers=tuple(kept),
            reason=found[_REASON].decode(),
            detail=found[_MESSAGE].decode(),
            left_out=_left_out_of(found.get(_LEFT_OUT, b"{}")),
        )
    except KeyError as missing:
        raise NotADeadLetterError(f"The record has no header {missing}.") from None
    except (ValueError, IndexError) as error:  # msgspec's errors are ValueErrors
        raise NotADeadLetterError(f"The record's headers cannot be read: {error}.") from None


def _bounded(text: str) -> bytes:
    """Return UTF-8, cut between characters: a header must not be larger than the record that it is added to."""
    return text.encode(errors="replace")[:_TEXT_BYTES].decode(errors="ignore").encode()
