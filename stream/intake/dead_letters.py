"""Dead letters: records that could not be used, unchanged, with the reason in added headers.

Invariant: the original's key, value and headers are never changed, so a record can be sent to its topic again byte for
byte. The added headers follow the original's own and have the names that Kafka Streams uses.
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
#: The headers that a dead letter adds.
HEADERS: Final = (_EXCEPTION, _MESSAGE, _STACKTRACE, _TOPIC, _PARTITION, _OFFSET, _REASON)

#: A literal, so that no renaming of the class reaches the header.
_REFUSED: Final = "stream.intake.refusal.Refused"
_TEXT_BYTES: Final = 1024


class NotADeadLetterError(ValueError):
    """A record on a dead-letter topic without the headers of a dead letter."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A record that could not be used.

    Attributes:
        topic, partition, offset: Where the record was read.
        key, value, headers: The record, unchanged.
        reason: A value of `Refusal`.
        detail: One sentence for a person.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str
    detail: str


def outgoing(letter: DeadLetter) -> tuple[bytes | None, bytes | None, Headers]:
    """Return key, value and headers of the record for the dead-letter topic."""
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
    added = tuple(zip(HEADERS, map(_bounded, why), strict=True))
    return letter.key, letter.value, letter.headers + added


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
    """Return UTF-8, cut between characters: a header must not be larger than the record that it is added to."""
    return text.encode(errors="replace")[:_TEXT_BYTES].decode(errors="ignore").encode()
