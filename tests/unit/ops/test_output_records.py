"""Alerts and cases as records: both formats, by turns, and what is neither."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

import fastavro
import msgspec
import pytest

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.contract.avro_schemas import schema_text
from stream.contract.cases import Case, Position
from stream.engine.output_encoder import OutputEncoder
from stream.intake.avro_schema import AvroSchema
from stream.intake.confluent_format import framed
from stream.intake.contract_avro import OutputSchemaIds
from stream.intake.schema_cache import JsonSchema, RegistryError
from stream.ops.output_records import NotACaseError, NotAnAlertError, OutputRecords
from tests.sample_cases import decided, seller_case, staff_case

EXAMPLES: Final = Path(__file__).parents[3] / "schemas" / "examples"
ALERTS: Final = [
    msgspec.json.decode(line, type=Alert) for line in (EXAMPLES / "alert.v1.jsonl").read_bytes().splitlines()
]
CASES: Final = [
    *(msgspec.json.decode(line, type=Case) for line in (EXAMPLES / "case.v1.jsonl").read_bytes().splitlines()),
    decided(seller_case()),
    staff_case(position=Position(3, 2**40)),
]


@pytest.fixture
def records() -> OutputRecords:
    found = OutputRecords(Settings())
    cache = found._schemas.cache
    cache.put(1, AvroSchema(schema_text(Alert)))
    cache.put(2, AvroSchema(schema_text(Case)))
    cache.put(3, JsonSchema())
    other = {"type": "record", "name": "Alert", "fields": [{"name": "alert_id", "type": "string"}]}
    cache.put(5, AvroSchema(json.dumps(other)))
    cache.put_unknown(4, 1e12)
    return found


def encoder(*, avro: bool) -> OutputEncoder:
    made = OutputEncoder()
    if avro:
        made.use_avro(OutputSchemaIds(1, 2))
    return made


def test_both_formats_give_the_same_documents(records: OutputRecords) -> None:
    for avro in (False, True, False):
        for alert in ALERTS:
            value = encoder(avro=avro).alert(alert)
            assert (value[:1] == b"\x00") == avro
            assert msgspec.json.encode(records.alert(value)) == msgspec.json.encode(alert)
        for case in CASES:
            value = encoder(avro=avro).case(case)
            assert (value[:1] == b"\x00") == avro
            assert msgspec.json.encode(records.case(case.case_id, value)) == msgspec.json.encode(case)


ALERT: Final = encoder(avro=True).alert(ALERTS[0])
CASE: Final = encoder(avro=True).case(CASES[0])


OTHER_WORD: Final = msgspec.structs.replace(ALERTS[0], kind="seller.secret")


def at_no_time() -> bytes:
    """Return an alert whose time no calendar has."""
    writer = encoder(avro=True)._alerts
    assert writer is not None
    body = BytesIO()
    fields = writer._convert(msgspec.to_builtins(ALERTS[0], builtin_types=(dt.datetime,)))
    fastavro.schemaless_writer(body, writer._schema, fields | {"raised_at": 2**62})
    return framed(1, body.getvalue())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            encoder(avro=True).alert(OTHER_WORD),
            "the value is no Avro record Alert of schema 1: another version may have written it (look at kind)",
        ),
        (
            framed(5, b"\x02a"),
            "the value is no Avro record Alert of schema 5: another version may have written it (look at kind)",
        ),
        (at_no_time(), "the value is no Avro record Alert of schema 1: date value out of range"),
        (ALERT[:-1], "the value is no Avro record Alert of schema 1: "),
        (ALERT + b"x", "the value is no Avro record Alert of schema 1: 1 bytes follow the record"),
        (
            ALERT[:4] + b"\x02" + CASE[5:],
            "the value is no Avro record Alert of schema 2: it is the record volteface.v1.Case",
        ),
        (ALERT[:4] + b"\x03" + ALERT[5:], "the value is no Avro record Alert of schema 3: the schema is not Avro"),
        (ALERT[:4] + b"\x04" + ALERT[5:], "the schema registry has no schema 4: "),
        (b"\x00", "the value begins with 0x00, and has neither"),
        (None, "it has no value"),
    ],
)
def test_what_is_no_alert(records: OutputRecords, value: bytes | None, text: str) -> None:
    with pytest.raises(NotAnAlertError) as found:
        records.alert(value)
    assert str(found.value).startswith(text)
    assert not str(found.value).endswith(".")


def test_what_is_no_case(records: OutputRecords) -> None:
    wrong: list[Callable[[], Case]] = [
        lambda: records.case("other", CASE),
        lambda: records.case(CASES[0].case_id, ALERT),
        lambda: records.case(CASES[0].case_id, CASE[:-1]),
    ]
    for read in wrong:
        with pytest.raises(NotACaseError):
            read()


def test_a_record_in_avro_without_a_registry_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(RegistryError, match="VOLTEFACE_SCHEMA_REGISTRY_URL is not set: a record is in Avro"):
        OutputRecords(Settings()).alert(ALERT)
