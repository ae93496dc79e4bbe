"""A refusal says what the value is and what is wanted, for what producers really send."""

from __future__ import annotations

import json
import struct
from typing import Any, Final

import pytest

from stream.config import Settings
from stream.intake.intake import Intake
from stream.intake.refusal import Refusal, Refused
from stream.ops.event_files import head, stream_of

CREATED: Final[dict[str, Any]] = {
    "type": "review.created", "event_id": "e1", "occurred_at": "2025-03-01T10:00:00Z", "seller_id": "s1",
    "product_id": "p1", "review_id": "r1", "reviewer_id": "u1", "rating": 1,
}  # fmt: skip
OUTREACH: Final[dict[str, Any]] = {
    "type": "outreach.sent", "event_id": "e2", "occurred_at": "2025-03-01T10:00:00Z", "seller_id": "s1",
    "reviewer_id": "u1", "channel": "message",
}  # fmt: skip
_WANTED: Final = "write RFC 3339 in UTC, for example 2025-03-01T10:00:00Z"
_AVRO: Final = struct.pack(">bI", 0, 42) + b"\x0ereview\x02"

#: The field, its value, and the text about it.
FIELDS: Final = [
    ("channel", "email", "channel 'email' is not one of call, coupon, gift_card, message, public_reply,"),
    ("channel", 7, "channel is a number, not one of call, coupon"),
    ("channel", None, "channel is null: it needs a value."),
    ("incentive_value", "12.50", "incentive_value is text: write a number from 0 to 1e+09."),
    ("incentive_value", -1, "incentive_value is -1: write a number from 0 to 1e+09."),
    ("currency", "eur", "currency 'eur' is not three capital letters such as EUR."),
    ("seller_id", 4711, "seller_id is a number: write it as text, in quotes."),
    ("seller_id", "", "seller_id is empty."),
    ("seller_id", "x" * 200, "seller_id has 200 characters: at most 128 are taken."),
    ("seller_id", {"id": 1}, "seller_id is an object: write it as text, in quotes."),
    ("seller_id", None, "seller_id is null: it needs a value."),
    ("review_id", 3, "review_id is a number: write it as text, in quotes."),
    ("event_id", 12, "event_id is a number: write it as text, in quotes."),
    ("rating", "5", "rating is text: write a whole number from 1 to 5."),
    ("rating", 6, "rating is 6: write a whole number from 1 to 5."),
    ("rating", 4.5, "rating is 4.5: write a whole number from 1 to 5."),
    ("rating", True, "rating is true or false: write a whole number from 1 to 5."),
    ("verified_purchase", "yes", "verified_purchase is text: write true or false."),
    ("verified_purchase", 1, "verified_purchase is a number: write true or false."),
    ("occurred_at", 1740823200, f"occurred_at is a number: {_WANTED}."),
    ("occurred_at", 1740823200000.5, f"occurred_at is a number: {_WANTED}."),
    ("occurred_at", "1740823200", f"occurred_at '1740823200' is a number in quotes: {_WANTED}."),
    (
        "occurred_at",
        "2025-03-01 10:00:00+00",
        f"'2025-03-01 10:00:00+00' is a database's text, not RFC 3339: {_WANTED}.",
    ),
    ("occurred_at", "2025-03-01 10:00:00.123456+00:00", "is a database's text, not RFC 3339"),
    ("occurred_at", "2025-03-01T10:00:00", f"occurred_at '2025-03-01T10:00:00' has no offset from UTC: {_WANTED}."),
    ("occurred_at", "2025-03-01 10:00:00", "has no offset from UTC"),
    ("occurred_at", "2025-03-01", "is a date without a time"),
    (
        "occurred_at",
        "1 March 2025, in the morning, after breakfast and tea",
        "is not a time of RFC 3339 with an offset, from 1970 to 2999",
    ),
    ("occurred_at", "3025-03-01T10:00:00Z", "is not a time of RFC 3339 with an offset, from 1970 to 2999"),
]

#: The value of a record on the lifecycle topic, its reason, and the text.
VALUES: Final = [
    (
        b"{\r",
        Refusal.UNDECODABLE,
        "the beginning of JSON that goes on in other lines: write each event as one JSON object",
    ),
    (b"[", Refusal.UNDECODABLE, "the beginning of JSON that goes on in other lines: "),
    (
        b'[{"type":"review.created"},',
        Refusal.UNDECODABLE,
        "the beginning of an array of JSON objects: write each event",
    ),
    (
        b" [" + b'{"a":1},' * 9000 + b"1]",
        Refusal.TOO_LARGE,
        "It begins as an array of JSON does: write each event as one",
    ),
    (
        _AVRO,
        Refusal.UNDECODABLE,
        "The value is an Avro frame of schema 42: set VOLTEFACE_INPUT_FORMAT=confluent, or write the event",
    ),
    (struct.pack(">bI", 0, 7) + b' {"type":1}', Refusal.UNDECODABLE, "The value is a JSON frame of schema 7: "),
    (struct.pack(">bQ", 0, 9) + b"\x0eabc", Refusal.UNDECODABLE, "The value is an Avro frame of schema 9: "),
    (b"Obj\x01\x04\x14avro.codec", Refusal.UNDECODABLE, "The value is an Avro file: write the event as plain JSON."),
    (
        b"\x1f\x8b\x08\x00abc",
        Refusal.UNDECODABLE,
        "The value is compressed with gzip: set the producer's compression.type",
    ),
    (b"\xff\xfe{\x00", Refusal.UNDECODABLE, "The value is UTF-16: write UTF-8."),
    (b"\xef\xbb\xbf{}", Refusal.UNDECODABLE, "begins with a byte order mark: write UTF-8 without one."),
    (b"<event/>", Refusal.UNDECODABLE, "The value is XML: "),
    (
        b"{'type': 'review.created'}",
        Refusal.UNDECODABLE,
        "The value has single quotes, as Python prints a dict: JSON has double quotes.",
    ),
    (
        b"review.created,e1,2025-03-01T10:00:00Z,s1",
        Refusal.UNDECODABLE,
        "The value is a line of CSV, separated by commas: write one JSON object for each event.",
    ),
    (b"e1;s1;5;", Refusal.UNDECODABLE, "The value is a line of CSV, separated by semicolons: "),
    (b"e1\ts1\t5", Refusal.UNDECODABLE, "The value is a line of CSV, separated by tabs: "),
    (b"event_id,rating", Refusal.UNDECODABLE, "The value is a line of CSV, separated by commas: write one JSON object"),
    (b"e1;5", Refusal.UNDECODABLE, "The value is a line of CSV, separated by semicolons: "),
    (b'"e1","5"', Refusal.UNDECODABLE, "The value is a line of CSV, separated by commas: "),
    (b"hello, world", Refusal.UNDECODABLE, "The value is text, but not JSON: write one JSON object for each event."),
    (b"event_id", Refusal.UNDECODABLE, "The value is text, but not JSON: "),
    (b"1e400", Refusal.UNDECODABLE, "The value is JSON with a number that is too large: the largest are near 1e308."),
    (b'{"rating":-1e400}', Refusal.UNDECODABLE, "The value is JSON with a number that is too large: "),
    (b'{"rating":' + b"9" * 5000 + b"}", Refusal.UNDECODABLE, "The value is JSON with a number that is too large: "),
    (
        b'{"rating":NaN}',
        Refusal.UNDECODABLE,
        "The value has NaN or Infinity, which JSON does not have: leave the field",
    ),
    (
        b'{"type":"review.created"',
        Refusal.UNDECODABLE,
        "The value is JSON whose end is missing: write the whole event.",
    ),
    (b" \n", Refusal.UNDECODABLE, "The value is empty: write the event as JSON."),
    (b"", Refusal.UNDECODABLE, "The value is empty: write the event as JSON."),
    (b"{broken", Refusal.UNDECODABLE, "The value is not JSON: object keys must be strings (byte 1)."),
    (b"\x00", Refusal.UNDECODABLE, "The value is binary data: write the event as plain JSON."),
    (b"\xc3(,,", Refusal.UNDECODABLE, "The value is not UTF-8 (byte 0): write the event as JSON in UTF-8."),
    (b'{"type":"\xff"}', Refusal.UNDECODABLE, "The value is not UTF-8 (byte 9): "),
    (None, Refusal.UNDECODABLE, "The record has no value."),
    (
        json.dumps(json.dumps(CREATED)).encode(),
        Refusal.BAD_VALUE,
        "The value is JSON, but a text: an event that was encoded twice is one. Write a JSON object; for a Debezium "
        "outbox set VOLTEFACE_INPUT_FORMAT=outbox.",
    ),
    (b"[{}]", Refusal.BAD_VALUE, "The value is JSON, but an array: write one JSON object for each event."),
    (b"12", Refusal.BAD_VALUE, "The value is JSON, but a number: write a JSON object."),
    (b"null", Refusal.BAD_VALUE, "The value is JSON, but null: write a JSON object."),
    (b"true", Refusal.BAD_VALUE, "The value is JSON, but true or false: write a JSON object."),
    (
        json.dumps({"schema": {}, "payload": CREATED}).encode(),
        Refusal.MISSING_FIELD,
        "The value is a Kafka Connect envelope (schema, payload): set value.converter.schemas.enable=false",
    ),
    (
        json.dumps({"schema": {}, "payload": {"before": None, "after": {}, "op": "c"}}).encode(),
        Refusal.MISSING_FIELD,
        "envelope (schema, payload) of a Debezium change: ",
    ),
    (
        json.dumps({"before": None, "after": {}, "op": "c", "ts_ms": 1}).encode(),
        Refusal.MISSING_FIELD,
        "The value is a Debezium change (before, after, op): map each change to an event",
    ),
    (
        json.dumps({"specversion": "1.0", "type": "review.created.v1", "data": CREATED}).encode(),
        Refusal.UNKNOWN_TYPE,
        "The value is a CloudEvents envelope (specversion, data): ",
    ),
    (
        b"{}",
        Refusal.MISSING_FIELD,
        "The event has no type; this topic carries review.created, review.edited, review.deleted, ",
    ),
]


def _refused(stream: int, value: bytes | None) -> Refused:
    with pytest.raises(Refused) as refused:
        Intake(Settings(), 4).read(stream, value)
    return refused.value


@pytest.mark.parametrize(("field", "value", "text"), FIELDS)
def test_a_field_is_named_with_what_it_is_and_what_is_wanted(field: str, value: Any, text: str) -> None:
    base, stream = (CREATED, 0) if field in CREATED or field == "verified_purchase" else (OUTREACH, 1)
    refused = _refused(stream, json.dumps(base | {field: value}).encode())
    assert refused.reason == Refusal.BAD_VALUE
    assert text in refused.detail
    assert refused.detail.startswith(field)
    assert refused.detail.endswith(".")
    assert "breakfast" not in refused.detail, "a quotation is bounded"


@pytest.mark.parametrize(("value", "reason", "text"), VALUES)
def test_a_foreign_format_is_named(value: bytes | None, reason: Refusal, text: str) -> None:
    refused = _refused(0, value)
    assert (refused.reason, refused.detail[: len(text)] if text.startswith("The") else text) == (reason, text)
    assert text in refused.detail
    assert refused.detail.endswith(".")


def test_no_text_repeats_an_id() -> None:
    for field in ("seller_id", "review_id", "product_id", "reviewer_id", "event_id"):
        for value in (990_011_223, "mail me at a@example.org " * 9, ["990011223"], {"990011223": 1}):
            detail = _refused(0, json.dumps(CREATED | {field: value}).encode()).detail
            assert "990011223" not in detail
            assert "example" not in detail


def test_a_wrong_optional_field_that_is_null_is_told_to_be_left_out() -> None:
    """Null is a value that optional fields take; this is what a required one is told."""
    assert Intake(Settings(), 4).read(0, json.dumps(CREATED | {"verified_purchase": None}).encode()) is not None


def test_a_file_line_with_a_numeric_seller_goes_to_the_stream_of_its_type() -> None:
    line = json.dumps(OUTREACH | {"seller_id": 4711}).encode()
    assert stream_of(head(line).type) == 1
    assert head(line).seller_id is None
    assert "seller_id is a number" in _refused(1, line).detail
    for other in (b"[1]", b'{"type":1,', b'{"type":1}', b"[" * 100_000):
        assert head(other).type == ""
