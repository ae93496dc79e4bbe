"""Records of a real Debezium, and mappings of tables, for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from stream.bridge.changes import Ignored
from stream.bridge.mapping import Mapping
from stream.bridge.mapping_file import Table
from stream.bridge.source_records import Source
from stream.intake.refusal import Refused
from stream.intake.schema_cache import SchemaCache

FOLDER: Final = Path("tests/data/debezium")
MAX_EVENT_BYTES: Final = 65_536
#: What an outcome is: the events' fields, "refused: reason", or "ignored: reason".
Outcome = list[dict[str, Any]] | str


def records(name: str) -> list[Source]:
    """Return the records of a file of samples."""
    return [_source(json.loads(line)) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def _source(record: dict[str, Any]) -> Source:
    headers = tuple((header, content.encode()) for header, content in record["headers"].items())
    key, value = ((None if each is None else each.encode()) for each in (record["key"], record["value"]))
    return Source(record["topic"], record["partition"], record["offset"], 0, key, value, headers)


def reviews(topic: str, **more: Any) -> Table:
    """Return the mapping of the samples' table of reviews."""
    columns = {
        "review_id": "id", "reviewer_id": "author_id", "rating": "stars", "changed_at": "updated_at",
        "actor_id": "removed_by_staff",
    }  # fmt: skip
    given: dict[str, Any] = {"columns": columns, "values": {"deleted_by": {"moderator": "platform"}}}
    return Table(topic, "reviews", **(given | more))


def mapping(tables: Sequence[Table], folder: Path = FOLDER, schemas: SchemaCache | None = None) -> Mapping:
    """Return a mapping of tables."""
    return Mapping(tables, SchemaCache() if schemas is None else schemas, folder, MAX_EVENT_BYTES, 3600)


def outcome(made_by: Mapping, source: Source) -> Outcome:
    """Return what a record gives."""
    try:
        return [json.loads(made.value) for made in made_by.events(source)]
    except Refused as refused:
        return f"refused: {refused.reason}"
    except Ignored as ignored:
        return f"ignored: {ignored.reason}"


def events(made_by: Mapping, source: Source) -> list[dict[str, Any]]:
    """Return the events of a record that gives some."""
    found = outcome(made_by, source)
    assert not isinstance(found, str), found
    return found


def change(topic: str = "t", offset: int = 0, headers: Sequence[tuple[str, bytes]] = (), **body: Any) -> Source:
    """Return a change of a row in JSON, whose key is the row's id."""
    row = body.get("after") or body.get("before") or {}
    key = json.dumps({"id": row.get("id") if isinstance(row, dict) else None}).encode()
    place = {"source": {"lsn": 1000 + offset, "ts_us": 1_740_830_400_000_000}}  # 2025-03-01T12:00:00Z
    return Source(topic, 0, offset, 0, key, json.dumps(place | body).encode(), tuple(headers))


ROW: Final[dict[str, Any]] = {
    "id": 1, "seller_id": "s1", "product_id": "p1", "author_id": "u1", "stars": 1,
    "created_at": "2025-03-01T10:00:00Z", "updated_at": "2025-03-01T10:00:00Z", "deleted_at": None, "deleted_by": None,
    "removed_by_staff": None,
}  # fmt: skip
