"""What decoding an event costs in each input format, beside plain JSON: `python -m tests.bench.formats`.

The whole of intake is measured: decoding, checks of ids, key, partition and time. All formats hold the same event.
Their rounds alternate, and the quickest one counts: other work of the machine does not.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from io import BytesIO
from typing import Any, Final, NamedTuple

import fastavro

from stream.config import InputFormat, Settings
from stream.contract.avro_schemas import avro_schema, schema_text
from stream.contract.events import ReviewEdited
from stream.intake.avro_schema import AvroSchema
from stream.intake.decoder import Headers
from stream.intake.intake import Intake
from stream.intake.partition import partition_of
from stream.intake.schema_cache import JsonSchema, SchemaCache

_PARTITIONS: Final = 4
_ROUNDS: Final = 500
_EVENTS: Final = 200
_EVENT: Final[dict[str, Any]] = {
    "type": "review.edited", "event_id": "0190a3f5-6b1e-7c3a-9d2e-1234567890ab",
    "occurred_at": "2025-03-03T18:00:00.123456Z", "seller_id": "seller-0011", "product_id": "product-00123",
    "review_id": "review-0012345", "reviewer_id": "reviewer-0099", "rating": 5, "previous_rating": 1,
    "marketplace": "DE",
}  # fmt: skip
_KEY: Final = b"seller-0011"
_JSON: Final = json.dumps(_EVENT).encode()


class Case(NamedTuple):
    """The event in one shape."""

    name: str
    format: InputFormat
    value: bytes
    headers: Headers = ()


def _avro() -> bytes:
    body = BytesIO()
    fields = _EVENT | {"occurred_at": dt.datetime.fromisoformat(_EVENT["occurred_at"])}
    fastavro.schemaless_writer(body, fastavro.parse_schema(avro_schema(ReviewEdited)), fields)
    return body.getvalue()


def cases() -> list[Case]:
    """Return the event in all shapes, plain JSON first."""
    fields = [{"type": "string", "optional": False, "field": name} for name in _EVENT]
    connect = {"schema": {"type": "struct", "fields": fields, "optional": False}}
    headers = [("id", b"e-1"), ("eventType", b"review.edited")]
    untyped = json.dumps({name: value for name, value in _EVENT.items() if name != "type"}).encode()
    attributes = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e-1"),
        ("ce_type", b"shop.review.edited"),
        ("ce_source", b"/"),
    ]
    return [
        Case("json", "json", _JSON),
        Case("confluent: JSON", "confluent", b"\x00\x00\x00\x00\x02" + _JSON),
        Case("confluent: Avro", "confluent", b"\x00\x00\x00\x00\x01" + _avro()),
        Case("outbox: plain", "outbox", _JSON, headers),
        Case("outbox: type in a header", "outbox", untyped, headers),
        Case("outbox: escaped text", "outbox", json.dumps(_JSON.decode()).encode(), headers),
        Case("outbox: with its schema", "outbox", json.dumps(connect | {"payload": _EVENT}).encode(), headers),
        Case("cloudevents", "cloudevents", untyped, attributes),
    ]


def main() -> None:
    """Print microseconds an event and the ratio to JSON."""
    schemas = SchemaCache()
    schemas.put(1, AvroSchema(schema_text(ReviewEdited)))
    schemas.put(2, JsonSchema())
    found = cases()
    intakes = {
        case.name: Intake(
            Settings(input_format=case.format, schema_registry_url="http://registry"), _PARTITIONS, schemas
        )
        for case in found
    }
    best = dict.fromkeys(intakes, float("inf"))
    partition = partition_of(_KEY, _PARTITIONS)
    for _ in range(_ROUNDS):
        for case in found:
            decode = intakes[case.name].decode
            begun = time.perf_counter()
            for _ in range(_EVENTS):
                decode(0, partition, _KEY, case.value, 2e9, case.headers)
            best[case.name] = min(best[case.name], (time.perf_counter() - begun) / _EVENTS)
    for case in found:
        ratio = best[case.name] / best["json"]
        print(f"{case.name:26} {len(case.value):5} bytes {best[case.name] * 1e6:6.2f} us {ratio:6.2f}")  # noqa: T201  # a program


if __name__ == "__main__":
    main()
