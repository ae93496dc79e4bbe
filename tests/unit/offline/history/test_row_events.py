"""Rows: what becomes an event, what is refused, and with which words."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.config import Settings
from stream.intake.intake import Intake
from stream.offline.history.columns import COLUMNS, EVENTS, Takes
from stream.offline.history.row_events import RowEvents, rank_of, time_of
from stream.offline.history.row_values import BadRow

NOW: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()
SETTINGS: Final = Settings()
CREATED: Final[dict[str, Any]] = {
    "type": "review.created", "occurred_at": "2025-03-01T10:00:00Z", "seller_id": "s1", "product_id": "p1",
    "review_id": "r1", "reviewer_id": "u1", "rating": 1,
}  # fmt: skip
EDITED: Final = CREATED | {"type": "review.edited", "rating": 5, "previous_rating": 1}
DELETED: Final = CREATED | {"type": "review.deleted", "deleted_by": "author"}
OUTREACH: Final[dict[str, Any]] = {
    "type": "outreach.sent", "occurred_at": "2025-03-01T10:00:00Z", "seller_id": "s1", "reviewer_id": "u1",
    "channel": "refund",
}  # fmt: skip
VERDICT: Final[dict[str, Any]] = {
    "type": "verdict.recorded", "occurred_at": "2025-03-01T10:00:00Z", "case_id": "c1", "subject_type": "seller",
    "subject_id": "s1", "verdict": "confirmed", "analyst_id": "a1", "muted_until": "2025-06-01",
}  # fmt: skip


def convert(row: Mapping[str, Any], now: float = NOW) -> tuple[int, bytes]:
    return RowEvents(SETTINGS, list(row), now).event_line(list(row.values()))


def event(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(convert(row)[1])
    return found


def error(row: Mapping[str, Any], now: float = NOW) -> BadRow:
    with pytest.raises(BadRow) as caught:
        convert(row, now)
    return caught.value


def test_a_row_becomes_the_event_with_its_fields() -> None:
    key, line = convert(CREATED | {"event_id": "e1", "verified_purchase": True, "marketplace": None})
    assert line.endswith(b"}\n") and json.loads(line) == CREATED | {"event_id": "e1", "verified_purchase": True}
    assert (rank_of(key), time_of(key)) == (0, "2025-03-01T10:00:00Z")


def test_a_verdict_has_its_subject_in_two_columns() -> None:
    found = event(VERDICT)
    assert found["subject"] == {"type": "seller", "id": "s1"}
    assert found["muted_until"] == "2025-06-01T00:00:00Z"
    assert not {"subject_type", "subject_id"} & found.keys()


def test_the_event_id_is_a_digest_of_the_other_columns_in_any_order() -> None:
    first = event(CREATED)
    assert len(first["event_id"]) == 32
    assert event(dict(reversed(CREATED.items())) | {"marketplace": None}) == first
    for name, value in (("rating", 2), ("seller_id", "s2"), ("occurred_at", "2025-03-01T10:00:00.000001Z")):
        assert event(CREATED | {name: value})["event_id"] != first["event_id"]
    assert event(EDITED | {"previous_rating": None, "rating": 1})["event_id"] != first["event_id"]
    verdict = event(VERDICT)["event_id"]
    assert event(VERDICT | {"subject_id": "s2"})["event_id"] != verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12, "12"), (-1, "-1"), (10**30, "1" + "0" * 30), (Decimal(12), "12"), ("a-1", "a-1"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)  # fmt: skip
def test_ids_become_texts(value: object, text: str) -> None:
    assert event(CREATED | {"seller_id": value})["seller_id"] == text


@pytest.mark.parametrize(("value", "number"), [(4.0, 4), (Decimal("4.0"), 4), (Decimal("4E0"), 4), (4, 4)])
def test_whole_numbers_are_written_as_such(value: object, number: int) -> None:
    assert convert(CREATED | {"rating": value})[1].endswith(b'"rating":%d}\n' % number)


def test_amounts_may_have_fractions() -> None:
    assert event(OUTREACH | {"incentive_value": Decimal("12.50"), "currency": "EUR"})["incentive_value"] == 12.5


@pytest.mark.parametrize(
    ("value", "at", "counts"),
    [
        (dt.datetime(2025, 3, 1, 10, tzinfo=ZoneInfo("Europe/Berlin")), "2025-03-01T09:00:00Z", (0, 0, 0)),
        (dt.datetime(2025, 3, 1, 10, tzinfo=dt.UTC), "2025-03-01T10:00:00Z", (0, 0, 0)),
        (dt.datetime(2025, 3, 1, 10, 0, 0, 5), "2025-03-01T10:00:00.000005Z", (1, 0, 0)),
        (dt.datetime(2025, 3, 1), "2025-03-01T00:00:00Z", (1, 0, 1)),
        (dt.date(2025, 3, 1), "2025-03-01T00:00:00Z", (0, 1, 1)),
        ("2025-03-01T10:00:00Z", "2025-03-01T10:00:00Z", (0, 0, 0)),
        ("2025-03-01t10:00:00.5+02:00", "2025-03-01T08:00:00.500000Z", (0, 0, 0)),
        ("2025-03-01 10:00:00+00", "2025-03-01T10:00:00Z", (0, 0, 0)),
        ("2025-03-01 10:00:00 UTC", "2025-03-01T10:00:00Z", (0, 0, 0)),
        ("2025-03-01 10:00:00-0530", "2025-03-01T15:30:00Z", (0, 0, 0)),
        ("2025-03-01T10:00:00.123456789Z", "2025-03-01T10:00:00.123456Z", (0, 0, 0)),
        ("2025-03-01 10:00:00.25", "2025-03-01T10:00:00.250000Z", (1, 0, 0)),
        ("2025-03-01 10:00", "2025-03-01T10:00:00Z", (1, 0, 0)),
        ("2025-03-01", "2025-03-01T00:00:00Z", (0, 1, 1)),
    ],
)
def test_times(value: object, at: str, counts: tuple[int, int, int]) -> None:
    row = CREATED | {"occurred_at": value}
    events = RowEvents(SETTINGS, list(row), NOW)
    key, line = events.event_line(list(row.values()))
    assert json.loads(line)["occurred_at"] == time_of(key) == at
    assert (events.times.without_zone, events.times.dates, events.times.midnights) == counts


def test_keys_order_by_time_to_the_microsecond_then_by_type() -> None:
    later = "2025-03-01T10:00:00.000001Z"
    rows = [
        CREATED,
        EDITED,
        DELETED,
        OUTREACH,
        VERDICT,
        CREATED | {"occurred_at": later},
        EDITED | {"occurred_at": later},
    ]
    keys = [convert(row)[0] for row in rows]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)
    assert convert(CREATED | {"occurred_at": "1970-01-01T00:00:00Z"})[0] == 0


ERRORS: Final = [
    (CREATED | {"type": None},
     "type: a row needs a type: review.created, review.edited, review.deleted, seller.linked, outreach.sent, "
     "contact.accessed, verdict.recorded, case.assigned, case.noted, case.appealed"),
    (CREATED | {"type": "review.create"}, "type = 'review.create': there is no such type: write review.created"),
    (CREATED | {"type": "?"}, "type = '?': there is no such type: write one of review.created, review.edited, "
     "review.deleted, seller.linked, outreach.sent, contact.accessed, verdict.recorded, case.assigned, case.noted, "
     "case.appealed"),
    (CREATED | {"rating": None}, "rating: review.created needs a value, and it is null"),
    (OUTREACH | {"reviewer_id": None}, "reviewer_id: outreach.sent needs a value, and it is null"),
    ({"type": "review.created", "occurred_at": "2025-03-01"},
     "seller_id: review.created needs a value, and it is not in the query"),
    (CREATED | {"channel": "refund"},
     "channel = 'refund': review.created has no such field: it must be null in such rows"),
    (CREATED | {"seller_id": ""}, "seller_id: it is an empty text; if that means absent, write nullif(seller_id, '')"),
    (DELETED | {"deleted_by": ""},
     "deleted_by: it is an empty text; if that means absent, write nullif(deleted_by, '')"),
    (CREATED | {"seller_id": 1.0},
     "seller_id = 1.0: it is no text and no whole number: write CAST(seller_id AS BIGINT)"),
    (CREATED | {"seller_id": Decimal("1.5")},
     "seller_id = 1.5: it is no text and no whole number: write CAST(seller_id AS BIGINT)"),
    (CREATED | {"seller_id": [1]},
     "seller_id = [1]: it is no text and no whole number: write CAST(seller_id AS VARCHAR)"),
    (CREATED | {"seller_id": True},
     "seller_id = True: it is no text and no whole number: write CAST(seller_id AS VARCHAR)"),
    (CREATED | {"seller_id": "a b"},
     "seller_id = 'a b': it holds white space or a control character; trim(seller_id) removes it at both ends"),
    (CREATED | {"seller_id": "a@b.org"}, "seller_id: it looks like an e-mail address"),
    (CREATED | {"reviewer_id": "+49 171 1234567"}, "reviewer_id: it looks like a phone number"),
    (CREATED | {"seller_id": "x" * 129}, f"seller_id = '{'x' * 38}…: it has 129 characters: at most 128 are taken"),
    (CREATED | {"rating": 6}, "rating = 6: it is 6: write a whole number from 1 to 5"),
    (CREATED | {"rating": 4.5}, "rating = 4.5: it is 4.5: write a whole number from 1 to 5"),
    (CREATED | {"rating": "5"}, "rating = '5': it is no number: write CAST(rating AS INTEGER)"),
    (CREATED | {"rating": True}, "rating = True: it is no number: write CAST(rating AS INTEGER)"),
    (CREATED | {"rating": math.nan}, "rating = nan: such a number cannot be used: write null where it is unknown"),
    (CREATED | {"rating": -math.inf}, "rating = -inf: such a number cannot be used: write null where it is unknown"),
    (CREATED | {"rating": 10**30},
     f"rating = 1{'0' * 30}: such a number cannot be used: write null where it is unknown"),
    (CREATED | {"verified_purchase": 1},
     "verified_purchase = 1: write true or false, or CAST(verified_purchase AS BOOLEAN)"),
    (DELETED | {"deleted_by": "customer"}, "deleted_by = 'customer': it is not one of author, platform"),
    (DELETED | {"deleted_by": 1}, "deleted_by = 1: it is no text: write a word of the contract"),
    (OUTREACH | {"currency": "eur"}, "currency = 'eur': it is not three capital letters such as EUR"),
    (VERDICT | {"subject_type": "shop"}, "subject_type = 'shop': write one of seller, staff, ring, reviewer"),
    (VERDICT | {"subject_id": "a b"},
     "subject_id = 'a b': it holds white space or a control character; trim(subject_id) removes it at both ends"),
    (CREATED | {"occurred_at": None}, "occurred_at: review.created needs a value, and it is null"),
    (CREATED | {"occurred_at": 1740823200},
     "occurred_at = 1740823200: it is a number: write to_timestamp(occurred_at) if it is seconds since 1970"),
    (CREATED | {"occurred_at": "01.03.2025 10:00"}, "occurred_at = '01.03.2025 10:00': it is no time such as "
     "2025-03-01T10:00:00Z: write strptime(occurred_at, '%d.%m.%Y %H:%M'), with the format that it has"),
    (CREATED | {"occurred_at": "2025-02-30"}, "occurred_at = '2025-02-30': it is no time such as "
     "2025-03-01T10:00:00Z: write strptime(occurred_at, '%d.%m.%Y %H:%M'), with the format that it has"),
    *((CREATED | {"occurred_at": value},
     f"occurred_at = {shown}: it is not from 1970 to 2999: write null, or leave the row out")
      for value, shown in ((dt.datetime.max, "9999-12-31 23:59:59.999999"), (dt.datetime.min, "0001-01-01 00:00:00"),
                           (dt.date(1969, 12, 31), "1969-12-31"), ("3000-01-01", "'3000-01-01'"))),
    (CREATED | {"occurred_at": "2026-01-01T02:00:00Z"}, "occurred_at = '2026-01-01T02:00:00Z': it is more than 3600 s "
     "ahead of the clock: 2026-01-01T02:00:00+00:00"),
    (CREATED | {"marketplace": "x" * 70_000}, "The event has 70"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "text"), ERRORS)
def test_a_bad_row_names_column_value_and_what_to_write(row: dict[str, Any], text: str) -> None:
    found = str(error(row))
    assert found == text or (text == "The event has 70" and found.startswith(text))


def test_personal_data_is_not_repeated() -> None:
    found = error(CREATED | {"reviewer_id": "jane@example.org"})
    assert "jane" not in str(found) and found.value == ""


_TEXTS = st.text(max_size=8) | st.sampled_from(["s1", "author", "refund", "EUR", "seller", "confirmed", "explained"])
_VALUES: Final[dict[Takes, st.SearchStrategy[Any]]] = {
    Takes.TEXT: st.from_regex(r"[a-z]{1,4}", fullmatch=True) | st.integers(-(2**127), 2**128) | st.uuids() | _TEXTS,
    Takes.WORD: _TEXTS,
    Takes.NUMBER: st.integers(1, 5) | st.decimals() | st.floats() | st.integers(-(2**127), 2**128),
    Takes.TRUTH: st.booleans(),
    Takes.TIME: st.datetimes() | st.datetimes(timezones=st.timezones()) | st.dates() | _TEXTS
    | st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2025, 1, 1)) | st.datetimes().map(str),
}  # fmt: skip
_ANYTHING = (
    st.none() | st.one_of(*_VALUES.values()) | st.binary() | st.lists(st.integers()) | st.timedeltas() | st.times()
)


@st.composite
def _rows(draw: st.DrawFn) -> dict[str, Any]:
    """Rows that are nearly right: each may have some values of anything, in any column."""
    kind = draw(st.sampled_from(list(EVENTS)))
    row = {"type": kind} | {
        name: draw(_VALUES[takes] if name in EVENTS[kind].required else st.none() | _VALUES[takes])
        for name, takes in EVENTS[kind].columns.items()
    }
    row |= draw(st.dictionaries(st.sampled_from(list(COLUMNS)), _ANYTHING, max_size=2))
    return row


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # on a machine that is busy with tests
@given(row=_rows())
def test_a_row_gives_an_event_that_intake_accepts_or_an_error_of_one_line(row: dict[str, Any]) -> None:
    try:
        key, line = convert(row)
    except BadRow as bad:
        assert bad.column is None or bad.column in COLUMNS
        assert bad.text and len(str(bad)) < 600
        return
    kind = EVENTS[row["type"]]
    read = Intake(SETTINGS, 1).read(kind.stream, line.rstrip())
    assert (rank_of(key), dt.datetime.fromisoformat(time_of(key))) == (kind.rank, read.occurred_at)
    for name, value in row.items():
        if value is None or name == "type":
            continue
        *path, last = name.replace("subject_", "subject.").split(".")
        found = getattr(getattr(read, path[0]) if path else read, last)
        if kind.columns[name] is Takes.TEXT:
            assert found == str(value)
        elif kind.columns[name] is not Takes.TIME:
            assert found == (float(value) if isinstance(value, Decimal) else value)


_GOOD: Final[dict[Takes, st.SearchStrategy[Any]]] = {
    Takes.TEXT: st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True) | st.integers(0, 2**63),
    Takes.NUMBER: st.integers(1, 5) | st.integers(1, 5).map(Decimal) | st.integers(1, 5).map(float),
    Takes.TRUTH: st.booleans(),
    Takes.TIME: st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2025, 1, 1), timezones=st.timezones())
    | st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2025, 1, 1)),
}
_WORDS: Final = {
    "deleted_by": "author", "channel": "refund", "currency": "EUR", "subject_type": "staff", "verdict": "explained",
    "story": "other", "appellant": "seller", "relation": "bank_account",
}  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data(), kind=st.sampled_from(list(EVENTS)))
def test_every_row_with_good_values_is_an_event(data: st.DataObject, kind: str) -> None:
    row: dict[str, Any] = {"type": kind}
    for name, takes in EVENTS[kind].columns.items():
        good = st.just(_WORDS[name]) if takes is Takes.WORD else _GOOD[takes]
        row[name] = data.draw(good if name in EVENTS[kind].required else st.none() | good, label=name)
    convert(row)
