"""The JSON format: from a record's value to an event of the contract, or to a refusal.

Invariant: a pure function of the bytes and two settings. Whatever the bytes are, the outcome is an Event or a Refused,
and it agrees with the JSON Schemas in `schemas/`.
"""

from __future__ import annotations

import re
from operator import attrgetter
from typing import Any, Final

import msgspec

from stream.contract.events import STREAMS, AnyEvent, CaseEvent, Event
from stream.intake.field_texts import wrong_field, wrong_instant
from stream.intake.foreign_formats import envelope, not_an_object, not_json, too_large
from stream.intake.identifiers import check_ids
from stream.intake.refusal import Refusal, Refused

#: RFC 3339, stricter than the type, which also takes a space for the T and an offset without a colon. The years leave a
#: margin on both sides, so that no arithmetic on an accepted time leaves the calendar. No leap seconds.
INSTANT: Final = (
    r"^(?:19[7-9]|2[0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])(?!\n)$"
)
_instant = re.compile(INSTANT).match
#: The same within a JSON document. JSON escapes quotes within a text, so this matches nowhere else.
_instant_within = re.compile(
    rb'"occurred_at"[ \t\r\n]*:[ \t\r\n]*"' + INSTANT.removeprefix("^").removesuffix(r"(?!\n)$").encode() + rb'"'
).search
_FURTHER_INSTANTS: Final = frozenset({"muted_until"})
_exact = msgspec.json.Decoder(AnyEvent)
_document = msgspec.json.Decoder().decode


class _EventForm:
    """What the decoder needs to know about an event type, derived from the type."""

    def __init__(self, kind: type[Event]) -> None:
        fields = msgspec.structs.fields(kind)
        self.kind = kind
        self.name = str(kind.__struct_config__.tag)
        self.known = frozenset(("type", *(field.encode_name for field in fields)))
        self.required = tuple(field.encode_name for field in fields if field.required)
        subject = ("subject.id",) if issubclass(kind, CaseEvent) else ()
        self.ids = tuple(field.name for field in fields if field.name.endswith("_id")) + subject
        self.ids_of = attrgetter(*self.ids)
        #: Times besides occurred_at, whose form is checked in the document.
        self.instants = tuple(name for name in self.known if name in _FURTHER_INSTANTS)


class JsonDecoder:
    """Decodes JSON values and checks them against the contract.

    Args:
        max_bytes: The largest value that is accepted.
        refuse_unknown: Whether an event with fields unknown to the contract is refused; if not, it is counted.

    Attributes:
        unknown_fields: The number of accepted events that had unknown fields.
    """

    def __init__(self, max_bytes: int, refuse_unknown: bool) -> None:
        self.unknown_fields = 0
        self._max_bytes = max_bytes
        self._refuse_unknown = refuse_unknown
        self._forms = tuple({form.name: form for form in map(_EventForm, kinds)} for kinds in STREAMS.values())
        #: Those that the fast path knows all about.
        self._exact_forms = tuple(
            {form.kind: form for form in forms.values() if not form.instants} for forms in self._forms
        )

    def decode(self, stream: int, value: bytes | None) -> Event:
        """Return the event in a record's value.

        Nearly every event matches its type exactly and takes the fast path, which is three times as fast as the path
        through a document. Everything else takes the slow path, which accepts it or gives the reason for its refusal.

        Args:
            stream: The number of the input stream, in the order of `events.STREAMS`.
            value: The record's value.

        Raises:
            Refused: The value is no event of this stream.
        """
        if value is not None and len(value) <= self._max_bytes and _instant_within(value):
            try:
                event: Event = _exact.decode(value)
            except (msgspec.DecodeError, ValueError, RecursionError):
                return self._decode_document(stream, value)
            form = self._exact_forms[stream].get(type(event))
            if form is not None:
                check_ids(form.ids, form.ids_of(event))
                return event
        return self._decode_document(stream, value)

    def _decode_document(self, stream: int, value: bytes | None) -> Event:
        document = self._parse(value)
        form = self._form(stream, document)
        unknown = document.keys() - form.known
        event = _typed(
            form, {name: value for name, value in document.items() if name in form.known} if unknown else document
        )
        for name in ("occurred_at", *form.instants):
            if document.get(name) is not None and not _instant(document[name]):
                raise Refused(Refusal.BAD_VALUE, wrong_instant(name, document[name]))
        check_ids(form.ids, form.ids_of(event))
        if unknown:
            self._note_unknown(form, unknown)
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

    def _form(self, stream: int, document: dict[str, Any]) -> _EventForm:
        name = document.get("type")
        forms = self._forms[stream]
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

    def _note_unknown(self, form: _EventForm, names: set[str]) -> None:
        if self._refuse_unknown:
            raise Refused(Refusal.BAD_VALUE, f"{form.name} has no field {min(names)[:64]!r}.")
        self.unknown_fields += 1


def _typed(form: _EventForm, document: dict[str, Any]) -> Event:
    try:
        return msgspec.convert(document, form.kind)
    except msgspec.ValidationError:
        return _typed_with_whole_numbers(form, document)


def _typed_with_whole_numbers(form: _EventForm, document: dict[str, Any]) -> Event:
    """Convert again with 3.0 as 3: for JSON Schema 3.0 is an integer, and some producers write all numbers so."""
    for name in form.required:
        if name not in document:
            raise Refused(Refusal.MISSING_FIELD, f"{form.name} lacks {name}.") from None
    whole = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in document.items()
    }
    try:
        return msgspec.convert(whole, form.kind)
    except msgspec.ValidationError:
        raise Refused(Refusal.BAD_VALUE, wrong_field(form.kind, whole)) from None
