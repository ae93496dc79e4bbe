"""The formats of the input topics: Confluent's frames and headers, Debezium's outbox, CloudEvents in binary mode."""

from __future__ import annotations

import datetime as dt
import json
import os
from io import BytesIO
from typing import Any, Final
from uuid import UUID

import fastavro
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stream.config import InputFormat, Settings, SettingsError, load
from stream.contract.avro_schemas import avro_schema, schema_text
from stream.contract.events import VERDICTS, Event
from stream.intake.avro_schema import AvroSchema
from stream.intake.decoder import Headers
from stream.intake.intake import Intake
from stream.intake.partition import partition_of
from stream.intake.refusal import Refusal, Refused
from stream.intake.registered_schema import registered_schema
from stream.intake.schema_cache import (
    MAX_SCHEMAS,
    UNKNOWN_SECONDS,
    JsonSchema,
    SchemaCache,
    SchemaNeeded,
    UnusableSchema,
)
from tests.contract.test_schemas import KIND_OF

#: Mutated records for each format; the whole number is for a run of hours.
FUZZED: Final = int(os.environ.get("VOLTEFACE_TEST_FUZZED", "400"))
EVENT: Final[dict[str, Any]] = {
    "type": "review.created", "event_id": "e1", "occurred_at": "2025-03-01T10:00:00Z", "seller_id": "s1",
    "product_id": "p1", "review_id": "r1", "reviewer_id": "u1", "rating": 1,
}  # fmt: skip
JSON: Final = json.dumps(EVENT).encode()
EXPECTED: Final = Intake(Settings(), 1).read(0, JSON)
GUID: Final = UUID(int=77)


def avro() -> bytes:
    body = BytesIO()
    kind = KIND_OF["review.created"]
    fields = EVENT | {"occurred_at": dt.datetime(2025, 3, 1, 10, tzinfo=dt.UTC)}
    fastavro.schemaless_writer(body, fastavro.parse_schema(avro_schema(kind)), fields)
    return body.getvalue()


AVRO: Final = avro()


def schemas() -> SchemaCache:
    cache = SchemaCache()
    cache.put(1, AvroSchema(schema_text(KIND_OF["review.created"])))
    cache.put(2, JsonSchema())
    cache.put(3, registered_schema(3, "PROTOBUF", 'syntax = "proto3";', []))
    cache.put(4, registered_schema(4, "AVRO", '"string"', []))
    cache.put(GUID, AvroSchema(schema_text(KIND_OF["review.created"])))
    cache.put_unknown(5, 0.0)
    return cache


def intake_of(name: InputFormat, **more: Any) -> Intake:
    given = {"input_format": name, "schema_registry_url": "http://registry"} | more
    return Intake(Settings.model_validate(given), 1, schemas())


def frame(schema_id: int) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big")


def decode(intake: Intake, value: bytes | None, headers: Headers = ()) -> Event:
    return intake.decode(0, partition_of(b"s1", 1), b"s1", value, 2e9, headers)[1]


def refused(intake: Intake, value: bytes | None, headers: Headers = ()) -> Refused:
    with pytest.raises(Refused) as found:
        decode(intake, value, headers)
    return found.value


def without(*names: str) -> bytes:
    return json.dumps({name: value for name, value in EVENT.items() if name not in names}).encode()


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (frame(1) + AVRO, ()),
        (frame(2) + JSON, ()),
        (AVRO, [("__value_schema_id", frame(1))]),
        (AVRO, [("__value_schema_id", b"\x01" + GUID.bytes)]),
        (JSON, [("other", None), ("__value_schema_id", frame(9)), ("__value_schema_id", frame(2))]),
    ],
)
def test_values_that_name_their_schema(value: bytes, headers: Headers) -> None:
    assert decode(intake_of("confluent"), value, headers) == EXPECTED


@pytest.mark.parametrize(
    ("value", "headers", "reason", "text"),
    [
        (None, (), Refusal.UNDECODABLE, "The record has no value."),
        (b"", (), Refusal.UNDECODABLE, "The value is empty, and has neither"),
        (JSON, (), Refusal.UNDECODABLE, "The value is JSON, and has neither a schema registry's frame"),
        (b"Obj\x01abc", (), Refusal.UNDECODABLE, "The value begins with 0x4f, and has neither"),
        (b"\x00\x00\x00", (), Refusal.UNDECODABLE, "The value begins with 0x00, and has neither"),
        (frame(0) + b"\x00\x00\x00\x01" + AVRO, (), Refusal.UNDECODABLE, "The value's frame has an id of 8 bytes"),
        (frame(3) + AVRO, (), Refusal.UNDECODABLE, "Schema 3 is of the type PROTOBUF: Volteface reads AVRO and JSON."),
        (frame(4) + AVRO, (), Refusal.UNDECODABLE, "Schema 4 cannot be used: it is neither a record nor a union"),
        (frame(5) + AVRO, (), Refusal.UNKNOWN_SCHEMA, "The schema registry has no schema 5: "),
        (frame(2) + AVRO, (), Refusal.UNDECODABLE, "The value is"),
        (frame(1) + JSON, (), Refusal.UNDECODABLE, "The value is no Avro record of schema 1 ("),
        (AVRO, [("__value_schema_id", None)], Refusal.UNDECODABLE, "The value begins with"),
        (AVRO, [("__value_schema_id", b"7")], Refusal.UNDECODABLE, "The header __value_schema_id is neither"),
        (frame(1) + b"x" * 70_000, (), Refusal.TOO_LARGE, "The event has 70005 bytes"),
    ],
)
def test_values_that_name_no_usable_schema(value: bytes | None, headers: Headers, reason: Refusal, text: str) -> None:
    found = refused(intake_of("confluent"), value, headers)
    assert (found.reason, found.detail[: len(text)]) == (reason, text)


def test_a_schema_that_was_not_fetched_is_needed() -> None:
    for value, headers, schema_id in (
        (frame(6) + AVRO, (), 6),
        (AVRO, [("__value_schema_id", b"\x01" + UUID(int=1).bytes)], UUID(int=1)),
    ):
        with pytest.raises(SchemaNeeded) as needed:
            decode(intake_of("confluent"), value, headers)
        assert needed.value.schema_id == schema_id


def test_the_cache_drops_the_schema_that_was_not_used_for_the_longest_time() -> None:
    cache = SchemaCache()
    for schema_id in range(MAX_SCHEMAS):
        cache.put(schema_id, JsonSchema())
    cache.get(0)
    cache.put(-1, JsonSchema())
    assert (len(cache), 0 in cache, 1 in cache) == (MAX_SCHEMAS, True, False)


def test_an_unknown_id_is_forgotten_after_a_while_and_a_schema_never() -> None:
    cache = schemas()
    cache.put_unknown(6, 5.0)
    cache.expire(UNKNOWN_SECONDS - 0.1)
    assert 5 in cache
    cache.expire(UNKNOWN_SECONDS + 0.1)
    assert (5 in cache, 6 in cache, 1 in cache) == (False, True, True)
    cache.put(6, JsonSchema())  # it was registered meanwhile
    cache.expire(1e9)
    assert 6 in cache


VERDICT: Final[dict[str, Any]] = {
    "event_id": "v1",
    "occurred_at": "2025-03-01T10:00:00.123456Z",
    "case_id": "c1",
    "subject": {"type": "seller", "id": "s1"},
    "verdict": "confirmed",
    "analyst_id": "ana",
    "muted_until": "2025-06-01T10:00:00Z",
}


def verdict_in_avro() -> bytes:
    times = {name: dt.datetime.fromisoformat(VERDICT[name]) for name in ("occurred_at", "muted_until")}
    body = BytesIO()
    schema = fastavro.parse_schema(avro_schema(KIND_OF["verdict.recorded"]))
    fastavro.schemaless_writer(body, schema, VERDICT | times)
    return body.getvalue()


@pytest.mark.parametrize("name", ["confluent", "verdicts=confluent"])
def test_verdicts_are_avro_or_json_by_turns(name: str) -> None:
    cache = schemas()
    cache.put(7, AvroSchema(schema_text(KIND_OF["verdict.recorded"])))
    intake = Intake(Settings.model_validate({"input_format": name, "schema_registry_url": "http://registry"}), 1, cache)
    plain = json.dumps({"type": "verdict.recorded"} | VERDICT).encode()
    expected = msgspec.json.decode(plain, type=KIND_OF["verdict.recorded"])
    records: list[tuple[bytes, Headers]] = [
        (plain, ()),
        (frame(7) + verdict_in_avro(), ()),
        (verdict_in_avro(), [("__value_schema_id", frame(7))]),
        (frame(2) + plain, ()),
        (plain, [("other", None)]),
    ]
    for value, headers in records:
        assert intake.decode(VERDICTS, 0, b"s1", value, 2e9, headers)[1] == expected
    with pytest.raises(Refused, match="The value is no Avro record of schema 7"):
        intake.decode(VERDICTS, 0, b"s1", frame(7) + plain, 2e9)
    with pytest.raises(Refused, match="The value is an Avro frame of schema 7: set VOLTEFACE_INPUT_FORMAT=confluent"):
        intake_of("json").decode(VERDICTS, 0, b"s1", frame(7) + verdict_in_avro(), 2e9)


def wrapped(payload: object) -> bytes:
    return json.dumps({"schema": {"type": "struct", "fields": []}, "payload": payload}).encode()


@pytest.mark.parametrize("value", [JSON, json.dumps(JSON.decode()).encode(), wrapped(EVENT), wrapped(JSON.decode())])
def test_every_shape_of_an_outbox(value: bytes) -> None:
    assert decode(intake_of("outbox"), value) == EXPECTED


def test_headers_of_an_outbox_count_only_where_the_event_lacks_a_field() -> None:
    intake, headers = intake_of("outbox"), [("id", b"e1"), ("eventType", b'"review.created"')]
    for value in (
        without("type"),
        without("type", "event_id"),
        b" " + without("type"),
        wrapped(json.loads(without("type"))),
    ):
        assert decode(intake, value, headers) == EXPECTED
    assert decode(intake, JSON, [("id", b"other"), ("eventType", b"review.edited")]) == EXPECTED
    assert refused(intake, without("event_id"), [("id", b"\xff")]).reason is Refusal.MISSING_FIELD
    assert refused(intake, b"{}", headers).detail == "review.created lacks occurred_at."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "The record has no value: the outbox's column `payload` was null."),
        (b"null", "The value is JSON, but null"),
        (b'{"before":null,"after":{},"op":"c"}', "The value is a Debezium change (before, after, op)"),
        (b'{"schema":1,"payload":', "The value is JSON whose end is missing"),
        (json.dumps("{").encode(), "The value is the beginning of JSON"),
        (
            b"\x00\x00\x00\x00\x01" + AVRO,
            "The value is an Avro frame of schema 1: set VOLTEFACE_INPUT_FORMAT=confluent",
        ),
    ],
)
def test_what_is_no_event_of_an_outbox(value: bytes | None, text: str) -> None:
    assert refused(intake_of("outbox"), value).detail.startswith(text)


def ce(**more: bytes | None) -> list[tuple[str, bytes | None]]:
    headers: dict[str, bytes | None] = {"specversion": b"1.0", "id": b"e1", "source": b"/shop", **more}
    return [*(("ce_" + name, content) for name, content in headers.items()), ("content-type", b"application/json")]


@pytest.mark.parametrize("kind", [b"review.created", b"com.shop.review.created", b"com.shop.review.created.v1"])
def test_attributes_of_a_cloud_event_count_where_the_event_lacks_a_field(kind: bytes) -> None:
    intake, headers = intake_of("cloudevents"), ce(type=kind, time=b"2025-03-01T10:00:00Z")
    for value in (JSON, without("type"), without("type", "event_id", "occurred_at")):
        assert decode(intake, value, headers) == EXPECTED
    assert decode(intake, JSON, ce(type=b"other", id=b"other", time=b"1999")) == EXPECTED


@pytest.mark.parametrize(
    ("value", "headers", "reason", "text"),
    [
        (None, ce(), Refusal.UNDECODABLE, "The record has no value"),
        (JSON, (), Refusal.UNDECODABLE, "The record has no header ce_specversion"),
        (JSON, ce(specversion=b"0.3"), Refusal.UNDECODABLE, "ce_specversion is '0.3': versions 1.x are read."),
        (
            b"{}", [("content-type", b"application/cloudevents+json; charset=UTF-8")], Refusal.UNDECODABLE,
            "The record is a CloudEvent in structured mode",
        ),
        (AVRO, [*ce(), ("content-type", b"application/avro")], Refusal.UNDECODABLE, "The header content-type is "),
        (without("type"), ce(type=b"review.liked"), Refusal.UNKNOWN_TYPE, "type is 'review.liked'"),
        (without("type"), ce(), Refusal.MISSING_FIELD, "The event has no type"),
        (without("event_id"), ce(id=b"x" * 65), Refusal.BAD_VALUE, "event_id has 65 characters"),
        (without("occurred_at"), ce(time=b"yesterday"), Refusal.BAD_VALUE, "occurred_at 'yesterday' is not a time"),
    ],
)  # fmt: skip
def test_what_is_no_cloud_event(value: bytes | None, headers: Headers, reason: Refusal, text: str) -> None:
    found = refused(intake_of("cloudevents"), value, headers)
    assert (found.reason, found.detail[: len(text)]) == (reason, text)


def test_files_hold_json_whatever_the_format_of_the_topics() -> None:
    assert intake_of("confluent").read(0, JSON) == EXPECTED


def test_each_input_may_have_a_format_of_its_own() -> None:
    assert Settings(input_format="outbox").input_formats == ("outbox", "outbox", "outbox", "json")
    assert Settings(input_format="confluent").input_formats == ("confluent",) * 4
    assert Settings(input_format="verdicts=confluent").input_formats == ("json", "json", "json", "confluent")
    mixed = Settings(input_format="lifecycle=confluent, access=cloudevents")
    assert mixed.input_formats == ("confluent", "json", "cloudevents", "json")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"INPUT_FORMAT": "avro"}, "'avro' is not one of json, confluent, outbox, cloudevents"),
        ({"INPUT_FORMAT": "verdicts=outbox"}, "verdicts are not outbox: they are confluent or json"),
        (
            {"INPUT_FORMAT": "access=json,access=json"},
            "'access=json' is not one of lifecycle, outreach, access, verdicts (each once)",
        ),
        ({"OUTPUT_FORMAT": "avro"}, "VOLTEFACE_SCHEMA_REGISTRY_URL is not set: VOLTEFACE_OUTPUT_FORMAT=avro needs it"),
        ({"OUTPUT_FORMAT": "confluent"}, "VOLTEFACE_OUTPUT_FORMAT='confluent' cannot be used: Input should be 'json'"),
        ({"INPUT_FORMAT": "confluent"}, "VOLTEFACE_SCHEMA_REGISTRY_URL is not set: VOLTEFACE_INPUT_FORMAT=confluent"),
        ({"SCHEMA_REGISTRY_URL": "registry:8081"}, "it is not http://host:port/path"),
        ({"SCHEMA_REGISTRY_URL": "http://me:secret@registry"}, "URL=(hidden) cannot be used: it contains a user"),
        ({"SCHEMA_REGISTRY_USER": "me"}, "VOLTEFACE_SCHEMA_REGISTRY_PASSWORD is not set: the other one is"),
    ],
)
def test_a_wrong_setting_is_one_line(given: dict[str, str], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"VOLTEFACE_{name}", value)
    with pytest.raises(SettingsError) as found:
        load()
    assert text in str(found.value)
    assert "secret@" not in str(found.value)


@st.composite
def mutated(draw: st.DrawFn, *values: bytes) -> bytes:
    """Draw a value with some bytes changed, cut out or put in."""
    value = draw(st.sampled_from(values))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(value)))
        kept = draw(st.integers(at, min(len(value), at + 8)))
        value = value[:at] + draw(st.binary(max_size=4)) + value[kept:]
    return value


_SHAPES: Final = (JSON, json.dumps(JSON.decode()).encode(), wrapped(EVENT), frame(1) + AVRO, frame(2) + JSON, AVRO)
_HEADERS: Final = st.lists(
    st.tuples(
        st.sampled_from(["__value_schema_id", "id", "eventType", "ce_id", "ce_type", "ce_time", "content-type"]),
        st.none() | mutated(frame(1), b"\x01" + GUID.bytes, b"review.created", b'"e1"', b"application/json"),
    ),
    max_size=4,
)


@pytest.mark.parametrize("name", ["confluent", "outbox", "cloudevents"])
@given(value=mutated(*_SHAPES), headers=_HEADERS, specversion=st.booleans())
@example(value=frame(1) + b"\x80" * 100, headers=[], specversion=False)
@example(value=b'{"payload":' * 3000, headers=[("id", b"e1")], specversion=False)
@settings(max_examples=FUZZED, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_record_is_an_event_or_refused_or_needs_a_schema(
    name: InputFormat, value: bytes, headers: list[tuple[str, bytes | None]], specversion: bool
) -> None:
    if specversion:
        headers = [*headers, ("ce_specversion", b"1.0")]
    try:
        event = decode(INTAKES[name], value, headers)
    except Refused as outcome:
        assert type(outcome.reason) is Refusal
        assert 0 < len(outcome.detail) <= 400
    except SchemaNeeded as needed:
        assert name == "confluent"
        assert needed.schema_id not in schemas()
    else:
        assert type(event) in (KIND_OF["review.created"], KIND_OF["review.edited"], KIND_OF["review.deleted"])
        assert Intake(Settings(), 1).read(0, msgspec.json.encode(event)) == event


@given(
    text=mutated(schema_text(KIND_OF["review.created"]).encode(), schema_text(KIND_OF["outreach.sent"]).encode()),
    body=mutated(AVRO),
)
@example(
    text=b'{"type":"record","name":"A","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":"x"}}]}', body=b""
)
@example(text=b'{"type":"record","name":"A","fields":[{"name":"a","type":{"type":"enum","name":"F"}}]}', body=b"")
@settings(max_examples=FUZZED, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_text_of_a_schema_is_a_schema_or_unusable(text: bytes, body: bytes) -> None:
    schema = registered_schema(1, "AVRO", text.decode(errors="replace"), [])
    if isinstance(schema, AvroSchema):
        INTAKES["confluent"]._decoders[0]._schemas.put(8, schema)  # type: ignore[attr-defined]  # of this decoder
        try:
            decode(INTAKES["confluent"], frame(8) + body)
        except Refused as outcome:
            assert 0 < len(outcome.detail) <= 400
    else:
        assert isinstance(schema, UnusableSchema)


INTAKES: Final = {name: intake_of(name) for name in ("confluent", "outbox", "cloudevents")}
