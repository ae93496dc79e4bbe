"""The values of Debezium's outbox event router: an event's JSON, plain, as an escaped text, or in an envelope.

Invariant: pure. The event inside passes the checks of the JSON format. Headers count only where the event lacks a
field: `id` is its event_id, `eventType` its type.
"""

from __future__ import annotations

from typing import Final

import msgspec

from stream.contract.events import Event
from stream.intake.decoder import Headers
from stream.intake.foreign_formats import too_large
from stream.intake.json_format import JsonDecoder
from stream.intake.lacking_fields import HeaderField, decode_with_headers, text_of
from stream.intake.refusal import Refusal, Refused

#: Debezium's names: `id` is always there, `eventType` as `table.fields.additional.placement` sets it.
_FIELDS: Final = (
    HeaderField("type", b'"type"', "eventType", text_of),
    HeaderField("event_id", b'"event_id"', "id", text_of),
)
#: How Kafka Connect's JSON converter begins an envelope.
_ENVELOPE: Final = b'{"schema"'


class _Envelope(msgspec.Struct):
    """What Kafka Connect's JSON converter writes with schemas.enable=true."""

    payload: msgspec.Raw
    schema: msgspec.Raw


_envelope = msgspec.json.Decoder(_Envelope).decode
_text = msgspec.json.Decoder(str).decode


class OutboxDecoder:
    """Decodes the values of an outbox.

    Args:
        max_bytes: The largest value that is accepted.
        json: Decodes the event inside.
    """

    def __init__(self, max_bytes: int, json: JsonDecoder) -> None:
        self._max_bytes = max_bytes
        self._json = json

    def decode(self, stream: int, value: bytes | None, headers: Headers) -> Event:
        """Return the event in a record; see `Decoder.decode`."""
        if value is None:
            raise Refused(Refusal.UNDECODABLE, "The record has no value: the outbox's column `payload` was null.")
        if len(value) > self._max_bytes:
            raise Refused(Refusal.TOO_LARGE, too_large(value, self._max_bytes))
        payload = _unwrapped(value)
        return decode_with_headers(self._json, stream, payload, _FIELDS, headers)


def _unwrapped(value: bytes) -> bytes:
    """Return the event's JSON; a value that is nothing of an outbox as it is."""
    if value.startswith(_ENVELOPE):
        try:
            value = bytes(_envelope(value).payload)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return value
    if value[:1] == b'"':
        try:
            return _text(value).encode()
        except (msgspec.DecodeError, ValueError):
            return value
    return value
