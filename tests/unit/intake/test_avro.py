"""Avro: types, times and numbers of a producer's own schema, and schemas and bytes that cannot be used."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from io import BytesIO
from typing import Any, Final

import fastavro
import pytest

from stream.contract.events import Event, OutreachSent, ReviewCreated
from stream.intake.avro_format import AvroDecoder, type_of
from stream.intake.avro_schema import AvroSchema, UnusableSchemaError
from stream.intake.event_forms import UnknownFields
from stream.intake.refusal import Refusal, Refused

AT: Final = dt.datetime(2025, 3, 1, 10, 0, 0, 123456, dt.UTC)
MICROS: Final = {"type": "long", "logicalType": "timestamp-micros"}
CREATED: Final[dict[str, Any]] = {
    "event_id": "e1", "occurred_at": AT, "seller_id": "s1", "review_id": "r1", "product_id": "p1", "reviewer_id": "u1",
    "rating": 2,
}  # fmt: skip


def field(name: str, kind: Any = "string") -> dict[str, Any]:
    return {"name": name, "type": kind}


def record(*fields: dict[str, Any], name: str = "ReviewCreated") -> dict[str, Any]:
    """Return a schema of a created review; the given fields replace its own of the same name, or follow them."""
    own: dict[str, Any] = dict.fromkeys(CREATED, "string") | {"occurred_at": MICROS, "rating": "int"}
    own |= {each["name"]: each["type"] for each in fields}
    return {"type": "record", "name": name, "fields": [field(*each) for each in own.items()]}


def body_of(schema: Any, value: Any) -> bytes:
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), value)
    return body.getvalue()


def decode(schema: Any, value: Any, stream: int = 0, refuse_unknown: bool = False) -> Event:
    text = json.dumps(schema)
    decoder = AvroDecoder(UnknownFields(refuse_unknown))
    return decoder.decode(stream, AvroSchema(text), body_of(schema, value), "schema 7")


def refused(schema: Any, value: Any, stream: int = 0) -> Refused:
    with pytest.raises(Refused) as found:
        decode(schema, value, stream, refuse_unknown=True)
    return found.value


def at_of(kind: Any, value: Any) -> dt.datetime:
    return decode(record(field("occurred_at", kind)), CREATED | {"occurred_at": value}).occurred_at


def test_a_record_is_the_event_that_its_name_says() -> None:
    event = decode(record(), CREATED)
    assert event == ReviewCreated(**CREATED)
    assert type_of("shop.reviews.v1.ReviewCreated") == type_of("shop.review_created") == "review.created"
    assert type_of("review.created") == type_of("REVIEW_CREATED") == "review.created"
    assert type_of("shop.Created") is None


def test_the_field_type_counts_more_than_the_name() -> None:
    schema = record(field("type"), name="Anything")
    assert isinstance(decode(schema, CREATED | {"type": "review.created"}), ReviewCreated)
    of_enum = record(field("type", {"type": "enum", "name": "T", "symbols": ["review_created"]}))
    assert refused(of_enum, CREATED | {"type": "review_created"}).reason is Refusal.UNKNOWN_TYPE
    found = refused(record(name="Created"), CREATED)
    assert (found.reason, "record Created" in found.detail) == (Refusal.MISSING_FIELD, True)
    assert refused(record(), CREATED, stream=1).reason is Refusal.UNKNOWN_TYPE


def test_a_union_of_records_has_the_type_of_its_branch() -> None:
    sent = {
        "type": "record", "name": "OutreachSent",
        "fields": [field(name) for name in ("event_id", "seller_id", "reviewer_id", "channel")] + [
            field("occurred_at", MICROS)],
    }  # fmt: skip
    union = ["null", record(), sent]
    contact = {"event_id": "e", "seller_id": "s", "reviewer_id": "u", "channel": "refund", "occurred_at": AT}
    assert isinstance(decode(union, contact, stream=1), OutreachSent)
    assert decode(union, CREATED) == ReviewCreated(**CREATED)
    assert refused(union, None).reason is Refusal.UNDECODABLE
    decoder, schema = AvroDecoder(UnknownFields(True)), AvroSchema(json.dumps(union))
    for body in (b"", b"\x06", b"\x01", b"\x80\x01"):
        with pytest.raises(Refused, match="no branch of the union"):
            decoder.decode(0, schema, body, "schema 7")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (MICROS, AT),
        ({"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}, round(AT.timestamp() * 1_000_000)),
        ({"type": "long", "connect.name": "io.debezium.time.NanoTimestamp"}, round(AT.timestamp() * 1_000_000) * 1000),
        (["null", MICROS], AT),
        ("string", "2025-03-01T11:00:00.123456+01:00"),
        (["string", MICROS], AT),
    ],
)
def test_a_time_of_any_unit_is_the_same_instant(kind: Any, value: Any) -> None:
    assert at_of(kind, value) == AT
    assert at_of({"type": "long", "logicalType": "timestamp-millis"}, AT) == AT.replace(microsecond=123000)
    far = dt.datetime(2999, 12, 31, 23, 59, 59, 999999, dt.UTC)
    assert at_of(MICROS, far) == far


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("long", 1740823200123, "occurred_at is a number without a unit: give it the logical type"),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, 1740823200123456, "without a unit"),
        ("double", 1740823200.5, "without a unit"),
        ("string", "2025-03-01 10:00:00", "has no offset from UTC"),
        (MICROS, -1, "not a time from 1970 to 2999"),
        (MICROS, 2**62, "not a time from 1970 to 2999"),
        (["null", MICROS], None, "occurred_at is null"),
        ("bytes", b"2025", "occurred_at is bytes"),
    ],
)
def test_a_time_that_says_no_instant_is_refused(kind: Any, value: Any, text: str) -> None:
    found = refused(record(field("occurred_at", kind)), CREATED | {"occurred_at": value})
    assert found.reason is Refusal.BAD_VALUE
    assert text in found.detail


def test_decimals_uuids_enums_and_nulls() -> None:
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    channel = {"type": "enum", "name": "Channel", "symbols": ["message", "refund"]}
    schema = {
        "type": "record", "name": "OutreachSent",
        "fields": [
            field("event_id", {"type": "string", "logicalType": "uuid"}), field("occurred_at", MICROS),
            field("seller_id"), field("reviewer_id"), field("channel", channel),
            field("incentive_value", ["null", decimal]), field("currency", ["null", "string"]),
        ],
    }  # fmt: skip
    name = "0190a3f5-6b1e-7c3a-9d2e-1234567890ab"
    value: dict[str, Any] = {
        "event_id": name,
        "occurred_at": AT,
        "seller_id": "s",
        "reviewer_id": "u",
        "channel": "refund",
    }
    found = decode(schema, value | {"incentive_value": Decimal("12.50"), "currency": "EUR"}, 1, refuse_unknown=True)
    assert found == OutreachSent(**value, incentive_value=12.5, currency="EUR")
    assert decode(schema, value | {"incentive_value": None, "currency": None}, 1) == OutreachSent(**value)
    double = schema | {"fields": [*schema["fields"][:5], field("incentive_value", "double")]}
    assert "not a finite number" in refused(double, value | {"incentive_value": float("nan")}, 1).detail


@pytest.mark.parametrize(
    ("own", "value", "reason", "text"),
    [
        (field("rating", "long"), {"rating": 9}, Refusal.BAD_VALUE, "rating is 9: write a whole number from 1 to 5."),
        (field("review_id", "long"), {"review_id": 9}, Refusal.BAD_VALUE, "review_id is a number: write it as text"),
        (field("review_id"), {"review_id": "a@example.com"}, Refusal.PERSONAL_DATA, "review_id looks like an e-mail"),
        (field("stars", "int"), {"stars": 9}, Refusal.BAD_VALUE, "review.created has no field 'stars'."),
    ],
)
def test_the_checks_are_those_of_json(own: dict[str, Any], value: Any, reason: Refusal, text: str) -> None:
    found = refused(record(own), CREATED | value)
    assert (found.reason, found.detail[: len(text)]) == (reason, text)


def test_a_missing_field_is_named() -> None:
    schema = record()
    schema["fields"] = [each for each in schema["fields"] if each["name"] != "rating"]
    assert str(refused(schema, CREATED)) == "missing_field: review.created lacks rating."


def test_further_fields_are_dropped_and_counted() -> None:
    unknown = UnknownFields(refuse=False)
    schema = record(
        field("tags", {"type": "array", "items": "string"}), field("price", {"type": "map", "values": "int"})
    )
    body = body_of(schema, CREATED | {"tags": ["a"], "price": {"a": 1}})
    for number in range(1, 3):
        event = AvroDecoder(unknown).decode(0, AvroSchema(json.dumps(schema)), body, "schema 7")
        assert event == ReviewCreated(**CREATED)
        assert unknown.count == number


def test_a_schema_may_refer_to_others() -> None:
    amount = {"type": "record", "name": "Amount", "namespace": "shop", "fields": [field("cents", "long")]}
    text = json.dumps(record(field("price", "shop.Amount"), field("was", ["null", "shop.Amount"])))
    whole = record(field("price", amount), field("was", ["null", "shop.Amount"]))
    body = body_of(whole, CREATED | {"price": {"cents": 5}, "was": {"cents": 6}})
    schema = AvroSchema(text, [json.dumps(amount)])
    assert AvroDecoder(UnknownFields(False)).decode(0, schema, body, "schema 7") == ReviewCreated(**CREATED)
    with pytest.raises(UnusableSchemaError, match=r"fastavro cannot parse it: .*shop\.Amount"):
        AvroSchema(text)


def test_a_body_of_another_schema_is_refused() -> None:
    body, schema = body_of(record(), CREATED), AvroSchema(json.dumps(record()))
    for wrong in (b"", body[:-1], body + b"\x00", b"\x01" + body, b"\xff" * 40, b"\x04\xff\xff" + body[3:]):
        with pytest.raises(Refused, match=r"no Avro record of schema 7 \(.+\): was it written with another") as found:
            AvroDecoder(UnknownFields(False)).decode(0, schema, wrong, "schema 7")
        assert found.value.reason is Refusal.UNDECODABLE


def nested(depth: int) -> Any:
    kind: Any = "string"
    for number in range(depth):
        kind = {"type": "record", "name": f"R{number}", "fields": [field("a", kind)]}
    return kind


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (record(field("next", ["null", "ReviewCreated"])), "its type ReviewCreated contains itself"),
        (record(field("all", {"type": "array", "items": "null"})), "an array whose items take no bytes"),
        (
            record(field("all", {"type": "array", "items": {"type": "record", "name": "E", "fields": []}})),
            "an array whose items take no bytes",
        ),
        (record(field("deep", nested(33))), "nested too deeply"),
        (record(field("deep", nested(60))), "too large or nested too deeply"),
        (record(*(field(f"f{number}") for number in range(4000))), "too large"),
        ("string", "neither a record nor a union of records"),
        (["null", "int"], "neither a record nor a union of records"),
        ([record(name=f"A{number}") for number in range(65)], "a union of more than 64 types"),
        ({"type": "record", "fields": []}, "fastavro cannot parse it"),
        ({"type": "recrod", "name": "A"}, "fastavro cannot parse it"),
        ({"name": "A"}, "fastavro cannot parse it"),
        (record(field("a", 7)), "fastavro cannot parse it"),
    ],
)
def test_a_schema_that_no_record_can_be_read_with(schema: Any, why: str) -> None:
    with pytest.raises(UnusableSchemaError, match=why):
        AvroSchema(json.dumps(schema))
    with pytest.raises(UnusableSchemaError, match="not JSON"):
        AvroSchema(json.dumps(schema)[:-1] + "\x00")
