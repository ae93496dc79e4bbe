"""Columns: derived from the contract; names and SQL types are checked before the first row; every hint works."""

from __future__ import annotations

import re
from typing import Final

import duckdb
import msgspec
import pytest

from stream.contract.events import STREAMS, CaseSubject
from stream.offline.history.columns import COLUMNS, EVENTS, column_errors

NEEDED: Final = [("type", "VARCHAR"), ("occurred_at", "TIMESTAMP")]


def test_every_field_of_every_event_is_a_column() -> None:
    kinds = [kind for kinds in STREAMS.values() for kind in kinds]
    assert list(EVENTS) == [kind.__struct_config__.tag for kind in kinds]
    for kind, event in zip(kinds, EVENTS.values(), strict=True):
        names = [
            f"subject_{part}" if field.type is CaseSubject else field.name
            for field in msgspec.structs.fields(kind)
            for part in (("type", "id") if field.type is CaseSubject else ("",))
        ]
        assert list(event.columns) == names
        assert event.columns.items() <= COLUMNS.items(), "a name means the same in all types"


def test_a_creation_comes_before_an_edit_before_a_deletion_before_other_streams() -> None:
    assert list(EVENTS)[:6] == [
        "review.created",
        "review.edited",
        "review.deleted",
        "seller.linked",
        "outreach.sent",
        "contact.accessed",
    ]
    assert [event.rank for event in EVENTS.values()] == list(range(len(EVENTS)))


def test_columns_that_can_be_used_give_no_error() -> None:
    whole = ["TINYINT", "UBIGINT", "HUGEINT", "DECIMAL(38,0)"]
    for sql_type in ["VARCHAR", "UUID", "ENUM('a', 'b')", '"NULL"', *whole]:
        assert column_errors([*NEEDED, ("seller_id", sql_type)]) == []
    for sql_type in [*whole, "DECIMAL(5,2)", "DOUBLE", '"NULL"']:
        assert column_errors([*NEEDED, ("rating", sql_type)]) == []
    for sql_type in ["TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP", "DATE", "VARCHAR", '"NULL"']:
        assert column_errors([NEEDED[0], ("occurred_at", sql_type), ("muted_until", sql_type)]) == []


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["type"], "the query has no column occurred_at"),
        (["occurred_at"], "the query has no column type"),
        (["type", "occurred_at", "rating", "rating"], "column rating is there 2 times: give each column once"),
        (
            ["type", "occurred_at", "Seller ID"],
            'this column is no field of an event: "Seller ID"; if "Seller ID" is the seller_id, write "Seller ID" AS '
            'seller_id; leave out others with SELECT * EXCLUDE ("Seller ID")',
        ),
        (
            ["type", "occurred_at", "zzz", "reviewid"],
            "these columns are no fields of an event: zzz, reviewid; if reviewid is the review_id, write reviewid AS "
            "review_id; leave out others with SELECT * EXCLUDE (zzz, reviewid)",
        ),
    ],
)
def test_wrong_names(names: list[str], text: str) -> None:
    assert column_errors([(name, '"NULL"') for name in names]) == [text]


#: A value of a type that a column does not take, and the hint about it.
HINTS: Final = [
    ("seller_id", "1.0::DOUBLE", "an id must not be rounded: write CAST(seller_id AS BIGINT)"),
    ("seller_id", "1.00::DECIMAL(5,2)", "an id must not be rounded: write CAST(seller_id AS BIGINT)"),
    ("seller_id", "'x'::BLOB", "write CAST(seller_id AS VARCHAR)"),
    ("seller_id", "DATE '2025-01-01'", "write CAST(seller_id AS VARCHAR)"),
    ("seller_id", "true", "write CAST(seller_id AS VARCHAR)"),
    ("seller_id", "1::BIGNUM", "write CAST(seller_id AS VARCHAR)"),
    ("seller_id", "{'id': 1}", "take one value of it, for example seller_id.id or seller_id[1]"),
    ("seller_id", "['a']", "take one value of it, for example seller_id.id or seller_id[1]"),
    ("seller_id", "map {'a': 1}", "take one value of it, for example seller_id.id or seller_id[1]"),
    ("seller_id", "'\"a\"'::JSON", "JSON texts have quotes: write ->> in place of ->, or seller_id ->> '$'"),
    ("channel", "2", "write its words as text, for example CASE channel WHEN 1 THEN 'one' WHEN 2 THEN 'two' END"),
    ("rating", "'5'", "write CAST(rating AS INTEGER), or AS DOUBLE of replace(rating, ',', '.') for decimal commas"),
    ("rating", "true", "write CAST(rating AS INTEGER), or AS DOUBLE of replace(rating, ',', '.') for decimal commas"),
    ("verified_purchase", "1", "write CAST(verified_purchase AS BOOLEAN)"),
    ("muted_until", "1740823200",
     "write to_timestamp(muted_until) if it is seconds since 1970, to_timestamp(muted_until / 1000) if milliseconds"),
    ("muted_until", "1740823200.5::DOUBLE",
     "write to_timestamp(muted_until) if it is seconds since 1970, to_timestamp(muted_until / 1000) if milliseconds"),
    ("muted_until", "'\"2025-01-01\"'::JSON",
     "JSON texts have quotes: write ->> in place of ->, or muted_until ->> '$'"),
]  # fmt: skip


def _type_of(expression: str) -> str:
    with duckdb.connect(":memory:") as connection:
        ((_, sql_type, *_),) = connection.execute(f"SELECT {expression}").description
        return str(sql_type)


@pytest.mark.parametrize(("column", "value", "hint"), HINTS)
def test_wrong_types(column: str, value: str, hint: str) -> None:
    sql_type = _type_of(value)
    assert column_errors([*NEEDED, (column, sql_type)]) == [f"column {column} is {sql_type}: {hint}"]


@pytest.mark.parametrize(("column", "value", "hint"), HINTS)
def test_what_a_hint_says_is_accepted(column: str, value: str, hint: str) -> None:
    expressions = re.findall(
        r"(?:to_timestamp|CAST)\([^)]*\)|CASE .* END|\w+ ->> '\$'|seller_id\.id|seller_id\[1\]", hint
    )
    assert expressions
    results = []
    for expression in expressions:
        with duckdb.connect(":memory:") as connection:
            try:
                found = connection.execute(f"SELECT {expression} AS {column} FROM (SELECT {value} AS {column})")
                results.append(column_errors([*NEEDED, *((name, str(kind)) for name, kind, *_ in found.description)]))
            except duckdb.BinderException:
                continue  # one of two expressions fits, for a STRUCT or for a list
    assert results and results[0] == []


def test_a_long_type_is_cut() -> None:
    (text,) = column_errors([*NEEDED, ("seller_id", "STRUCT(" + "a INTEGER, " * 100 + ")")])
    assert text.startswith("column seller_id is STRUCT(a INTEGER") and "…: take one value" in text and len(text) < 160
