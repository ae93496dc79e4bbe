"""Intake: every reason to refuse a record, and dead letters that keep the record unchanged."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any, Final

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kafka.partitioner import murmur2 as kafka_python_murmur2
from msgspec import structs

from stream.config import Settings
from stream.contract.events import CaseNoted, CaseSubject, Event, OutreachSent, ReviewCreated
from stream.intake import identifiers
from stream.intake.dead_letters import HEADERS, DeadLetter, NotADeadLetterError, incoming, outgoing
from stream.intake.intake import Intake
from stream.intake.partition import murmur2, partition_of
from stream.intake.refusal import Refusal, Refused
from tests.unit.test_texts import HIDDEN

PARTITIONS: Final = 8
LIFECYCLE: Final = 0
OUTREACH: Final = 1
NOW: Final = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC).timestamp()
CREATED: Final[dict[str, Any]] = {
    "type": "review.created",
    "event_id": "e-1",
    "occurred_at": "2024-05-01T10:00:00Z",
    "seller_id": "seller-42",
    "review_id": "r-1",
    "product_id": "p-1",
    "reviewer_id": "u-1",
    "rating": 2,
}
SENT: Final[dict[str, Any]] = {
    "type": "outreach.sent",
    "event_id": "e-2",
    "occurred_at": "2024-05-01T10:00:00Z",
    "seller_id": "seller-42",
    "reviewer_id": "u-1",
    "channel": "message",
}


@pytest.fixture
def intake() -> Intake:
    return Intake(Settings.model_construct(max_event_bytes=2048, future_seconds=3600), PARTITIONS)


def decode(intake: Intake, document: object, stream: int = LIFECYCLE) -> Event:
    """Decode a document with the right key in the right partition."""
    seller = document.get("seller_id", "") if isinstance(document, dict) else ""
    key = seller.encode() if isinstance(seller, str) else b""
    return intake.decode(stream, partition_of(key, PARTITIONS), key, json.dumps(document).encode(), NOW)[1]


def refusal(intake: Intake, document: object, stream: int = LIFECYCLE) -> Refused:
    with pytest.raises(Refused) as refused:
        decode(intake, document, stream)
    return refused.value


@pytest.mark.parametrize(("setting", "limit"), [(3600, 60), (5, 5)])
def test_an_event_of_a_case_is_hardly_in_the_future(setting: float, limit: float) -> None:
    """The clock of an analyst's computer may be wrong; it must not move the event time of a task."""
    intake = Intake(Settings.model_construct(max_event_bytes=2048, future_seconds=setting), PARTITIONS)
    noted = CaseNoted(
        event_id="n-1", occurred_at=dt.datetime.fromtimestamp(NOW + limit, dt.UTC), case_id="c-1",
        subject=CaseSubject("seller", "seller-42"), analyst_id="ana", note="Text.",
    )  # fmt: skip
    assert intake.check_time(noted, NOW) == NOW + limit
    later = structs.replace(noted, occurred_at=noted.occurred_at + dt.timedelta(seconds=1))
    with pytest.raises(Refused, match=f"more than {limit} s ahead of the clock") as refused:
        intake.check_time(later, NOW)
    assert refused.value.reason is Refusal.FUTURE
    created = structs.replace(decode(intake, CREATED), occurred_at=dt.datetime.fromtimestamp(NOW + setting, dt.UTC))
    assert intake.check_time(created, NOW) == NOW + setting


def test_accepts_a_valid_event(intake: Intake) -> None:
    assert decode(intake, CREATED) == ReviewCreated(
        event_id="e-1",
        occurred_at=dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC),
        seller_id="seller-42",
        review_id="r-1",
        product_id="p-1",
        reviewer_id="u-1",
        rating=2,
    )
    assert isinstance(decode(intake, SENT, OUTREACH), OutreachSent)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"\xff",
        b'{"type": "review.created", "x": "\xff"}',
        b'{"a": "\\ud800"}',
        b"[" * 2000,
        b"NaN",
    ],
)
def test_refuses_a_value_that_is_not_json_in_utf8(intake: Intake, value: bytes | None) -> None:
    with pytest.raises(Refused) as refused:
        intake.decode(LIFECYCLE, 0, b"seller-42", value, NOW)
    assert refused.value.reason is Refusal.UNDECODABLE


@pytest.mark.parametrize("name", ["review.liked", "outreach.sent", "", 3, None, ["review.created"]])
def test_refuses_a_type_of_another_topic(intake: Intake, name: object) -> None:
    assert refusal(intake, {**CREATED, "type": name}).reason is Refusal.UNKNOWN_TYPE


@pytest.mark.parametrize("field", CREATED)
def test_refuses_a_missing_field_by_its_name(intake: Intake, field: str) -> None:
    document = {name: value for name, value in CREATED.items() if name != field}
    refused = refusal(intake, document)
    assert refused.reason is Refusal.MISSING_FIELD
    assert field in refused.detail


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rating", 0),
        ("rating", 6),
        ("rating", 3.5),
        ("rating", True),
        ("rating", None),
        ("rating", "3"),
        ("verified_purchase", 1),
        ("marketplace", ""),
        ("occurred_at", "2024-05-01 10:00:00Z"),
        ("occurred_at", "2024-05-01T10:00:00"),
        ("occurred_at", "1969-12-31T23:59:59Z"),
        ("occurred_at", 1714557600),
        ("event_id", "e" * 65),
        ("seller_id", ""),
        ("review_id", "r 1"),
        ("review_id", "r\n1"),
        ("review_id", "r1\n"),
        ("review_id", "r\u00a01"),
        ("review_id", "r\ufeff"),
        ("review_id", "r\x00"),
    ],
)
def test_refuses_a_bad_value(intake: Intake, field: str, value: object) -> None:
    refused = refusal(intake, {**CREATED, field: value})
    assert refused.reason is Refusal.BAD_VALUE
    assert field in refused.detail


@pytest.mark.parametrize("document", [[], 3, "text", None, True])
def test_refuses_json_that_is_not_an_object(intake: Intake, document: object) -> None:
    assert refusal(intake, document).reason is Refusal.BAD_VALUE


def test_a_whole_number_may_be_written_as_a_float(intake: Intake) -> None:
    assert decode(intake, {**CREATED, "rating": 2.0}) == decode(intake, CREATED)


def test_an_optional_field_may_be_null(intake: Intake) -> None:
    assert decode(intake, {**SENT, "review_id": None, "currency": None}, OUTREACH) == decode(intake, SENT, OUTREACH)


@pytest.mark.parametrize(
    "address",
    [
        "jane.doe@example.com",
        "+15551234567",
        "+1(555)123-4567",
        "+1 555 123 4567",
        "555-123-4567",
        "(555)123-4567",
    ],
)
@pytest.mark.parametrize("field", ["event_id", "seller_id", "review_id", "product_id", "reviewer_id"])
def test_refuses_personal_data_and_does_not_repeat_it(intake: Intake, field: str, address: str) -> None:
    refused = refusal(intake, {**CREATED, field: address})
    assert refused.reason is Refusal.PERSONAL_DATA
    assert field in refused.detail
    assert address not in str(refused)


def test_refuses_personal_data_in_an_optional_id(intake: Intake) -> None:
    assert refusal(intake, {**SENT, "review_id": "j@x.de"}, OUTREACH).reason is Refusal.PERSONAL_DATA


@pytest.mark.parametrize("name", ["15551234567", "pkg@1.23", "@jane.doe", "urn:isbn:978-3-16-148410-0", "é-1", "(a)"])
def test_accepts_ids_that_only_resemble_personal_data(intake: Intake, name: str) -> None:
    decode(intake, {**CREATED, "reviewer_id": name})


@pytest.mark.parametrize("name", [*HIDDEN, "a\u200cb", "a\u200db"])
def test_an_id_keeps_its_hidden_characters_because_other_events_have_them_too(intake: Intake, name: str) -> None:
    event = decode(intake, {**CREATED, "review_id": name})
    assert isinstance(event, ReviewCreated)
    assert event.review_id == name


@given(ids=st.lists(st.text("ab1234567890@.+-() \n\u00a0é", min_size=1, max_size=14), min_size=1, max_size=5))
@settings(max_examples=400, deadline=None)
@example(ids=["555-123-4567"])
@example(ids=["a\nb", "c"])
@example(ids=["a", "b\n"])
def test_the_combined_check_of_ids_equals_the_check_of_each(ids: list[str]) -> None:
    patterns = (identifiers.BLANK, identifiers.EMAIL, identifiers.PHONE)
    bad = any(re.search(pattern, name) for pattern in patterns for name in ids)
    try:
        identifiers.check_ids(["some_id"] * len(ids), ids)
    except Refused:
        assert bad
    else:
        assert not bad


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (None, "The record has no key. "),
        (b"", "The record's key is empty. "),
        (b"seller-43", "another text: 'seller-43'. "),
        (b"SELLER-42", "the seller_id in other upper and lower case ('SELLER-42'). "),
        (b"seller-42 ", "the seller_id with white space around it. "),
        (b'"seller-42"', "the seller_id in double quotes, as a JSON serializer writes it: use a serializer"),
        (b'"seller-43"', "a text in double quotes"),
        (b'"', "another text: '\"'. "),
        (b'{"seller_id":"seller-42"}', "a JSON object: take the seller_id out of it"),
        (b"\x00\x00\x00\x00\x07\x12seller-42", "a schema registry's frame (0x00, then schema 7): use a serializer"),
        (b"\xff\xfe\x00", "3 bytes that are not UTF-8. "),
        (CREATED["review_id"].encode(), "the event's review_id. "),
        (b"jane.doe@example.com", "another text, which looks like an e-mail address. "),
        (b"+1 555 123 4567", "another text, which looks like a phone number. "),
        (b"x" * 5000, f"another text: '{'x' * 37}...'. "),
    ],
)
def test_refuses_a_wrong_key(intake: Intake, key: bytes | None, says: str) -> None:
    with pytest.raises(Refused) as refused:
        intake.decode(LIFECYCLE, partition_of("seller-42", PARTITIONS), key, json.dumps(CREATED).encode(), NOW)
    assert refused.value.reason is Refusal.WRONG_KEY
    assert says in refused.value.detail
    assert refused.value.detail.endswith(" The key must be the event's seller_id as plain text: 'seller-42'.")


def test_refuses_a_partition_that_is_not_that_of_the_key(intake: Intake) -> None:
    right = partition_of("seller-42", PARTITIONS)
    for partition in set(range(PARTITIONS)) - {right}:
        with pytest.raises(Refused) as refused:
            intake.decode(LIFECYCLE, partition, b"seller-42", json.dumps(CREATED).encode(), NOW)
        assert refused.value.reason is Refusal.WRONG_PARTITION_COUNT
        assert "partition count" in refused.value.detail


def test_refuses_the_far_future_only(intake: Intake) -> None:
    decode(intake, {**CREATED, "occurred_at": "2024-05-01T13:00:00Z"})
    late = {**CREATED, "occurred_at": "2024-05-01T13:00:00.000001Z"}
    assert refusal(intake, late).reason is Refusal.FUTURE
    assert refusal(intake, {**CREATED, "occurred_at": "2999-12-31T23:59:59-23:59"}).reason is Refusal.FUTURE


def test_refuses_a_value_that_is_too_large(intake: Intake) -> None:
    spare = 2048 - len(json.dumps({**CREATED, "note": ""}))
    decode(intake, {**CREATED, "note": "x" * spare})
    assert refusal(intake, {**CREATED, "note": "x" * (spare + 1)}).reason is Refusal.TOO_LARGE


def test_counts_events_with_unknown_fields(intake: Intake) -> None:
    assert decode(intake, {**CREATED, "mood": "grim", "other": {"deep": [1]}}) == decode(intake, CREATED)
    assert intake.unknown_fields == 1


def test_refuses_unknown_fields_if_configured() -> None:
    strict = Intake(Settings.model_construct(unknown_fields="refuse"), PARTITIONS)
    refused = refusal(strict, {**CREATED, "mood": "grim"})
    assert refused.reason is Refusal.BAD_VALUE
    assert "mood" in refused.detail
    decode(strict, CREATED)
    assert strict.unknown_fields == 0


def test_a_detail_has_a_maximal_length(intake: Intake) -> None:
    refused = refusal(intake, {**SENT, "channel": "x" * 1500}, OUTREACH)
    assert refused.reason is Refusal.BAD_VALUE
    assert len(refused.detail) <= 400


json_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
json_values = json_leaves | st.lists(json_leaves, max_size=3) | st.dictionaries(st.text(max_size=4), json_leaves)
mangled = st.dictionaries(st.sampled_from([*CREATED, "marketplace"]), json_values, max_size=4).map(
    lambda fields: json.dumps({**CREATED, **fields}).encode()
)


@given(
    value=st.one_of(st.binary(), mangled, st.binary(max_size=4).map(json.dumps(CREATED).encode().__add__)),
    key=st.none() | st.binary(max_size=8),
    stream=st.integers(0, 2),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # machines are shared
@example(value=b'{"type":"review.created","rating":' + b"9" * 5000 + b"}", key=None, stream=0)
@example(value=json.dumps(SENT).encode()[:-1] + b',"incentive_value":1' + b"0" * 400 + b"}", key=None, stream=1)
@example(value=json.dumps(SENT).encode()[:-1] + b',"incentive_value":1e400}', key=None, stream=1)
@example(value=json.dumps(SENT).encode()[:-1] + b',"incentive_value":1e308}', key=None, stream=1)
@example(value=b'{"type":' + b"[" * 30000, key=None, stream=0)
@example(value=b'{"x":' * 5000 + b"1" + b"}" * 5000, key=None, stream=0)
def test_raises_nothing_but_refused(value: bytes, key: bytes | None, stream: int) -> None:
    try:
        event = Intake(Settings.model_construct(), PARTITIONS).decode(stream, 0, key, value, NOW)
    except Refused as refused:
        assert refused.detail.endswith((".", "…"))
    else:
        assert isinstance(event, Event)


@given(key=st.binary(max_size=200), partitions=st.integers(1, 512))
@settings(max_examples=300, deadline=None)
def test_partitions_as_kafkas_default_partitioner_does(key: bytes, partitions: int) -> None:
    hashed = murmur2(key)
    assert hashed == aiokafka_murmur2(key) & 0xFFFFFFFF == kafka_python_murmur2(key) & 0xFFFFFFFF
    chosen = partition_of(key, partitions)
    assert chosen == (hashed & 0x7FFFFFFF) % partitions
    everything = list(range(partitions))
    assert chosen == DefaultPartitioner()(key, everything, everything)


def test_partition_of_text_is_that_of_its_utf8() -> None:
    assert partition_of("händler-7", 12) == partition_of("händler-7".encode(), 12)


LETTER: Final = DeadLetter(
    topic="reviews.lifecycle.v1",
    partition=3,
    offset=123456789012,
    key=b"\x00key\xff",
    value=b"\xff\xfe not json",
    headers=(("trace", b"\x00\x01"), ("empty", None), ("trace", b"again")),
    reason=Refusal.UNDECODABLE,
    detail="The value is not JSON in UTF-8 — at all.",
)


def test_a_dead_letter_keeps_key_value_and_headers() -> None:
    key, value, headers = outgoing(LETTER)
    assert (key, value) == (LETTER.key, LETTER.value)
    assert headers[: len(LETTER.headers)] == LETTER.headers
    added = dict(headers[len(LETTER.headers) :])
    assert tuple(added) == HEADERS
    assert added["__streams.errors.exception"] == b"stream.intake.refusal.Refused"
    assert added["__streams.errors.message"] == LETTER.detail.encode()
    assert (
        added["__streams.errors.stacktrace"]
        == f"stream.intake.refusal.Refused: {LETTER.reason}: {LETTER.detail}".encode()
    )
    assert added["__streams.errors.topic"] == b"reviews.lifecycle.v1"
    assert added["__streams.errors.partition"] == b"3"
    assert added["__streams.errors.offset"] == b"123456789012"
    assert added["volteface.reason"] == b"undecodable"


def test_a_dead_letter_is_decoded_as_it_was_encoded() -> None:
    assert incoming(*outgoing(LETTER)) == LETTER


def test_a_dead_letter_of_a_dead_letter_keeps_its_first_headers() -> None:
    key, value, headers = outgoing(LETTER)
    second = structs.replace(
        LETTER,
        topic="dlq.reviews.lifecycle.v1",
        key=key,
        value=value,
        headers=headers,
        reason="future",
        detail="Later.",
    )
    assert incoming(*outgoing(second)) == second


def test_a_dead_letter_without_key_value_and_headers() -> None:
    bare = structs.replace(LETTER, key=None, value=None, headers=(), reason="undecodable", detail="No value.")
    assert incoming(*outgoing(bare)) == bare


def test_long_texts_are_cut_between_characters() -> None:
    long = structs.replace(LETTER, key=None, value=None, headers=(), reason="bad_value", detail="x" + "é" * 5000)
    message = dict(outgoing(long)[2])["__streams.errors.message"]
    assert message is not None
    assert len(message) <= 1024
    assert long.detail.startswith(message.decode())


@pytest.mark.parametrize(
    "headers",
    [(), (("volteface.reason", b"future"),), (*outgoing(LETTER)[2], ("__streams.errors.offset", b"many"))],
)
def test_a_record_that_is_not_a_dead_letter_is_refused(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    with pytest.raises(NotADeadLetterError):
        incoming(None, None, headers)
