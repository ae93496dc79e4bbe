"""What a case's page shows: parts that add up, steps in order, the log, pictures without markup from outside."""

from __future__ import annotations

import datetime as dt
import math
import re
import xml.etree.ElementTree as ET

import msgspec
import pytest

from stream.console import case_view, pictures
from stream.console.odds_bars import factor, groups
from stream.console.source.rows import RecordedEvent
from stream.contract.alerts import Contact, LookUp, Point
from stream.contract.cases import Case, Position
from stream.contract.events import CaseAssigned, CaseSubject
from tests.sample_cases import decided, seller_case, staff_case

_AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("case", [seller_case(), staff_case()])
def test_every_part_is_in_one_group_and_they_add_up(case: Case) -> None:
    found = groups(case.evidence.parts)
    shown = [bar.part for group in found for bar in group.bars]
    assert sorted(map(id, shown)) == sorted(map(id, case.evidence.parts))
    assert math.fsum(group.log_odds for group in found) == pytest.approx(math.log(case.evidence.odds), abs=1e-6)
    assert max(abs(bar.share) for group in found for bar in group.bars) == 1


@pytest.mark.parametrize(
    ("log_odds", "shown"),
    [
        (0.0, "no change"),
        (math.log(2), "× 2.0"),
        (-math.log(5), "÷ 5.0"),
        (math.log(1234), "× 1,234"),
        (40, "× over a million"),
    ],
)
def test_a_part_in_words(log_odds: float, shown: str) -> None:
    assert factor(log_odds) == shown


def test_the_steps_of_a_review_are_in_the_order_of_time() -> None:
    review = msgspec.structs.replace(
        seller_case().evidence.reviews[0],
        at=_AT,
        stars_before=1,
        stars_after=5,
        written_at=_AT - dt.timedelta(days=30),
        contact=Contact(5.0, "gift_card", 20.0, "EUR"),
        looked_up_by=["staff-1", "staff-2"],
        look_ups=[LookUp("staff-1", 50.0, has_purpose=False)],
    )
    steps = case_view.steps(review)
    assert [step.name for step in steps] == ["written", "looked up", "looked up", "contacted", "offered", "turned"]
    assert [step.when for step in steps] == ["30 d", "", "2 d", "5 h", "5 h", ""]
    assert steps[2].text == "by staff-1, no purpose"
    assert steps[4].text == "20 EUR"
    assert steps[-1].text == "1 → 5 stars"


def _assigned(to: str | None, partition: int, offset: int, at: dt.datetime = _AT) -> RecordedEvent:
    event = CaseAssigned(
        event_id=f"e{offset}", occurred_at=_AT, case_id="c", subject=CaseSubject("seller", "s"), analyst_id="ana",
        assignee_id=to,
    )  # fmt: skip
    return RecordedEvent(event, partition, offset, at)


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ([], None),
        ([_assigned("ana", 2, 9)], None),  # applied: the case was changed later
        ([_assigned("ana", 2, 10)], "ana"),
        ([_assigned("ana", 2, 10), _assigned("ben", 2, 11)], "ben"),
        ([_assigned("ana", 2, 10), _assigned(None, 2, 11)], None),
        ([_assigned("ana", 0, 99)], "ana"),  # a staff case: the event came in another partition a moment ago
        ([_assigned("ana", 0, 99, _AT - dt.timedelta(hours=1))], None),
    ],
)
def test_an_assignment_shows_before_a_worker_has_applied_it(events: list[RecordedEvent], shown: str | None) -> None:
    case = seller_case(position=Position(2, 10))
    assert case_view.with_pending_assignee(case, events, _AT).assignee == shown


def test_badges() -> None:
    assert case_view.badges(seller_case(reopened="x", waits_for_second=True, state="appealed"))[-3:] == [
        "came back", "second analyst", "appeal",
    ]  # fmt: skip


def test_pictures_are_xml_without_styles_and_scripts() -> None:
    hostile = '"><script>x</script>'
    case = decided(seller_case())
    case = msgspec.structs.replace(case, verdicts=[msgspec.structs.replace(case.verdicts[0], analyst_id=hostile)])
    for picture in (pictures.evidence(case, case_view.marks(case)), pictures.sparkline(case.evidence)):
        tags = {re.sub(r"{.*}", "", element.tag) for element in ET.fromstring(picture).iter()}
        assert tags <= {"svg", "polyline", "polygon", "rect", "line", "text", "circle", "title"}
        assert "style" not in picture
        assert "<script" not in picture


def test_the_band_holds_nine_of_ten_counts() -> None:
    # Poisson: P(X <= 1) = 0.0404 and P(X <= 9) = 0.9682 (P(X <= 8) = 0.9319) for a mean of 5.
    assert pictures._band(5.0) == (2.0, 9.0)
    assert pictures._band(0.0) == (0.0, 0.0)


def test_a_sparkline_begins_90_days_before_the_latest_flip() -> None:
    evidence = msgspec.structs.replace(
        seller_case().evidence,
        since=_AT - dt.timedelta(days=300),
        series=[
            Point(_AT - dt.timedelta(days=200), 3, 1.0),
            Point(_AT - dt.timedelta(days=10), 4, 2.0),
            Point(_AT, 6, 2.5),
        ],
    )
    assert 'aria-label="3 turned in 90 days, 1.5 expected"' in pictures.sparkline(evidence)
