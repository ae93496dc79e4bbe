"""Says what a record's key is if it is not the key of its event, and what its producer has to change.

Invariant: pure, and only for keys that are refused. A text shows the key shortened, and not at all if it is another
field of the event or looks like personal data.
"""

from __future__ import annotations

from typing import Final

from stream.contract.events import CaseEvent, Event
from stream.intake.identifiers import personal_data

#: Confluent's frame: 0x00 and the schema's id in 4 bytes.
_FRAME: Final = 5
_SHOWN_CHARS: Final = 40
_QUOTED: Final = 2  # characters: the quotes themselves
_SERIALIZER: Final = "use a serializer of plain text for keys (Kafka Connect: StringConverter)"


def wrong_key(key: bytes | None, event: Event) -> str:
    """Return one sentence about a key that is not the event's."""
    return f"{_found(key, event)}. The key must be the event's {_field(event)} as plain text: {_shown(event.key)}."


def _field(event: Event) -> str:
    return "subject.id" if isinstance(event, CaseEvent) else "seller_id"


def _found(key: bytes | None, event: Event) -> str:
    if key is None:
        return "The record has no key"
    if not key:
        return "The record's key is empty"
    if key[0] == 0 and len(key) >= _FRAME:
        schema = int.from_bytes(key[1:_FRAME], "big")
        return f"The record's key is a schema registry's frame (0x00, then schema {schema}): {_SERIALIZER}"
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return f"The record's key is {len(key)} bytes that are not UTF-8"
    return f"The record's key is {_what(text, event)}"


def _what(text: str, event: Event) -> str:
    bare, expected, field_name = text.strip(), event.key, _field(event)
    if bare[:1] == '"' == bare[-1:] and len(bare) >= _QUOTED:
        inner = f"the {field_name}" if bare[1:-1] == expected else "a text"
        return f"{inner} in double quotes, as a JSON serializer writes it: {_SERIALIZER}"
    if bare.startswith(("{", "[")):
        shape = "object" if bare.startswith("{") else "array"
        return f"a JSON {shape}: take the {field_name} out of it (Kafka Connect: the transform ExtractField$Key)"
    if bare == expected:
        return f"the {field_name} with white space around it"
    if bare.casefold() == expected.casefold():
        return f"the {field_name} in other upper and lower case ({_shown(bare)})"
    for field in event.__struct_fields__:
        if getattr(event, field) == bare:
            return f"the event's {field}"
    looks_like = personal_data(bare)
    return f"another text, which looks like {looks_like}" if looks_like else f"another text: {_shown(text)}"


def _shown(text: str) -> str:
    """Return a text in quotes, with escapes for what cannot be printed."""
    return ascii(text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "...")
