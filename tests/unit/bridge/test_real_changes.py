"""What the records of a real Debezium become: each trap of row-level change data capture, as it really looks."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.unit.bridge.samples import mapping, outcome, records, reviews

#: One word for each record of the samples, in order; the same statements were run for all files.
_BIRTH, _EDIT, _AUTHOR, _PLATFORM = "created", "edited", "deleted by author", "deleted by platform"
_FULL: Final = [
    *[_BIRTH] * 3, _EDIT, _EDIT, "ignored: unchanged", _AUTHOR, _PLATFORM, "ignored: changed_key", "ignored: no_value",
    _BIRTH, "ignored: deleted_before", "ignored: no_value", _BIRTH, _BIRTH, _EDIT, _PLATFORM, "ignored: no_value",
    "refused: truncated",
]  # fmt: skip
_DEFAULT: Final = [
    *[_BIRTH] * 3, _EDIT, _EDIT, _EDIT, _AUTHOR, _PLATFORM, "ignored: changed_key", "ignored: no_value", _BIRTH,
    "refused: incomplete_row", "ignored: no_value", _BIRTH, _BIRTH, _EDIT, "refused: incomplete_row",
    "ignored: no_value", "refused: truncated",
]  # fmt: skip
_UNWRAPPED: Final = [each for each in _DEFAULT if each not in {"ignored: no_value", "refused: truncated"}]


def _words(name: str) -> list[str]:
    sources = records(name)
    made_by = mapping([reviews(sources[0].topic)])
    return [_word(outcome(made_by, source)) for source in sources]


def _word(found: Any) -> str:
    if isinstance(found, str):
        return found
    (event,) = found
    kind = str(event["type"]).removeprefix("review.")
    return f"{kind} by {event['deleted_by']}" if kind == "deleted" else kind


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("reviews-full", _FULL),
        ("reviews-full-schemas", _FULL),
        ("reviews-default", _DEFAULT),
        ("reviews-default-schemas", _DEFAULT),
        ("reviews-unwrapped", _UNWRAPPED),
    ],
)
def test_each_change_is_the_right_event_or_the_right_reason(name: str, expected: list[str]) -> None:
    assert _words(name) == expected


def test_the_old_stars_are_those_of_the_old_row_if_the_log_has_it() -> None:
    """Without them the worker takes the stars that it knows of the review."""
    for name, expected in (("reviews-full", [1, 1, 3]), ("reviews-default", [None] * 4)):
        sources = records(name)
        made_by = mapping([reviews(sources[0].topic)])
        found = [event for source in sources for event in _events(outcome(made_by, source))]
        assert [event.get("previous_rating") for event in found if event["type"] == "review.edited"] == expected


def _events(found: Any) -> list[dict[str, Any]]:
    return [] if isinstance(found, str) else found


def test_times_and_deleters_are_those_of_the_columns() -> None:
    sources = records("reviews-full")
    made_by = mapping([reviews(sources[0].topic)])
    found = [event for source in sources for event in _events(outcome(made_by, source))]
    by_kind = [(event["type"], event["review_id"], event["occurred_at"], event.get("actor_id")) for event in found[2:8]]
    assert by_kind == [
        ("review.created", "3", "2025-03-02T10:00:00Z", None),
        ("review.edited", "3", "2025-03-03T10:00:00Z", None),
        ("review.edited", "1", "2025-03-04T10:00:00.500000Z", None),
        ("review.deleted", "1", "2025-03-05T10:00:00Z", None),
        ("review.deleted", "2", "2025-03-06T10:00:00Z", "staff-7"),
        ("review.created", "30", "2025-03-02T10:00:00Z", None),
    ]


def test_nobody_is_named_for_the_deletion_of_a_row_and_it_is_counted() -> None:
    sources = records("reviews-full")
    made_by = mapping([reviews(sources[0].topic)])
    for source in sources:
        outcome(made_by, source)
    assert made_by.unknown_deleters == {sources[0].topic: 1}


def test_a_row_that_a_second_snapshot_reads_is_the_same_event() -> None:
    sources = [source for source in records("extras") if source.topic.endswith(".reviews")]
    assert len(sources) == 4
    made_by = mapping([reviews(sources[0].topic)])
    ids = [_events(outcome(made_by, source))[0]["event_id"] for source in sources]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


def test_all_ids_differ_and_a_change_that_is_sent_again_at_another_offset_has_the_same_id() -> None:
    sources = records("reviews-full")
    made_by = mapping([reviews(sources[0].topic)])
    first = [event["event_id"] for source in sources for event in _events(outcome(made_by, source))]
    again = [
        event["event_id"]
        for source in sources
        for event in _events(outcome(made_by, source._replace(offset=source.offset + 500)))
    ]
    assert first == again
    assert len(set(first)) == len(first) == 12


@pytest.mark.parametrize("suffix", ["", "-schemas"])
@pytest.mark.parametrize("identity", ["full", "default"])
def test_ids_do_not_depend_on_the_envelope(identity: str, suffix: str) -> None:
    """The key is JSON with or without a schema; its content is the same."""
    sources = records(f"reviews-{identity}{suffix}")
    made_by = mapping([reviews(sources[0].topic)])
    event = _events(outcome(made_by, sources[0]))[0]
    plain = sources[0]._replace(key=b'{"id": %b}' % event["review_id"].encode())
    assert _events(outcome(made_by, plain))[0]["event_id"] == event["event_id"]


def test_messages_say_nothing_about_rows() -> None:
    sources = [source for source in records("extras") if source.topic.endswith(".message")]
    assert sources
    made_by = mapping([reviews(sources[0].topic)])
    assert {str(outcome(made_by, source)) for source in sources} == {"ignored: message"}
