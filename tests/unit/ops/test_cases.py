"""Cases: an id from its beginning, the market's event time, events that a worker takes, and what they will do."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from stream.config import KafkaSettings, Settings
from stream.contract.cases import Case
from stream.contract.events import CaseSubject, VerdictRecorded
from stream.ops import cases
from stream.ops.cases import UnknownCaseError, find, shown_digits
from stream.ops.market_time import LIVE, market_time, shift_of
from tests.sample_cases import decided, seller_case, staff_case

_ANA = "a1b2c3d4" + "0" * 24
_BEN = "a1b2c3d5" + "0" * 24
_CIM = "f" * 32
_NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def _known() -> dict[str, Case]:
    ids = {"ana": _ANA, "ben": _BEN, "cim": _CIM}
    return {case_id: seller_case(seller_id, case_id=case_id) for seller_id, case_id in ids.items()}


@pytest.mark.parametrize(
    ("given", "found"),
    [(_ANA, _ANA), ("a1b2c3d4", _ANA), ("A1B2C3D5", _BEN), (" ffffff ", _CIM), ("f" * 31, _CIM)],
)
def test_a_case_is_found_by_the_beginning_of_its_id(given: str, found: str) -> None:
    assert find(_known(), given).case_id == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a1b2c3", "'a1b2c3' is the beginning of 2 cases (a1b2c3d4, a1b2c3d5): give more digits"),
        ("fffff", "'fffff' is too short: give at least the first 6 digits of a case's id"),
        ("", "'' is too short"),
        ("a1b2c3d6", "there is no case 'a1b2c3d6': the nearest ids are a1b2c3d"),
        ("ffffffffe", "the nearest ids are ffffffffff"),
        ("0123456789", "there is no case '0123456789': see `volteface cases`"),
        ("ab" * 2500, f"there is no case '{'ab' * 40}'... (5,000 characters): see `volteface cases`"),
        ("ana", "'ana' is a subject and no case: give the id of its case, a1b2c3d4"),
    ],
)
def test_a_wrong_id_is_one_line_with_the_nearest_ids(given: str, message: str) -> None:
    with pytest.raises(UnknownCaseError) as caught:
        find(_known(), given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_no_cases_at_all_is_the_same_line() -> None:
    with pytest.raises(UnknownCaseError, match="there is no case 'abcdef': see `volteface cases`"):
        find({}, "abcdef")


def test_shown_digits_distinguish_the_cases() -> None:
    assert shown_digits([]) == shown_digits([_ANA]) == shown_digits([_ANA, _BEN, _CIM]) == 8
    assert shown_digits(["a" * 20 + "b" * 12, "a" * 20 + "c" * 12]) == 21


def _milliseconds(at: dt.datetime) -> int:
    return round(at.timestamp() * 1000)


def test_a_live_market_has_no_shift() -> None:
    case = seller_case(updated_at=_NOW - dt.timedelta(hours=20))
    newest = cases._newest([(case, _milliseconds(_NOW))])
    assert newest is not None
    assert shift_of(*newest) == dt.timedelta()
    assert cases._newest([]) is cases._newest([(case, -1)]) is None
    # Nothing is read, so it does not matter that there is no Kafka.
    assert market_time(Settings(), KafkaSettings(bootstrap_servers="127.0.0.1:1"), *newest) == LIVE


def test_a_replayed_market_has_the_shift_of_its_newest_case() -> None:
    newest = seller_case("new")
    older = seller_case("old", updated_at=newest.updated_at - dt.timedelta(days=90))
    written = _NOW - dt.timedelta(minutes=5)
    found = cases._newest([(newest, _milliseconds(written)), (older, _milliseconds(_NOW))])
    assert found is not None
    assert shift_of(*found) == newest.updated_at - written
    assert cases.event_time(newest, _NOW, shift_of(*found)) == newest.updated_at + dt.timedelta(minutes=5)


def test_a_case_that_was_closed_long_after_its_latest_event_shifts_nothing() -> None:
    closed = decided(seller_case(), state="closed", updated_at=_NOW - dt.timedelta(days=183))
    assert cases._newest([(closed, _milliseconds(_NOW))]) is None


def test_an_event_is_never_before_its_case() -> None:
    case = seller_case(updated_at=_NOW + dt.timedelta(minutes=3))
    assert cases.event_time(case, _NOW, dt.timedelta()) == case.updated_at
    assert cases.event_time(case, _NOW, dt.timedelta(days=1)) == _NOW + dt.timedelta(days=1)


def _verdict(case: Case, **fields: Any) -> VerdictRecorded:
    known: dict[str, Any] = {
        "event_id": "e", "occurred_at": case.updated_at, "case_id": case.case_id,
        "subject": CaseSubject(case.subject.type, case.subject.id),  # type: ignore[arg-type]  # no product
        "verdict": "confirmed", "analyst_id": "ana",
    }  # fmt: skip
    return VerdictRecorded(**known | fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"analyst_id": "ana@example.com"}, "analyst_id looks like an e-mail address"),
        ({"analyst_id": "ana lyst"}, "analyst_id holds white space"),
        ({"analyst_id": "a" * 129}, "analyst_id"),
        ({"second_analyst_id": "+49 30 1234567"}, "second_analyst_id looks like a phone number"),
        ({"occurred_at": dt.datetime(2200, 1, 1, tzinfo=dt.UTC)}, "occurred_at is more than 60 s ahead"),
        ({"occurred_at": dt.datetime.now(dt.UTC) + dt.timedelta(minutes=50)}, "occurred_at is more than 60 s ahead"),
    ],
)
def test_an_event_that_a_worker_would_refuse_is_not_written(fields: dict[str, object], reason: str) -> None:
    case = seller_case()
    cases.check(Settings(), _verdict(case))
    with pytest.raises(cases.UnusableEventError, match=reason):
        cases.check(Settings(), _verdict(case, **fields))


@pytest.mark.parametrize(
    ("four_eyes", "about_staff", "outcome"),
    [
        ("off", True, "verdict_in_force"),
        ("staff", True, "verdict_waits_for_second"),
        ("staff", False, "verdict_in_force"),
        ("on", False, "verdict_waits_for_second"),
    ],
)
def test_what_a_verdict_does_follows_the_setting(four_eyes: str, about_staff: bool, outcome: str) -> None:
    case = staff_case() if about_staff else seller_case()
    settings = Settings.model_validate({"four_eyes": four_eyes})
    assert cases.foresee(settings, case, _verdict(case)).outcome == outcome


def test_an_event_without_kafka_is_not_recorded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "_ACKNOWLEDGED_SECONDS", 1)
    case = seller_case()
    subject = CaseSubject("seller", case.subject.id)
    event = VerdictRecorded(
        event_id="e", occurred_at=case.updated_at, case_id=case.case_id, subject=subject, verdict="dismissed",
        analyst_id="ana",
    )  # fmt: skip
    with pytest.raises(cases.NotAcknowledgedError, match="nothing was recorded: Kafka does not answer"):
        cases.record(Settings(), KafkaSettings(bootstrap_servers="127.0.0.1:1"), event)
