"""What changes of rows become: reviews, rows that are appended, and what a mapping can say about them."""

from __future__ import annotations

from typing import Any

import pytest

from stream.bridge.mapping import Mapping
from stream.bridge.mapping_file import Table
from tests.unit.bridge.samples import (
    FOLDER,
    MAX_EVENT_BYTES,
    ROW,
    Outcome,
    change,
    events,
    mapping,
    outcome,
    reviews,
)


def _of(table: Table, **body: Any) -> Outcome:
    return outcome(mapping([table]), change(**body))


def _updated(before: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    later = ROW | {"updated_at": "2025-03-02T10:00:00Z"}
    return {"op": "u", "before": None if before is None else ROW | before, "after": later | more}


def _short(found: Outcome) -> Any:
    if isinstance(found, str):
        return found
    return [(event["type"], event["seller_id"], event["occurred_at"], event.get("deleted_by")) for event in found]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"op": "c", "after": ROW}, [("review.created", "s1", "2025-03-01T10:00:00Z", None)]),
        ({"op": "r", "after": ROW}, [("review.created", "s1", "2025-03-01T10:00:00Z", None)]),
        (_updated({}, stars=5), [("review.edited", "s1", "2025-03-02T10:00:00Z", None)]),
        (_updated({}), "ignored: unchanged"),
        (_updated(None), [("review.edited", "s1", "2025-03-02T10:00:00Z", None)]),
        (
            _updated({}, deleted_at="2025-03-02T09:00:00Z", deleted_by="author"),
            [("review.deleted", "s1", "2025-03-02T09:00:00Z", "author")],
        ),
        (
            _updated(None, deleted_at="2025-03-02T09:00:00Z", deleted_by="moderator"),
            [("review.deleted", "s1", "2025-03-02T09:00:00Z", "platform")],
        ),
        (_updated({"deleted_at": "2025-03-02T09:00:00Z"}, deleted_at="2025-03-02T09:00:00Z"), "ignored: unchanged"),
        (
            _updated({"deleted_at": "2025-03-02T09:00:00Z"}, deleted_at=None),
            [("review.created", "s1", "2025-03-02T10:00:00Z", None)],
        ),
        (
            _updated({}, seller_id="s2"),
            [
                ("review.deleted", "s1", "2025-03-02T10:00:00Z", "platform"),
                ("review.created", "s2", "2025-03-02T10:00:00Z", None),
            ],
        ),
        ({"op": "d", "before": ROW}, [("review.deleted", "s1", "2025-03-01T12:00:00Z", "platform")]),
        ({"op": "d", "before": ROW | {"deleted_at": "2025-03-01T11:00:00Z"}}, "ignored: deleted_before"),
        ({"op": "d", "before": {"id": 1}}, "refused: incomplete_row"),
        ({"op": "d", "before": None}, "refused: incomplete_row"),
        ({"op": "c", "after": ROW | {"seller_id": None}}, "refused: missing_field"),
        ({"op": "c", "after": ROW | {"stars": 6}}, "refused: bad_value"),
        ({"op": "c", "after": ROW | {"author_id": "ann@example.com"}}, "refused: personal_data"),
        ({"op": "c", "after": ROW | {"seller_id": "__debezium_unavailable_value"}}, "refused: incomplete_row"),
        ({"op": "t"}, "refused: truncated"),
        ({"op": "m"}, "ignored: message"),
        ({"op": "x"}, "refused: unknown_type"),
        ({"op": "c"}, "refused: bad_value"),
        ({"op": "c", "after": [1]}, "refused: bad_value"),
    ],
)
def test_a_change_of_a_review(body: dict[str, Any], expected: Any) -> None:
    assert _short(_of(reviews("t"), **body)) == expected


def test_a_review_that_was_deleted_before_a_snapshot_gives_nothing() -> None:
    """Its deletion would be in the topic before creations that were earlier."""
    row = ROW | {"deleted_at": "2025-03-03T10:00:00Z", "deleted_by": "author"}
    assert _of(reviews("t"), op="r", after=row) == "ignored: deleted_before"
    assert _short(_of(reviews("t"), op="c", after=row)) == [
        ("review.created", "s1", "2025-03-01T10:00:00Z", None),
        ("review.deleted", "s1", "2025-03-03T10:00:00Z", "author"),
    ]


def test_a_change_that_does_not_set_its_column_of_times_has_the_time_of_the_commit() -> None:
    body = {"op": "u", "before": ROW, "after": ROW | {"stars": 5}}
    assert _short(_of(reviews("t"), **body)) == [("review.edited", "s1", "2025-03-01T12:00:00Z", None)]


@pytest.mark.parametrize(
    "more",
    [
        {"columns": {"review_id": "id", "reviewer_id": "author_id", "rating": "stars", "deleted_at": "gone_at"}},
        {"deleted_when": {"status": ["hidden"]}},
        {"only_when": {"kind": ["review"]}},
    ],
)
def test_a_column_that_the_mapping_names_must_be_there(more: dict[str, Any]) -> None:
    """Without it deletions, or all events, would be missing without a word."""
    assert _of(reviews("t", **more), op="c", after=ROW) == "refused: missing_field"


def test_a_column_of_the_type_jsonb_is_read() -> None:
    columns = {"review_id": "id", "reviewer_id": "author_id", "rating": "stars", "deleted_by": "removal.by"}
    row = ROW | {"deleted_at": "2025-03-02T09:00:00Z", "removal": '{"by": "author"}'}
    body = {"op": "u", "before": ROW | {"removal": None}, "after": row}
    assert _short(_of(reviews("t", columns=columns), **body)) == [
        ("review.deleted", "s1", "2025-03-02T09:00:00Z", "author")
    ]
    broken = {"op": "u", "before": ROW | {"removal": None}, "after": row | {"removal": "{by"}}
    assert _short(_of(reviews("t", columns=columns), **broken))[0][3] == "platform"


def test_an_event_of_the_future_is_refused() -> None:
    """For example the time `infinity` as a number."""
    source = change(op="c", after=ROW | {"created_at": 9223372036825200})._replace(timestamp=1_740_830_400_000)
    assert outcome(mapping([reviews("t")]), source) == "refused: future"


def test_a_frame_without_a_registry_is_refused() -> None:
    source = change(op="c", after=ROW)._replace(value=b"\0\0\0\0\5abc")
    without = Mapping([reviews("t")], None, FOLDER, MAX_EVENT_BYTES, 3600)
    assert outcome(without, source) == "refused: undecodable"


def test_a_deleter_who_is_unknown_is_never_the_author_and_is_counted() -> None:
    made_by = mapping([reviews("t")])
    body = _updated({}, deleted_at="2025-03-02T09:00:00Z", deleted_by=None)
    assert _short(outcome(made_by, change(**body))) == [("review.deleted", "s1", "2025-03-02T09:00:00Z", "platform")]
    assert made_by.unknown_deleters == {"t": 1}


def test_a_deleter_whom_the_mapping_does_not_know_is_refused() -> None:
    body = _updated({}, deleted_at="2025-03-02T09:00:00Z", deleted_by="cron")
    assert _of(reviews("t"), **body) == "refused: bad_value"


def test_the_staff_member_of_a_deletion_by_the_author_is_left_out() -> None:
    body = _updated({}, deleted_at="2025-03-02T09:00:00Z", deleted_by="author", removed_by_staff="staff-7")
    (event,) = events(mapping([reviews("t")]), change(**body))
    assert "actor_id" not in event


def test_deletions_by_a_status() -> None:
    table = reviews("t", deleted_when={"status": ["hidden", "gone"]})
    body = _updated({"status": "shown"}, status="hidden", deleted_by="author")
    assert _short(_of(table, **body)) == [("review.deleted", "s1", "2025-03-02T10:00:00Z", "author")]
    body = _updated({"status": "hidden"}, status="gone", deleted_by="author")
    assert _of(table, **body) == "ignored: unchanged"


def test_only_wanted_rows_give_events() -> None:
    table = reviews("t", only_when={"kind": ["review"], "is_test": [False]})
    assert _of(table, op="c", after=ROW | {"kind": "question", "is_test": False}) == "ignored: not_wanted"
    assert _of(table, op="c", after=ROW | {"kind": "review", "is_test": True}) == "ignored: not_wanted"
    assert len(_of(table, op="c", after=ROW | {"kind": "review", "is_test": False})) == 1


def test_stars_may_be_words_of_the_platform() -> None:
    table = reviews("t", values={"rating": {"awful": 1, "fine": 4}})
    found = events(mapping([table]), change(**_updated({"stars": "awful"}, stars="fine")))
    assert [(event["rating"], event["previous_rating"]) for event in found] == [(4, 1)]


def test_both_halves_of_a_new_key() -> None:
    """The old half is no deletion. The new half is a new review only if the key is the review's id."""
    made_by = mapping([reviews("t")])
    old = change(op="d", before=ROW, headers=[("__debezium.newkey", b'{"id":2}')])
    assert outcome(made_by, old) == "ignored: changed_key"
    new = change(op="c", after=ROW | {"id": 2}, headers=[("__debezium.oldkey", b'{"id":1}')])
    assert _short(outcome(made_by, new)) == [("review.created", "s1", "2025-03-01T10:00:00Z", None)]
    other = change(op="c", after=ROW, headers=[("__debezium.oldkey", b'{"seller_id":"s9","id":1}')])
    assert _short(outcome(made_by, other)) == [("review.edited", "s1", "2025-03-01T10:00:00Z", None)]


_MESSAGE = {
    "id": 5, "sent_at": "2025-03-01T10:00:00Z", "seller_id": "s1", "reviewer_id": "u1", "kind": "voucher",
    "worth": None,
}  # fmt: skip


def _messages(**more: Any) -> Table:
    given: dict[str, Any] = {
        "columns": {"occurred_at": "sent_at", "channel": "kind", "incentive_value": "worth"},
        "values": {"channel": {"voucher": "coupon"}},
    }
    return Table("t", "outreach.sent", **(given | more))


def test_a_new_row_is_an_event_and_its_changes_are_none() -> None:
    expected = {
        "type": "outreach.sent", "occurred_at": "2025-03-01T10:00:00Z", "seller_id": "s1", "reviewer_id": "u1",
        "channel": "coupon", "incentive_value": 12.5, "currency": "EUR",
    }  # fmt: skip
    table = _messages(constants={"currency": "EUR"})
    row = _MESSAGE | {"worth": "12.50"}
    for op in ("c", "r"):
        (event,) = events(mapping([table]), change(op=op, after=row))
        assert event.items() >= expected.items()
    assert _of(table, op="u", before=row, after=row) == "ignored: no_new_row"
    assert _of(table, op="d", before=row) == "ignored: no_new_row"


def test_the_time_of_the_commit_stands_in_for_a_column_but_not_in_a_snapshot() -> None:
    """The source's time of a row of a snapshot is when it was read."""
    row = _MESSAGE | {"sent_at": None}
    (event,) = events(mapping([_messages()]), change(op="c", after=row))
    assert event["occurred_at"] == "2025-03-01T12:00:00Z"
    assert _of(_messages(), op="r", after=row) == "refused: missing_field"


def test_a_value_that_is_a_row_itself_may_be_nested() -> None:
    table = Table("t", "contact.accessed", record="row", columns={"actor_id": "agent.id", "occurred_at": "at"})
    row = '{"agent": {"id": 7}, "at": 1740823200000, "seller_id": "s1", "review_id": 1, "reviewer_id": "u1"}'
    source = change(op="c", after={})._replace(value=row.encode(), key=None)
    (event,) = events(mapping([table]), source)
    assert (event["actor_id"], event["occurred_at"]) == ("7", "2025-03-01T10:00:00Z")
    assert outcome(mapping([table]), source._replace(value=None)) == "ignored: no_value"
    assert outcome(mapping([table]), source._replace(value=b"[]")) == "refused: bad_value"


def test_a_row_of_a_table_of_accounts_is_a_link() -> None:
    columns = {"link_id": "account_hash", "relation": "kind", "occurred_at": "added_at"}
    table = Table("t", "seller.linked", columns=columns, values={"relation": {"iban": "bank_account"}})
    row = {"seller_id": 7, "account_hash": "5d41402abc4b", "kind": "iban", "added_at": "2025-03-01T10:00:00Z"}
    (event,) = events(mapping([table]), change(op="c", after=row))
    assert event.items() >= {
        "type": "seller.linked", "occurred_at": "2025-03-01T10:00:00Z", "seller_id": "7", "link_id": "5d41402abc4b",
        "relation": "bank_account",
    }.items()  # fmt: skip
    for wrong, reason in (
        ({"kind": "friend"}, "bad_value"),
        ({"account_hash": "jane.doe@example.com"}, "personal_data"),
    ):
        assert outcome(mapping([table]), change(op="c", after=row | wrong)) == f"refused: {reason}"


def test_each_new_value_of_a_link_is_an_event() -> None:
    columns = {"link_id": "account", "occurred_at": "opened_at"}
    table = Table("t", "seller.linked", columns=columns, constants={"relation": "bank_account"})
    row = {"seller_id": "s1", "account": "a1", "opened_at": "2025-03-01T10:00:00Z", "name": "Shop"}
    made_by = mapping([table])

    def found(**body: Any) -> Any:
        what = outcome(made_by, change(**body))
        return what if isinstance(what, str) else [(each["link_id"], each["occurred_at"]) for each in what]

    assert found(op="r", after=row) == [("a1", "2025-03-01T10:00:00Z")]
    assert found(op="c", after=row | {"account": None}) == "ignored: no_link"
    assert found(op="u", before=row, after=row | {"name": "Store"}) == "ignored: unchanged"
    assert found(op="u", before=row, after=row | {"account": "a2"}) == [("a2", "2025-03-01T12:00:00Z")]
    assert found(op="u", before=None, after=row | {"account": "a2"}) == [("a2", "2025-03-01T12:00:00Z")]
    opened = row | {"account": "a2", "opened_at": "2025-03-01T11:00:00Z"}
    assert found(op="u", before=row, after=opened) == [("a2", "2025-03-01T11:00:00Z")]
    assert found(op="u", before=row | {"account": None}, after=row) == [("a1", "2025-03-01T12:00:00Z")]
    assert found(op="u", before=row, after=row | {"account": None}) == "ignored: no_link"
    assert found(op="d", before=row) == "ignored: no_new_row"


def test_a_new_key_of_a_link_is_an_event() -> None:
    table = Table("t", "seller.linked", columns={"link_id": "account"}, constants={"relation": "bank_account"})
    row, made_by = {"seller_id": "s1", "account": "a2"}, mapping([table])
    old = change(op="d", before=row | {"account": "a1"}, headers=[("__debezium.newkey", b'{"account":"a2"}')])
    assert outcome(made_by, old) == "ignored: changed_key"
    (event,) = events(made_by, change(op="c", after=row, headers=[("__debezium.oldkey", b'{"account":"a1"}')]))
    assert (event["link_id"], event["occurred_at"]) == ("a2", "2025-03-01T12:00:00Z")


def test_what_is_no_change_says_what_it_may_be() -> None:
    flat = change(op="c", after={})._replace(value=b'{"id": 1, "stars": 3}')
    assert outcome(mapping([reviews("t")]), flat) == "refused: unknown_type"
    assert outcome(mapping([reviews("t")]), flat._replace(value=b"\xff")) == "refused: undecodable"
