"""A platform's own function: what it gets, and what becomes of whatever it does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.bridge.mapping import Mapping
from stream.bridge.mapping_file import Table
from stream.bridge.source_records import Source
from stream.config import SettingsError
from stream.intake.refusal import Refused
from tests.unit.bridge.samples import events, mapping, outcome

_MODULE = """
def events(record):
    value = record.value
    if value["what"] == "star":
        yield {"type": "review.created", "occurred_at": "2025-03-01T10:00:00Z", "seller_id": value["shop"],
               "product_id": "p1", "review_id": "r1", "reviewer_id": "u1", "rating": value["stars"]}
        yield {"type": "outreach.sent", "occurred_at": "2025-03-02T10:00:00Z", "seller_id": value["shop"],
               "reviewer_id": "u1", "channel": "message"}
    elif value["what"] == "boom":
        raise RuntimeError(value["shop"])
    elif value["what"] == "many":
        for _ in range(10**9):
            yield {"type": "review.created"}
    elif value["what"] == "text":
        yield from "abc"
    elif value["what"] == "space":
        yield {"type": "review.created", "occurred_at": "2025-03-01 10:00:00+00:00", "seller_id": "s1",
               "product_id": "p1", "review_id": "r1", "reviewer_id": "u1", "rating": 1}
    elif value["what"] == "one":
        yield 3
    elif value["what"] == "case":
        yield {"type": "verdict.recorded"}

def nothing(record):
    return None

def one(record):
    return {"type": "review.created"}

number = 3

async def later(record):
    return []
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "shop_events.py").write_text(_MODULE)
    yield tmp_path
    sys.modules.pop("shop_events", None)
    sys.path.remove(str(tmp_path))


def _mapping(folder: Path, name: str = "events") -> Mapping:
    return mapping([Table("t", function=f"shop_events:{name}")], folder)


def _source(value: str, offset: int = 0) -> Source:
    return Source("t", 0, offset, 0, None, value.encode(), ())


def test_a_record_may_give_several_events_and_their_ids_are_its_place(folder: Path) -> None:
    made_by = _mapping(folder)
    value = '{"what": "star", "shop": "s1", "stars": 2}'
    first, again, other = (events(made_by, _source(value, offset)) for offset in (5, 5, 6))
    assert first == again
    assert [event["type"] for event in first] == ["review.created", "outreach.sent"]
    ids = [event["event_id"] for event in (*first, *other)]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"what": "boom", "shop": "secret"}', "mapping_failed"),
        ('{"what": "many"}', "mapping_failed"),
        ('{"what": "text"}', "mapping_failed"),
        ('{"what": "one"}', "mapping_failed"),
        ("{}", "mapping_failed"),
        ('{"what": "star", "shop": "s1", "stars": 9}', "bad_value"),
        ('{"what": "space"}', "bad_value"),
        ('{"what": "case"}', "unknown_type"),
        ("{", "undecodable"),
    ],
)
def test_whatever_it_does_the_record_is_refused_with_a_reason(folder: Path, value: str, expected: str) -> None:
    assert outcome(_mapping(folder), _source(value)) == f"refused: {expected}"


def test_a_refusal_names_the_line_and_no_content_of_the_record(folder: Path) -> None:
    with pytest.raises(Refused) as found:
        _mapping(folder).events(_source('{"what": "boom", "shop": "secret"}'))
    assert found.value.detail == "The function raised RuntimeError: line 10 of shop_events.py."


def test_it_may_return_nothing(folder: Path) -> None:
    assert outcome(_mapping(folder, "nothing"), _source("{}")) == []


def test_it_must_not_return_one_dictionary(folder: Path) -> None:
    with pytest.raises(Refused, match="give dictionaries with yield, or return a list of them"):
        _mapping(folder, "one").events(_source("{}"))


@pytest.mark.parametrize("name", ["absent", "number", "later"])
def test_what_is_no_function_ends_the_start(folder: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"function shop_events:{name} is no plain function of its module"):
        _mapping(folder, name)


def test_a_module_that_cannot_be_imported_ends_the_start(folder: Path) -> None:
    (folder / "broken_events.py").write_text("1 / 0")
    with pytest.raises(SettingsError, match="cannot be imported: ZeroDivisionError"):
        mapping([Table("t", function="broken_events:events")], folder)
