"""What intake needs to know about each event type, and from a document's fields to the typed event.

Invariant: pure, the same for every format. Derived from the types alone, so no list of fields exists twice.
"""

from __future__ import annotations

from collections.abc import Collection
from operator import attrgetter
from typing import Any, Final

import msgspec

from stream.contract.events import STREAMS, CaseEvent, Event
from stream.intake.field_texts import wrong_field
from stream.intake.refusal import Refusal, Refused

_FURTHER_INSTANTS: Final = frozenset({"muted_until"})


class EventForm:
    """An event type as intake sees it.

    Attributes:
        kind: The type.
        name: Its name on the wire.
        known, required: The names of all fields, `type` included, and of those that it must have.
        ids: The names of its ids; `ids_of` returns them from an event.
        instants: The names of its times besides occurred_at.
    """

    def __init__(self, kind: type[Event]) -> None:
        fields = msgspec.structs.fields(kind)
        self.kind = kind
        self.name = str(kind.__struct_config__.tag)
        self.known = frozenset(("type", *(field.encode_name for field in fields)))
        self.required = tuple(field.encode_name for field in fields if field.required)
        subject = ("subject.id",) if issubclass(kind, CaseEvent) else ()
        self.ids = tuple(field.name for field in fields if field.name.endswith("_id")) + subject
        self.ids_of = attrgetter(*self.ids)
        self.instants = tuple(name for name in self.known if name in _FURTHER_INSTANTS)


#: The forms of each input stream by their names, in the order of `events.STREAMS`.
FORMS: Final = tuple({form.name: form for form in map(EventForm, kinds)} for kinds in STREAMS.values())


class UnknownFields:
    """Counts accepted events with fields unknown to the contract, or refuses them.

    Args:
        refuse: Whether such an event is refused.

    Attributes:
        count: The number of accepted events that had such fields.
    """

    def __init__(self, refuse: bool) -> None:
        self.count = 0
        self._refuse = refuse

    def note(self, form: EventForm, names: Collection[str]) -> None:
        """Count an event, or raise Refused."""
        if self._refuse:
            raise Refused(Refusal.BAD_VALUE, f"{form.name} has no field {min(names)[:64]!r}.")
        self.count += 1


def typed(form: EventForm, document: dict[str, Any]) -> Event:
    """Return the event of a document's fields.

    Args:
        form: The event's type.
        document: The fields, all of them known to the type; `type` may be absent.

    Raises:
        Refused: A field is missing, or has a value that it does not take.
    """
    try:
        return msgspec.convert(document, form.kind)
    except msgspec.ValidationError:
        return _typed_with_whole_numbers(form, document)


def _typed_with_whole_numbers(form: EventForm, document: dict[str, Any]) -> Event:
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
