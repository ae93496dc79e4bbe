"""What the doctor says about the latest records of a topic."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from collections.abc import Callable

import pytest

from stream.config import Settings
from stream.doctor.diagnosis import Diagnosis
from stream.doctor.record_checks import check_records, waiting_letters
from stream.doctor.samples import Sampled, TopicSample
from stream.intake.dead_letters import DeadLetter, outgoing
from stream.intake.partition import partition_of
from stream.intake.settlements import settlement
from stream.ops.input_records import InputRecords

_NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC).timestamp()
_PARTITIONS = 4
_TOPIC = "reviews.lifecycle.v1"


def _event(number: int, delay_seconds: float, changes: dict[str, object]) -> tuple[str, bytes]:
    seller = f"seller-{number % 20}"
    at = dt.datetime.fromtimestamp(_NOW - 3600 + number - delay_seconds, dt.UTC)
    event = {
        "type": "review.created", "event_id": f"e{number}", "occurred_at": at.isoformat(), "seller_id": seller,
        "review_id": f"r{number}", "product_id": "p1", "reviewer_id": f"u{number}", "rating": 2,
    }  # fmt: skip
    return seller, json.dumps(event | changes).encode()


def _records(
    count: int = 60,
    delay_seconds: Callable[[int], float] = lambda number: 0.5 + number % 7,
    partition: Callable[[str], int] = lambda seller: partition_of(seller, _PARTITIONS),
    key: Callable[[str], bytes] = str.encode,
    changes: dict[str, object] | None = None,
) -> list[Sampled]:
    found = []
    for number in range(count):
        seller, value = _event(number, delay_seconds(number), changes or {})
        found.append(Sampled(partition(seller), number, key(seller), value, (), _NOW - 3600 + number))
    return found


def _checked(records: list[Sampled], stream: int = 0, now: float = _NOW) -> list[Diagnosis]:
    source = InputRecords(Settings(), _PARTITIONS)
    return check_records(Settings(), source, stream, TopicSample(_TOPIC, _PARTITIONS, records), now)


def _problem(records: list[Sampled], now: float = _NOW) -> Diagnosis:
    (found,) = [each for each in _checked(records, now=now) if each.level != "ok"]
    return found


def test_good_records_give_one_line() -> None:
    (found,) = _checked(_records())
    assert (found.check, found.level) == ("records", "ok")
    assert found.text == f"topic {_TOPIC}: its latest 60 records can be used."


@pytest.mark.parametrize(("stream", "level"), [(0, "warning"), (1, "warning"), (2, "warning"), (3, None)])
def test_an_empty_topic_matters_unless_people_write_it(stream: int, level: str | None) -> None:
    assert [each.level for each in _checked([], stream)] == ([] if level is None else [level])


def test_keys_that_are_json() -> None:
    found = _problem(_records(key=lambda seller: json.dumps(seller).encode()))
    assert found.level == "error"
    assert "60 cannot be used (wrong_key)" in found.text
    assert "double quotes" in found.text


def test_keys_that_are_the_review() -> None:
    records = [record._replace(key=f"r{record.offset}".encode()) for record in _records()]
    assert "the event's review_id" in _problem(records).text


def test_the_partitioner_is_named() -> None:
    found = _problem(_records(partition=lambda seller: zlib.crc32(seller.encode()) % _PARTITIONS))
    assert "wrong_partition_count" in found.text
    assert "CRC32, the default of librdkafka" in found.text
    assert "partitioner=murmur2_random" in found.advice


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"occurred_at": 1_777_000_000_000}, "occurred_at is a number"),
        ({"rating": 9}, "rating is 9: write a whole number from 1 to 5"),
        ({"rating": "5"}, "rating is text"),
    ],
)
def test_fields_that_events_do_not_have_so(changes: dict[str, object], text: str) -> None:
    found = _problem(_records(changes=changes))
    assert found.level == "error"
    assert text in found.text
    assert "volteface dlq replay" in found.advice


def test_unknown_fields() -> None:
    assert _problem(_records(changes={"stars": 3})).check == "unknown_fields"


def test_letters_that_were_sent_again_do_not_wait() -> None:
    letter = DeadLetter(
        topic=_TOPIC, partition=0, offset=7, key=b"k", value=b"v", headers=(), reason="wrong_key", detail="The key."
    )
    key, value, headers = outgoing(letter)
    records = [Sampled(1, offset, key, value, headers, _NOW) for offset in (3, 4, 5)]
    settled_key, settled_value, settled_headers = settlement(1, [3, 5])
    records.append(Sampled(1, 6, settled_key, settled_value, settled_headers, _NOW))
    records.append(Sampled(2, 4, b"k", b"no letter", (), _NOW))
    assert waiting_letters(TopicSample("dlq", 3, records)) == {"wrong_key": 1}
    assert not waiting_letters(TopicSample("dlq", 3, records[:1] + records[3:4]))


def test_nothing_arrives() -> None:
    found = _problem(_records(), now=_NOW + 8 * 3600)
    assert (found.check, found.text) == ("arrivals", f"topic {_TOPIC}: no record has come for 9.0 hours.")


def test_a_clock_that_is_ahead() -> None:
    found = _problem(_records(delay_seconds=lambda number: -90.0))
    assert found.check == "clocks"
    assert "up to 90 s later" in found.text


def test_local_time_as_utc() -> None:
    found = _problem(_records(delay_seconds=lambda number: 7200 + number % 7))
    assert "2.0 hours after their occurred_at" in found.text
    assert "local time as UTC" in found.advice


def test_a_backfill_is_no_time_zone() -> None:
    assert [each.level for each in _checked(_records(delay_seconds=lambda number: 7200 - 100 * number))] == ["ok"]


def test_disorder() -> None:
    found = _problem(_records(delay_seconds=lambda number: 500.0 if number % 20 == 19 else 1.0))
    assert found.check == "order"
    assert "more than 10 s behind" in found.text


def test_one_event_id_for_many_events() -> None:
    assert _problem(_records(changes={"event_id": "batch"})).check == "event_ids"
