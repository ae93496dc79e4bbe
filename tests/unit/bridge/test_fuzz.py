"""Whatever a record is, it gives events, a reason, or the schema that it needs."""

from __future__ import annotations

import os
from typing import Any, Final

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.bridge.changes import Ignored
from stream.bridge.mapping_file import Table
from stream.bridge.source_records import Source
from stream.config import Settings
from stream.intake.avro_schema import AvroSchema
from stream.intake.intake import Intake
from stream.intake.refusal import Refusal, Refused
from stream.intake.schema_cache import JsonSchema, SchemaCache, SchemaNeeded
from tests.unit.bridge.samples import mapping, records, reviews

FUZZED: Final = int(os.environ.get("VOLTEFACE_TEST_FUZZED", "400"))
_AVRO: Final = """{"type": "record", "name": "Envelope", "fields": [
    {"name": "op", "type": "string"},
    {"name": "before", "type": ["null", {"type": "record", "name": "Value", "fields": [
        {"name": "id", "type": "long"}, {"name": "seller_id", "type": "string"},
        {"name": "price", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}]},
        {"name": "created_at", "type": {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}}]}]},
    {"name": "after", "type": ["null", "Value"]}]}"""


def _schemas() -> SchemaCache:
    cache = SchemaCache()
    cache.put(1, AvroSchema(_AVRO))
    cache.put(2, JsonSchema())
    return cache


_FILES: Final = ("reviews-full", "reviews-default-schemas", "reviews-unwrapped", "extras")
_SAMPLES: Final = [source for name in _FILES for source in records(name)]
_NAMES: Final = ("op", "before", "after", "source", "id", "seller_id", "stars", "schema", "payload")
_HEADERS: Final = ((("__debezium.oldkey", b"{"),), (("__value_schema_id", b"\0"),))
_MAPPING: Final = mapping(
    [reviews("reviews"), Table("messages", "outreach.sent"), Table("rows", "contact.accessed", record="row")],
    schemas=_schemas(),
)
_INTAKE: Final = Intake(Settings(), 1)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("2025-03-01T10:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner),
    max_leaves=20,
)


@st.composite
def _mutated(draw: st.DrawFn) -> Source:
    source = draw(st.sampled_from(_SAMPLES))
    value = source.value
    way = draw(st.sampled_from(["bytes", "field", "json", "framed", "key"]))
    if way == "bytes" and value:
        at, length = draw(st.integers(0, len(value))), draw(st.integers(0, 8))
        value = value[:at] + draw(st.binary(max_size=8)) + value[at + length :]
    elif way == "field" and value:
        value = _with_other_field(draw, value)
    elif way == "json":
        value = msgspec.json.encode(_without_nan(draw(_JSON)))
    elif way == "framed":
        value = b"\0\0\0\0" + bytes([draw(st.integers(0, 3))]) + draw(st.binary(max_size=60))
    key = draw(st.none() | st.binary(max_size=20)) if way == "key" else source.key
    topic = draw(st.sampled_from(["reviews", "messages", "rows"]))
    headers = draw(
        st.sampled_from([(), source.headers, (("__debezium.oldkey", b"{"),), (("__value_schema_id", b"\0"),)])
    )
    return source._replace(topic=topic, key=key, value=value, headers=headers)


def _with_other_field(draw: st.DrawFn, value: bytes) -> bytes:
    document = msgspec.json.decode(value)
    body = document.get("payload", document)
    half = body.get(draw(st.sampled_from(["before", "after", "source"])))
    target = half if isinstance(half, dict) and half else body
    target[draw(st.sampled_from(sorted(target)))] = _without_nan(draw(_JSON))
    return msgspec.json.encode(document)


def _without_nan(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))  # NaN is null there


@given(source=_mutated())
@settings(max_examples=FUZZED, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_record_gives_events_or_a_reason(source: Source) -> None:
    try:
        found = _MAPPING.events(source)
    except Refused as refused:
        assert type(refused.reason) is Refusal
        assert 0 < len(refused.detail) <= 400
    except Ignored as ignored:
        assert ignored.reason
    except SchemaNeeded as needed:
        assert needed.schema_id not in {1, 2}
    else:
        assert found
        for made in found:
            event = _INTAKE.read(made.stream, made.value)  # the worker takes each one
            assert event.key == made.key
            assert event.occurred_at.timestamp() == made.at
