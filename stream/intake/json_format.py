"""The JSON format: from a record's value to an event of the contract, or to a refusal.

Invariant: a pure function of the bytes and two settings. Whatever the bytes are, the outcome is an Event or a Refused,
and it agrees with the JSON Schemas in `schemas/`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from stream.contract.events import AnyEvent, Event
from stream.intake.decoder import Headers
from stream.intake.event_forms import FORMS, EventForm, UnknownFields, typed
from stream.intake.field_texts import wrong_instant
from stream.intake.foreign_formats import envelope, not_an_object, not_json, too_large
from stream.intake.identifiers import check_ids
from stream.intake.refusal import Refusal, Refused

#: RFC 3339, stricter than the type, which also takes a space for the T and an offset without a colon. The years leave a
#: margin on both sides, so that no arithmetic on an accepted time leaves the calendar. No leap seconds.
INSTANT: Final = (
    r"^(?:19[7-9]|2[0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])(?!\n)$"
)
is_instant = re.compile(INSTANT).match
#: The same within a JSON document. JSON escapes quotes within a text, so this matches nowhere else.
_instant_within = re.compile(
    rb'"occurred_at"[ \t\r\n]*:[ \t\r\n]*"' + INSTANT.removeprefix("^").removesuffix(r"(?!\n)$").encode() + rb'"'
).search
_exact = msgspec.json.Decoder(AnyEvent)
_document = msgspec.json.Decoder().decode
#: The forms that the fast path knows all about, by type.
_EXACT_FORMS: Final = tuple({form.kind: form for form in forms.values() if not form.instants} for forms in FORMS)


class JsonDecoder:
    """Decodes JSON values and checks them against the contract.

    Args:
        max_bytes: The largest value that is accepted.
        unknown_fields: Counts or refuses events with fields unknown to the contract.
    """

    def __init__(self, max_bytes: int, unknown_fields: UnknownFields) -> None:
        self._max_bytes = max_bytes
        self._unknown_fields = unknown_fields

    def decode(self, stream: int, value: bytes | None, headers: Headers = ()) -> Event:
        """Return the event in a record's value.

        Nearly every event matches its type exactly and takes the fast path, which is three times as fast as the path
        through a document. Everything else takes the slow path, which accepts it or gives the reason for its refusal.

        Args:
            stream: The number of the input stream, in the order of `events.STREAMS`.
            value: The record's value.
            headers: Not used.

        Raises:
            Refused: The value is no event of this stream.
        """
        if value is not None and len(value) <= self._max_bytes and _instant_within(value):
            try:
                event: Event = _exact.decode(value)
            except (msgspec.DecodeError, ValueError, RecursionError):
                return self._decode_document(stream, value)
            form = _EXACT_FORMS[stream].get(type(event))
            if form is not None:
                check_ids(form.ids, form.ids_of(event))
                return event
        return self._decode_document(stream, value)

    def _decode_document(self, stream: int, value: bytes | None) -> Event:
        document = self._parse(value)
        form = self._form(stream, document)
        unknown = document.keys() - form.known
        event = typed(
            form, {name: value for name, value in document.items() if name in form.known} if unknown else document
        )
        for name in ("occurred_at", *form.instants):
            if document.get(name) is not None and not is_instant(document[name]):
                raise Refused(Refusal.BAD_VALUE, wrong_instant(name, document[name]))
        check_ids(form.ids, form.ids_of(event))
        if unknown:
            self._unknown_fields.note(form, unknown)
        return event

    def _parse(self, value: bytes | None) -> dict[str, Any]:
        if value is None:
            raise Refused(Refusal.UNDECODABLE, "The record has no value.")
        if len(value) > self._max_bytes:
            raise Refused(Refusal.TOO_LARGE, too_large(value, self._max_bytes))
        try:
            document = _document(value)
        except (msgspec.DecodeError, ValueError) as error:
            raise Refused(Refusal.UNDECODABLE, not_json(value, error)) from None
        except RecursionError:
            raise Refused(Refusal.UNDECODABLE, "The value is nested too deeply.") from None
        if not isinstance(document, dict):
            raise Refused(Refusal.BAD_VALUE, not_an_object(document))
        return document

    def _form(self, stream: int, document: dict[str, Any]) -> EventForm:
        name = document.get("type")
        forms = FORMS[stream]
        if isinstance(name, str) and name in forms:
            return forms[name]
        wrapped = envelope(document)
        if "type" not in document:
            no_type = f"The event has no type; this topic carries {', '.join(forms)}."
            raise Refused(Refusal.MISSING_FIELD, wrapped or no_type)
        if wrapped:
            raise Refused(Refusal.UNKNOWN_TYPE, wrapped)
        shown = repr(name[:64]) if isinstance(name, str) else "not a text"
        raise Refused(Refusal.UNKNOWN_TYPE, f"type is {shown}; this topic carries {', '.join(forms)}.")
