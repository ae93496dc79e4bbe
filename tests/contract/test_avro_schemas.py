"""The Avro schemas are what the types of the contract are, and intake reads what is written with them."""

from __future__ import annotations

import datetime as dt
from io import BytesIO
from typing import Any, Final

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.contract.avro_schemas import avro_schema, schema_text
from stream.intake.avro_format import AvroDecoder
from stream.intake.avro_schema import AvroSchema
from stream.intake.event_forms import UnknownFields
from stream.intake.identifiers import personal_data
from tests.avro_schemas import EVENTS, FOLDER, KINDS, path_of
from tests.contract.test_schemas import KIND_OF, STREAM_OF, valid

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
