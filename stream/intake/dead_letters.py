"""Dead letters: a record that could not be used, as it came, with the reason beside it.

Rule of this room: key, value and headers of the original are never changed, so a record can be sent again to
its topic byte for byte. The reason stands in headers behind the original's own, named as in Kafka Streams.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

Headers = tuple[tuple[str, bytes | None], ...]

_EXCEPTION: Final = "__streams.errors.exception"
_MESSAGE: Final = "__streams.errors.message"
_STACKTRACE: Final = "__streams.errors.stacktrace"
_TOPIC: Final = "__streams.errors.topic"
_PARTITION: Final = "__streams.errors.partition"
_OFFSET: Final = "__streams.errors.offset"
_REASON: Final = "volteface.reason"
#: The headers that a dead letter has and its original has not.
HEADERS: Final = (_EXCEPTION, _MESSAGE, _STACKTRACE, _TOPIC, _PARTITION, _OFFSET, _REASON)

#: A literal, so that no renaming of the class reaches the header.
_REFUSED: Final = "stream.intake.refusal.Refused"
_TEXT_BYTES: Final = 1024


class NotADeadLetterError(ValueError):
    """A record whose headers do not say which topic it came from."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A record that could not be used, with its place and the reason; the rest is as it came."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str
    detail: str


def outgoing(letter: DeadLetter) -> tuple[bytes | None, bytes | None, Headers]:
    """Key, value and headers of the record that goes to the dead-letter topic."""
    why = (
        _REFUSED,
        letter.detail,
        # A refusal is a judgement and no crash: its trace is the last line that a stack trace would have.
        f"{_REFUSED}: {letter.reason}: {letter.detail}",
        letter.topic,
        str(letter.partition),
        str(letter.offset),
        letter.reason,
    )
    added = tuple(zip(HEADERS, map(_bounded, why), strict=True))
    return letter.key, letter.value, letter.headers + added


def incoming(key: bytes | None, value: bytes | None, headers: Headers) -> DeadLetter:
    """The inverse of `outgoing`: the original record and its topic; raises NotADeadLetterError.

    Only the last header of each name is taken off: an original that had such headers itself, because it
    once was a dead letter of somebody else, keeps them.
    """
    found: dict[str, bytes] = {}
    kept: list[tuple[str, bytes | None]] = []
    for name, content in reversed(headers):
        if name in HEADERS and name not in found and content is not None:
            found[name] = content
        else:
            kept.append((name, content))
    try:
        return DeadLetter(
            topic=found[_TOPIC].decode(),
            partition=int(found[_PARTITION]),
            offset=int(found[_OFFSET]),
            key=key,
            value=value,
            headers=tuple(reversed(kept)),
            reason=found[_REASON].decode(),
            detail=found[_MESSAGE].decode(),
        )
    except KeyError as missing:
        raise NotADeadLetterError(f"The record has no header {missing}.") from None
    except ValueError as error:
        raise NotADeadLetterError(f"The record's headers cannot be read: {error}.") from None


def _bounded(text: str) -> bytes:
    """UTF-8, cut at a character's edge: a header must not outweigh the record it stands on."""
    return text.encode(errors="replace")[:_TEXT_BYTES].decode(errors="ignore").encode()
