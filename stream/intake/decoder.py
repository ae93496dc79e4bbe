"""The seam between intake and the formats of the input topics.

Invariant: a decoder is pure. Whatever the bytes and headers are, the outcome is an Event, a Refused, or that the schema
of the record must be fetched first (`SchemaNeeded`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stream.contract.events import Event

#: The headers of a record, in order: names and contents.
Headers = Sequence[tuple[str, bytes | None]]


class Decoder(Protocol):
    """One input format."""

    def decode(self, stream: int, value: bytes | None, headers: Headers) -> Event:
        """Return the event in a record of stream number `stream`.

        Raises:
            Refused: There is none.
            SchemaNeeded: The record's schema must be fetched first.
        """
        ...


def last_header(headers: Headers, name: str) -> bytes | None:
    """Return the content of the last header of a name, as Kafka's own `lastHeader` does; None if there is none."""
    return next((content for each, content in reversed(headers) if each == name), None)
