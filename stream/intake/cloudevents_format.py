"""CloudEvents 1.0 in Kafka's binary mode: attributes in headers `ce_...`, and an event's JSON as the value.

Invariant: pure. The event passes the checks of the JSON format. Attributes count only where the event lacks a field:
`ce_type` is its type, `ce_id` its event_id, `ce_time` its occurred_at.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from stream.contract.events import Event
from stream.intake.decoder import Headers
from stream.intake.event_forms import FORMS
from stream.intake.foreign_formats import too_large
from stream.intake.json_format import JsonDecoder
from stream.intake.lacking_fields import HeaderField, decode_with_headers, text_of
from stream.intake.refusal import Refusal, Refused

_TYPES: Final = "|".join(re.escape(name) for forms in FORMS for name in forms)
#: A contract's type, also behind the reversed domain of its producer and before a version.
_type = re.compile(rf"(?:[A-Za-z0-9.-]*\.)?({_TYPES})(?:\.v[0-9]+)?").fullmatch
_is_json = re.compile(r"(?:application|text)/(?:[a-z0-9.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE).fullmatch
_SHOWN_CHARS: Final = 60


@lru_cache(256)
def _type_of(content: bytes) -> str | None:
    text = text_of(content)
    named = None if text is None else _type(text)
    return text if named is None else named[1]


_FIELDS: Final = (
    HeaderField("type", b'"type"', "ce_type", _type_of),
    HeaderField("event_id", b'"event_id"', "ce_id", text_of),
    HeaderField("occurred_at", b'"occurred_at"', "ce_time", text_of),
)


class CloudEventsDecoder:
    """Decodes CloudEvents in binary mode.

    Args:
        max_bytes: The largest value that is accepted.
        json: Decodes the events' data.
    """

    def __init__(self, max_bytes: int, json: JsonDecoder) -> None:
        self._max_bytes = max_bytes
        self._json = json

    def decode(self, stream: int, value: bytes | None, headers: Headers) -> Event:
        """Return the event in a record; see `Decoder.decode`."""
        if value is None:
            raise Refused(Refusal.UNDECODABLE, "The record has no value: the CloudEvent has no data.")
        if len(value) > self._max_bytes:
            raise Refused(Refusal.TOO_LARGE, too_large(value, self._max_bytes))
        found = dict(headers)
        problem = _problem(found.get("ce_specversion"), found.get("content-type"))
        if problem is not None:
            raise Refused(Refusal.UNDECODABLE, problem)
        return decode_with_headers(self._json, stream, value, _FIELDS, headers)


@lru_cache(256)
def _problem(version: bytes | None, content_type: bytes | None) -> str | None:
    """Return why headers are not those of a CloudEvent in binary mode with JSON, or None."""
    of_content = text_of(content_type or b"") or ""
    if of_content.lower().startswith("application/cloudevents"):
        return "The record is a CloudEvent in structured mode: set its producer to binary mode (headers ce_...)."
    if version is None:
        return (
            "The record has no header ce_specversion, so it is no CloudEvent in binary mode: write one, or set "
            "VOLTEFACE_INPUT_FORMAT to what the topic holds."
        )
    of_version = text_of(version) or ""
    if not of_version.startswith("1."):
        return f"ce_specversion is {of_version[:_SHOWN_CHARS]!r}: versions 1.x are read."
    if of_content and _is_json(of_content) is None:
        return f"The header content-type is {of_content[:_SHOWN_CHARS]!r}: the data must be JSON."
    return None
