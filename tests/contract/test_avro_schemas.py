"""The Avro schemas are what the types of the contract are, and intake reads what is written with them."""

from __future__ import annotations

import datetime as dt
import json
from io import BytesIO
from typing import Any, Final

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.contract.alerts import Alert
from stream.contract.avro_schemas import avro_schema, schema_text
from stream.contract.cases import Case
from stream.intake.avro_format import AvroDecoder
from stream.intake.avro_schema import AvroSchema
from stream.intake.confluent_format import framed
from stream.intake.contract_avro import ContractReader, ContractWriter
from stream.intake.event_forms import UnknownFields
from stream.intake.identifiers import personal_data
from stream.intake.schema_cache import SchemaCache
from tests.avro_schemas import EVENTS, FOLDER, KINDS, path_of
from tests.contract.test_schemas import EXAMPLES, KIND_OF, STREAM_OF, valid

_SCHEMAS: Final = {str(kind.__struct_config__.tag): AvroSchema(schema_text(kind)) for kind in EVENTS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_what_the_type_gives(kind: type[msgspec.Struct]) -> None:
    assert path_of(kind).read_text("utf-8") == schema_text(kind), "run `.venv/bin/python -m tests.avro_schemas`"


def test_there_are_no_other_files() -> None:
    assert sorted(FOLDER.iterdir()) == sorted(map(path_of, KINDS))


def body_of(name: str, document: dict[str, Any]) -> bytes:
    """Return a document in Avro, by the published schema."""
    fields = {name: value for name, value in document.items() if name != "type"}
    for time in {"occurred_at", "muted_until"} & fields.keys():
        fields[time] = None if fields[time] is None else dt.datetime.fromisoformat(fields[time].upper())
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(avro_schema(KIND_OF[name])), fields)
    return body.getvalue()


@pytest.mark.parametrize("name", _SCHEMAS)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_intake_reads_the_same_event_from_avro_as_from_json(name: str, data: st.DataObject) -> None:
    document = data.draw(valid(name))
    for time in {"occurred_at", "muted_until"} & document.keys():
        document[time] = "2024-05-01T10:00:00.123456Z"
    values = [*document.values(), *document.get("subject", {}).values()]
    if any(isinstance(value, str) and personal_data(value) for value in values):
        return
    event = AvroDecoder(UnknownFields(refuse=True)).decode(
        STREAM_OF[name], _SCHEMAS[name], body_of(name, document), "schema 1"
    )
    assert event == msgspec.convert(document, KIND_OF[name])


def _reduced(schema: Any, removed: list[str]) -> Any:
    """Return a schema without the fields that may be absent: what an earlier version wrote."""
    if isinstance(schema, list):
        return [_reduced(each, removed) for each in schema]
    if not isinstance(schema, dict):
        return schema
    copied = {name: _reduced(value, removed) for name, value in schema.items() if name != "fields"}
    if "fields" in schema:
        removed += [f"{schema['name']}.{field['name']}" for field in schema["fields"] if "default" in field]
        copied["fields"] = [_reduced(field, removed) for field in schema["fields"] if "default" not in field]
    return copied


@pytest.mark.parametrize(("kind", "example"), [(Alert, "alert"), (Case, "case")])
def test_versions_with_more_and_with_fewer_fields_read_each_other(kind: type[msgspec.Struct], example: str) -> None:
    removed: list[str] = []
    present, earlier = avro_schema(kind), _reduced(avro_schema(kind), removed)
    assert "Evidence.products" in removed
    assert "Evidence.flips" not in removed
    cache = SchemaCache()
    cache.put(1, AvroSchema(json.dumps(earlier)))
    cache.put(2, AvroSchema(json.dumps(present)))
    for line in (EXAMPLES / f"{example}.v1.jsonl").read_bytes().splitlines():
        value = msgspec.json.decode(line, type=kind)
        written = ContractWriter(kind, 2).encode(value)
        reader = ContractReader(kind, cache)
        assert reader.decode(written) == value
        # A reader of the earlier version, by the rules of Avro, and what it writes again.
        fields = fastavro.schemaless_reader(
            BytesIO(written[5:]), fastavro.parse_schema(present), fastavro.parse_schema(earlier)
        )
        body = BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(earlier), fields)
        assert reader.decode(framed(1, body.getvalue())) == msgspec.convert(_bare(value), kind)


def _bare(value: Any) -> Any:
    """Return a value as it is without the fields that may be absent."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if not isinstance(value, msgspec.Struct):
        return value
    fields = {
        field.name: _bare(getattr(value, field.name)) for field in msgspec.structs.fields(value) if field.required
    }
    return list(fields.values()) if value.__struct_config__.array_like else fields


def test_a_field_that_avro_cannot_hold_is_an_error() -> None:
    class Unclear(msgspec.Struct):
        """Has a field of any type."""

        field: Any

    with pytest.raises(TypeError, match="Avro has no type for AnyType"):
        avro_schema(Unclear)
