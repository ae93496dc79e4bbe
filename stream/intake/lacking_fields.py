"""Decodes JSON events whose producer put some of their fields into headers.

Invariant: pure. A field that the event has is never replaced: what a header adds stands before the event's own fields,
and of two fields of one name the last one counts. What is no JSON object is refused as the JSON format refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from stream.contract.events import Event
from stream.intake.decoder import Headers
from stream.intake.json_format import JsonDecoder
from stream.intake.refusal import Refusal, Refused


class HeaderField(NamedTuple):
    """A field of an event that a header may hold.

    Attributes:
        name: The field.
        marker: What is in every JSON event that has the field, unless its name is written with escapes.
        header: The header.
        read: From the header's content to the field's text; None if it holds none.
    """

    name: str
    marker: bytes
    header: str
    read: Callable[[bytes], str | None]


def decode_with_headers(
    json: JsonDecoder, stream: int, value: bytes, fields: Sequence[HeaderField], headers: Headers
) -> Event:
    """Return the event in a value, with fields from headers where it lacks them; raise Refused.

    Nearly every value says at once what it lacks: the name of the field is nowhere in it. If the name is there, but of
    an inner object, the event is refused for a missing field and completed then.
    """
    lacking: Sequence[HeaderField] = fields
    for field in fields:
        if field.marker not in value:
            lacking = [each for each in fields if each.marker not in value]
            break
    else:
        try:
            return json.decode(stream, value)
        except Refused as refused:
            if refused.reason is not Refusal.MISSING_FIELD:
                raise
    return json.decode(stream, _completed(value, lacking, headers))


def _completed(value: bytes, lacking: Sequence[HeaderField], headers: Headers) -> bytes:
    contents = dict(headers)
    added: dict[str, str] = {}
    for name, _, header, read in lacking:
        content = contents.get(header)
        if content is not None and (text := read(content)) is not None:
            added[name] = text
    before, brace, rest = value.partition(b"{")
    if not added or not brace or before.strip():
        return value
    separator = b"" if rest.lstrip()[:1] == b"}" else b","
    return before + msgspec.json.encode(added)[:-1] + separator + rest


def text_of(content: bytes) -> str | None:
    """Return a header's text, without the quotes that a JSON converter puts around it; None if it is no UTF-8."""
    try:
        text = content.decode()
        return msgspec.json.decode(text, type=str) if text[:1] == '"' else text
    except (msgspec.DecodeError, ValueError):
        return None
