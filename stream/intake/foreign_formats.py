"""Names what a record's value is if it is no event of the JSON format, and says what its producer has to change.

Invariant: pure, and only for values that are refused. No text repeats an id or other content of the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

#: Confluent's frame: 0x00 and the schema's id in 4 bytes. Ids begin at 1, so four zero bytes are Apicurio's id of 8.
_FRAME: Final = 5
_LONG_FRAME: Final = 9
_PLAIN: Final = "write the event as plain JSON"
_SETTING: Final = "VOLTEFACE_INPUT_FORMAT"
_ONE_LINE: Final = "write each event as one JSON object in one line (for a file: jq -c . FILE, or jq -c '.[]' FILE)"
_EACH: Final = "write one JSON object for each event"
#: Numbers that some libraries write although JSON does not have them.
_NO_NUMBER: Final = re.compile(rb"[:\[,]\s*-?(?:NaN|Infinity)\b").search
_MAX_BLANK: Final = 1000  # bytes before an array begins
_STARTS: Final = {
    b"Obj\x01": f"an Avro file: {_PLAIN}",
    b"\x1f\x8b": "compressed with gzip: set the producer's compression.type instead",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: set the producer's compression.type instead",
    b"\xef\xbb\xbf": "text that begins with a byte order mark: write UTF-8 without one",
    b"\xff\xfe": "UTF-16: write UTF-8",
    b"\xfe\xff": "UTF-16: write UTF-8",
    b"<": f"XML: {_PLAIN}",
}
#: Debezium's envelope always has these.
_CHANGE: Final = frozenset({"before", "after", "op"})
_NAMES: Final = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "an array"}


def _set(name: str) -> str:
    return f"set {_SETTING}={name}"


def not_json(value: bytes, error: object) -> str:
    """Return one sentence about a value that is not JSON in UTF-8.

    Args:
        value: The record's value.
        error: What the JSON decoder says.
    """
    if not value.strip():
        return "The value is empty: write the event as JSON."
    if value[0] == 0 and len(value) > _FRAME:
        return (
            f"The value is {_frame(value)}: {_set('confluent')}, or {_PLAIN}, without a schema registry's serializer."
        )
    for start, what in _STARTS.items():
        if value.startswith(start):
            return f"The value is {what}."
    known = _foreign_text(value.lstrip()) or _broken(value, str(error))
    return f"The value {known}."


def _broken(value: bytes, error: str) -> str:
    """Say why a value of no known foreign format is not JSON in UTF-8."""
    try:
        text = value.decode()
    except UnicodeDecodeError as wrong:
        return f"is not UTF-8 (byte {wrong.start}): write the event as JSON in UTF-8"
    if "out of range" in error:
        return "is JSON with a number that is too large: the largest are near 1e308"
    if not text.lstrip().startswith(("{", "[", '"')):
        printable = all(each.isprintable() or each.isspace() for each in text)
        return f"is text, but not JSON: {_EACH}" if printable else f"is binary data: {_PLAIN}"
    if _NO_NUMBER(value):
        return "has NaN or Infinity, which JSON does not have: leave the field out"
    if "truncated" in error:
        return "is JSON whose end is missing: write the whole event"
    return f"is not JSON: {error.removeprefix('JSON is malformed: ')}"


def _foreign_text(text: bytes) -> str | None:
    """Say what a text is, if it is known."""
    if text.rstrip() in (b"{", b"["):
        return f"is the beginning of JSON that goes on in other lines: {_ONE_LINE}"
    if text.startswith(b"[{"):
        return f"is the beginning of an array of JSON objects: {_ONE_LINE}"
    if text.startswith(b"{") and text[1:].lstrip().startswith(b"'"):
        return "has single quotes, as Python prints a dict: JSON has double quotes"
    for separator, name in ((b",", "commas"), (b";", "semicolons"), (b"\t", "tabs")):
        is_json = text[:1] in (b"{", b"[") or (text[:1] == b'"' and b'"' + separator + b'"' not in text)
        columns = len(text.split(separator))
        # A sentence may have one separator.
        if not is_json and text.isascii() and (columns > 2 or (columns == 2 and b" " not in text)):
            return f"is a line of CSV, separated by {name}: {_EACH}"
    return None


def too_large(value: bytes, most: int) -> str:
    """Return the text about a value with more than `most` bytes."""
    hint = f" It begins as an array of JSON does: {_ONE_LINE}." if value[:_MAX_BLANK].lstrip().startswith(b"[") else ""
    return f"The event has {len(value)} bytes; at most {most} are taken.{hint}"


def _frame(value: bytes) -> str:
    schema = int.from_bytes(value[1:_FRAME], "big")
    body = value[_FRAME:]
    if schema == 0 and len(value) > _LONG_FRAME:
        schema, body = int.from_bytes(value[1:_LONG_FRAME], "big"), value[_LONG_FRAME:]
    return f"{'a JSON' if body.lstrip().startswith(b'{') else 'an Avro'} frame of schema {schema}"


def not_framed(value: bytes) -> str:
    """Return one sentence about a value that names no schema although it should."""
    what = "is empty"
    if value:
        what = "is JSON" if value.lstrip().startswith((b"{", b"[", b'"')) else f"begins with 0x{value[0]:02x}"
    return (
        f"The value {what}, and has neither a schema registry's frame (0x00 and a schema's id) nor the header "
        "__value_schema_id: use the registry's serializer, or set VOLTEFACE_INPUT_FORMAT to what the topic holds."
    )


def not_an_object(document: object) -> str:
    """Return one sentence about JSON that is not an object."""
    if isinstance(document, str):
        return (
            "The value is JSON, but a text: an event that was encoded twice is one. Write a JSON object; for a "
            f"Debezium outbox {_set('outbox')}."
        )
    if isinstance(document, list):
        return "The value is JSON, but an array: write one JSON object for each event."
    return f"The value is JSON, but {_NAMES.get(type(document), 'null')}: write a JSON object."


def envelope(document: Mapping[str, Any]) -> str | None:
    """Return one sentence about an object that wraps an event, or None if it wraps none."""
    if document.keys() >= {"schema", "payload"}:
        payload = document["payload"]
        inner = " of a Debezium change" if isinstance(payload, dict) and payload.keys() >= _CHANGE else ""
        of_outbox = "" if inner else f"; for a Debezium outbox {_set('outbox')}"
        return (
            f"The value is a Kafka Connect envelope (schema, payload){inner}: set "
            f"value.converter.schemas.enable=false, and write the event's fields at the top{of_outbox}."
        )
    if document.keys() >= _CHANGE:
        return (
            "The value is a Debezium change (before, after, op): map each change to an event, whose fields are at the "
            "top."
        )
    if "specversion" in document and document.keys() & {"data", "data_base64"}:
        return (
            "The value is a CloudEvents envelope (specversion, data): write the event's fields at the top, or use "
            f"binary mode and {_set('cloudevents')}."
        )
    return None
