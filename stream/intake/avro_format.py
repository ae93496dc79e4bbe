"""The Avro format: from a record of a producer's own schema to an event of the contract, or to a refusal.

Invariant: pure. The same fields pass the same checks as in the JSON format. The type of an event is its field `type`; a
record without this field has the type that its name is: `ReviewCreated`, `review_created` or `review.created`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from stream.contract.events import Event
from stream.intake.avro_schema import AvroRecord, AvroSchema, BodyError
from stream.intake.event_forms import FORMS, EventForm, UnknownFields, typed
from stream.intake.identifiers import check_ids
from stream.intake.refusal import Refusal, Refused

#: The names of event types as names of Avro records.
_TYPES: Final = {name.replace(".", ""): name for forms in FORMS for name in forms}


class AvroDecoder:
    """Decodes Avro bodies and checks them against the contract.

    Args:
        unknown_fields: Counts or refuses events with fields unknown to the contract.
    """

    def __init__(self, unknown_fields: UnknownFields) -> None:
        self._unknown_fields = unknown_fields

    def decode(self, stream: int, schema: AvroSchema, body: bytes, schema_name: str) -> Event:
        """Return the event in a body.

        Args:
            stream: The number of the input stream, in the order of `events.STREAMS`.
            schema: The schema that the body was written with.
            body: The bytes of one record.
            schema_name: The schema's name in texts.

        Raises:
            Refused: The body is no event of this stream.
        """
        try:
            record, fields = schema.read(body)
        except BodyError as error:
            text = f"The value is no Avro record of {schema_name} ({error}): was it written with another schema?"
            raise Refused(Refusal.UNDECODABLE, text) from None
        form = _form(stream, record, fields)
        for name, convert in record.conversions:
            fields[name] = convert(name, fields[name])
        unknown = _unknown(record, form)
        if unknown:
            for name in unknown:
                del fields[name]
        event = typed(form, fields)
        check_ids(form.ids, form.ids_of(event))
        if unknown:
            self._unknown_fields.note(form, unknown)
        return event


@lru_cache(1024)
def _unknown(record: AvroRecord, form: EventForm) -> frozenset[str]:
    """Return a record type's fields that an event type does not have."""
    return record.fields - form.known


def _form(stream: int, record: AvroRecord, fields: dict[str, Any]) -> EventForm:
    forms = FORMS[stream]
    name = fields["type"] if "type" in record.fields else type_of(record.name)
    if isinstance(name, str) and name in forms:
        return forms[name]
    carries = f"this topic carries {', '.join(forms)}."
    if "type" not in record.fields:
        text = f"The Avro record {record.name[:64]} has no field type, and its name is no event's; {carries}"
        raise Refused(Refusal.UNKNOWN_TYPE if name else Refusal.MISSING_FIELD, text)
    shown = repr(name[:64]) if isinstance(name, str) else "not a text"
    raise Refused(Refusal.UNKNOWN_TYPE, f"type is {shown}; {carries}")


@lru_cache(1024)
def type_of(record_name: str) -> str | None:
    """Return the event type that a record's full name names, or None."""
    simple = record_name.rpartition(".")[2]
    candidates = (record_name.replace(".", ""), simple.replace("_", "").lower())
    return next((_TYPES[each] for each in candidates if each in _TYPES), None)
