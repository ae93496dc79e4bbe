"""From a record's bytes to an event of the contract, or to the reason why not.

Rule of this room: pure and quick. Nothing here reads a clock or Kafka; whatever the bytes are, the answer is
an Event or a Refused, and both say the same as the JSON Schemas in `schemas/`.
"""

from __future__ import annotations

import re
from operator import attrgetter
from typing import Any, Final

import msgspec

from stream.config import Settings
from stream.events import STREAMS, AnyEvent, Event
from stream.intake.identifiers import check_ids
from stream.intake.partition import partition_of
from stream.intake.pseudonyms import pseudonyms_of
from stream.intake.refusal import Refusal, Refused

#: RFC 3339, stricter than the type, which also takes a space for the T and an offset without a colon. The
#: years leave room on both sides, so no arithmetic on an accepted time leaves the calendar. No leap seconds.
INSTANT: Final = (
    r"^(?:19[7-9]|2[0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])(?!\n)$"
)
_instant = re.compile(INSTANT).match
#: The same within a JSON document. Quotes within a text are escaped there, so it can be found in no other place.
_instant_within = re.compile(
    rb'"occurred_at"[ \t\r\n]*:[ \t\r\n]*"' + INSTANT.removeprefix("^").removesuffix(r"(?!\n)$").encode() + rb'"'
).search
_exact = msgspec.json.Decoder(AnyEvent)
_document = msgspec.json.Decoder().decode


class _Form:
    """What intake has to know of an event type, worked out once from the type itself."""

    def __init__(self, kind: type[Event]) -> None:
        fields = msgspec.structs.fields(kind)
        self.kind = kind
        self.name = str(kind.__struct_config__.tag)
        self.known = frozenset(("type", *(field.encode_name for field in fields)))
        self.required = tuple(field.encode_name for field in fields if field.required)
        self.ids = tuple(field.name for field in fields if field.name.endswith("_id"))
        self.ids_of = attrgetter(*self.ids)


class Intake:
    """Decodes and checks the records of the input topics; `unknown_fields` counts events with such."""

    def __init__(self, settings: Settings, partitions: int) -> None:
        self.unknown_fields = 0
        self.partitions = partitions
        self._max_bytes = settings.max_event_bytes
        self._future_seconds = settings.future_seconds
        self._refuse_unknown = settings.unknown_fields == "refuse"
        self._pseudonyms = pseudonyms_of(settings)
        self._forms = tuple({form.name: form for form in map(_Form, kinds)} for kinds in STREAMS.values())

    def decode(
        self, stream: int, partition: int, key: bytes | None, value: bytes | None, now: float
    ) -> tuple[float, Event]:
        """Time and event of a record of stream number `stream`; raises Refused. Times are epoch seconds."""
        event = self.read(stream, value)
        self._check_place(event, partition, key)
        return self.dated(event, now), event

    def dated(self, event: Event, now: float) -> float:
        """The time of an event that is in its place, which then bears its pseudonyms; raises Refused."""
        at = event.occurred_at.timestamp()
        if at > now + self._future_seconds:
            raise Refused(
                Refusal.FUTURE,
                f"occurred_at is more than {self._future_seconds:g} s ahead of the clock: "
                f"{event.occurred_at.isoformat()}.",
            )
        if self._pseudonyms is not None:  # after the checks: a dead letter holds what came
            self._pseudonyms.put_on(event)
        return at

    def read(self, stream: int, value: bytes | None) -> Event:
        """The event in a record's value, whatever its key, partition and time; raises Refused.

        Nearly every event is exactly as the contract says and is read at once, three times as fast as by way of a
        document; whatever is not so is looked at again, slowly, to be taken after all or refused with its reason.
        """
        if value is not None and len(value) <= self._max_bytes and _instant_within(value):
            try:
                event: Event = _exact.decode(value)
            except (msgspec.DecodeError, ValueError, RecursionError):
                return self._read_document(stream, value)
            form = self._forms[stream].get(str(event.__struct_config__.tag))
            if form is not None:
                check_ids(form.ids, form.ids_of(event))
                return event
        return self._read_document(stream, value)

    def _read_document(self, stream: int, value: bytes | None) -> Event:
        document = self._parse(value)
        form = self._form(stream, document)
        unknown = document.keys() - form.known
        event = _typed(
            form, {name: value for name, value in document.items() if name in form.known} if unknown else document
        )
        if not _instant(document["occurred_at"]):
            raise Refused(
                Refusal.BAD_VALUE,
                "occurred_at is not a time like 2024-05-01T10:00:00Z, with an offset, from 1970 to 2999.",
            )
        check_ids(form.ids, form.ids_of(event))
        if unknown:
            self._note_unknown(form, unknown)
        return event

    def _parse(self, value: bytes | None) -> dict[str, Any]:
        if value is None:
            raise Refused(Refusal.UNDECODABLE, "The record has no value.")
        if len(value) > self._max_bytes:
            raise Refused(Refusal.TOO_LARGE, f"The event has {len(value)} bytes; at most {self._max_bytes} are taken.")
        try:
            document = _document(value)
        except (msgspec.DecodeError, ValueError) as error:
            raise Refused(Refusal.UNDECODABLE, f"The value is not JSON in UTF-8: {error}.") from None
        except RecursionError:
            raise Refused(Refusal.UNDECODABLE, "The value is nested too deeply.") from None
        if not isinstance(document, dict):
            raise Refused(Refusal.BAD_VALUE, "The value is JSON, but not an object.")
        return document

    def _form(self, stream: int, document: dict[str, Any]) -> _Form:
        name = document.get("type")
        forms = self._forms[stream]
        if isinstance(name, str) and name in forms:
            return forms[name]
        if "type" not in document:
            raise Refused(Refusal.MISSING_FIELD, "The event has no type.")
        shown = repr(name[:64]) if isinstance(name, str) else "not a text"
        raise Refused(Refusal.UNKNOWN_TYPE, f"type is {shown}; this topic carries {', '.join(forms)}.")

    def _check_place(self, event: Event, partition: int, key: bytes | None) -> None:
        seller = event.seller_id.encode()
        if key == seller and partition == partition_of(seller, self.partitions):
            return
        if key != seller:
            raise Refused(Refusal.WRONG_KEY, "The record's key is not its seller_id.")
        raise Refused(
            Refusal.WRONG_PARTITION_COUNT,
            f"The record came in partition {partition}, but Kafka's default partitioner picks "
            f"{partition_of(seller, self.partitions)} of {self.partitions} for its key: the producer believes in "
            "another partition count or uses another partitioner.",
        )

    def _note_unknown(self, form: _Form, names: set[str]) -> None:
        if self._refuse_unknown:
            raise Refused(Refusal.BAD_VALUE, f"{form.name} has no field {min(names)[:64]!r}.")
        self.unknown_fields += 1


def _typed(form: _Form, document: dict[str, Any]) -> Event:
    try:
        return msgspec.convert(document, form.kind)
    except msgspec.ValidationError:
        return _typed_with_whole_numbers(form, document)


def _typed_with_whole_numbers(form: _Form, document: dict[str, Any]) -> Event:
    """A second look: to JSON Schema 3.0 is an integer, and some producers know no other numbers."""
    for name in form.required:
        if name not in document:
            raise Refused(Refusal.MISSING_FIELD, f"{form.name} lacks {name}.") from None
    whole = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in document.items()
    }
    try:
        return msgspec.convert(whole, form.kind)
    except msgspec.ValidationError as error:
        raise Refused(Refusal.BAD_VALUE, f"{form.name} cannot be used: {error}.") from None
