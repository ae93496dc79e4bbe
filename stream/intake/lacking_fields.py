"""Completes a JSON event with fields that its producer put into headers.

Invariant: pure. A field that the event has is never replaced. What is no JSON object stays as it is: the JSON format
says why it is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class _Present(msgspec.Struct):
    """The fields that headers may hold; of any type, because the JSON format checks them."""

    type: msgspec.Raw = msgspec.Raw()
    event_id: msgspec.Raw = msgspec.Raw()
    occurred_at: msgspec.Raw = msgspec.Raw()


_present = msgspec.json.Decoder(_Present)


def completed(value: bytes, found: Callable[[str], str | None]) -> bytes:
    """Return a JSON event with `type`, `event_id` and `occurred_at` added where it lacks them.

    Args:
        value: The event.
        found: Returns the text of a field from the headers, or None.
    """
    try:
        present = _present.decode(value)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return value
    lacking = [name for name in _Present.__struct_fields__ if not bytes(getattr(present, name))]
    added = {name: text for name in lacking if (text := found(name)) is not None}
    if not added:
        return value
    before, _, rest = value.partition(b"{")
    separator = b"" if rest.lstrip().startswith(b"}") else b","
    return before + msgspec.json.encode(added)[:-1] + separator + rest


def text_of(content: bytes | None) -> str | None:
    """Return a header's text, without the quotes that a JSON converter puts around it; None if it is no UTF-8."""
    if content is None:
        return None
    try:
        text = content.decode()
        return str(msgspec.json.decode(text, type=str)) if text[:1] == '"' else text
    except (msgspec.DecodeError, ValueError):
        return None
