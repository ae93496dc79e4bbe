"""CloudEvents 1.0 in Kafka's binary mode: attributes in headers `ce_...`, and an event's JSON as the value.

Invariant: pure. The event passes the checks of the JSON format. Attributes count only where the event lacks a field:
`ce_type` is its type, `ce_id` its event_id, `ce_time` its occurred_at.
"""

from __future__ import annotations

import re
from typing import Final

from stream.contract.events import Event
from stream.intake.decoder import Headers, last_header
from stream.intake.event_forms import FORMS
from stream.intake.foreign_formats import too_large
from stream.intake.json_format import JsonDecoder
from stream.intake.lacking_fields import completed, text_of
from stream.intake.refusal import Refusal, Refused

_ATTRIBUTES: Final = {"type": "ce_type", "event_id": "ce_id", "occurred_at": "ce_time"}
_TYPES: Final = "|".join(re.escape(name) for forms in FORMS for name in forms)
#: A contract's type, also behind the reversed domain of its producer and before a version.
_type = re.compile(rf"(?:[A-Za-z0-9.-]*\.)?({_TYPES})(?:\.v[0-9]+)?").fullmatch
_is_json = re.compile(r"(?:application|text)/(?:[a-z0-9.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE).fullmatch
_SHOWN_CHARS: Final = 60


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
        _check_headers(headers)
        return self._json.decode(stream, completed(value, lambda name: _attribute(headers, name)))


def _check_headers(headers: Headers) -> None:
    content_type = text_of(last_header(headers, "content-type")) or ""
    if content_type.lower().startswith("application/cloudevents"):
        text = "The record is a CloudEvent in structured mode: set its producer to binary mode (headers ce_...)."
        raise Refused(Refusal.UNDECODABLE, text)
    version = text_of(last_header(headers, "ce_specversion"))
    if version is None:
        text = (
            "The record has no header ce_specversion, so it is no CloudEvent in binary mode: write one, or set "
            "VOLTEFACE_INPUT_FORMAT to what the topic holds."
        )
        raise Refused(Refusal.UNDECODABLE, text)
    if not version.startswith("1."):
        text = f"ce_specversion is {version[:_SHOWN_CHARS]!r}: versions 1.x are read."
        raise Refused(Refusal.UNDECODABLE, text)
    if content_type and _is_json(content_type) is None:
        text = f"The header content-type is {content_type[:_SHOWN_CHARS]!r}: the data must be JSON."
        raise Refused(Refusal.UNDECODABLE, text)


def _attribute(headers: Headers, name: str) -> str | None:
    text = text_of(last_header(headers, _ATTRIBUTES[name]))
    if text is None or name != "type":
        return text
    named = _type(text)
    return text if named is None else named[1]
