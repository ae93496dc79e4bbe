"""The watch list: its subjects, their order, and that it changes no state."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from stream.contract.alerts import Subject
from stream.contract.events import AnyEvent
from stream.core.detector import Detector
from stream.core.messages.reports import ReportedFlip
from stream.core.model.flips import Flip
from stream.core.model.strata import DAY
from stream.core.staff.history import StaffHistory
from stream.core.subjects.seller import Seller
from stream.market import simulate
from stream.offline.watchlist import Watched, rank

BUDGET = 3
NOW = 1000 * DAY
#: ln R below and above the threshold of any budget.
BELOW, ABOVE = 0.5, 50.0


def flips(*days: float) -> list[Flip]:
    flip = Flip(
        at=0, created_at=0, review_id="r", product_id="p", stars=4, retracted=False, incentive=False,
        contact_hours=None, group=0, actor_ids=(), without_purpose=False, stars_before=1, stars_after=5,
        channel=None, incentive_value=None, currency=None,
    )  # fmt: skip
    return [msgspec.structs.replace(flip, at=day * DAY) for day in days]


def seller(name: str, *log_odds: float, latest: float = 999) -> Seller:
    seller = Seller(name, 0)
    seller.log_odds, seller.flips = list(log_odds), flips(900, latest)
    return seller


def findings(*days: float) -> list[ReportedFlip]:
    return [ReportedFlip("s", "e", None, flip) for flip in flips(*days)]


def staff(name: str, log_odds: float, latest: float = 999) -> StaffHistory:
    history = StaffHistory(version=1, actor_id=name, first_seen=0.0)
    history.log_odds, history.flips.latest = [log_odds, None], findings(latest)
    return history


def task(*subjects: Seller | StaffHistory, clock: float = NOW) -> Detector:
    detector = Detector(BUDGET, "digest")
    detector.state.clock = clock
    for subject in subjects:
        if isinstance(subject, Seller):
            detector.state.sellers[subject.seller_id] = subject
        else:
            detector.state.aggregator.staff.histories[subject.actor_id] = subject
    return detector


def ids(listed: list[Watched]) -> list[str]:
    return [entry.subject.id for entry in listed]


def test_the_strongest_subject_is_first_with_the_values_of_the_state() -> None:
    listed = rank(
        [task(seller("s1", -1, BELOW, 0.1), staff("a", 2 * BELOW)), task(seller("s2", 0.4, -2, -2))], BUDGET, 9
    )
    assert ids(listed) == ["a", "s1", "s2"]
    entry = listed[1]
    assert (entry.kind, entry.subject, entry.log_odds) == ("seller.contact_flips", Subject("seller", "s1"), BELOW)
    assert entry.odds == pytest.approx(1.6487, abs=1e-4)
    assert 0 < entry.share < 1
    assert entry.flips == 2
    assert entry.since == dt.datetime.fromtimestamp(900 * DAY, dt.UTC)
    assert entry.latest == dt.datetime.fromtimestamp(999 * DAY, dt.UTC)


def test_equal_subjects_are_sorted_by_name_across_tasks() -> None:
    first, second = task(seller("s2", BELOW), seller("s4", BELOW)), task(seller("s3", BELOW), seller("s1", BELOW))
    assert ids(rank([first, second], BUDGET, 3)) == ids(rank([second, first], BUDGET, 3)) == ["s1", "s2", "s3"]


@pytest.mark.parametrize(
    "unlisted",
    [
        seller("no evidence", -0.1),
        seller("alerted", BELOW, ABOVE),
        seller("no recent flip", BELOW, latest=969),
        Seller("no flip", 0),
    ],
    ids=lambda unlisted: unlisted.seller_id,
)
def test_a_subject_without_open_evidence_is_not_listed(unlisted: Seller) -> None:
    assert rank([task(unlisted)], BUDGET, 9) == []


def test_a_recently_alerted_subject_is_not_listed() -> None:
    subject = seller("s", BELOW, 0)
    subject.alerted_at = {"seller.flips": NOW - 29 * DAY}
    assert rank([task(subject)], BUDGET, 9) == []
    subject.alerted_at = {"seller.flips": NOW - 31 * DAY, "seller.contact_flips": NOW - DAY}
    assert ids(rank([task(subject)], BUDGET, 9)) == ["s"]


def test_recency_is_measured_from_the_latest_clock_of_all_tasks() -> None:
    behind = task(seller("s", BELOW, latest=960), clock=965 * DAY)
    assert ids(rank([behind], BUDGET, 9)) == ["s"]
    assert rank([behind, task()], BUDGET, 9) == []


def test_a_staff_member_is_listed_with_removals_only() -> None:
    subject = StaffHistory(version=1, actor_id="a", first_seen=0.0)
    assert rank([task(subject)], BUDGET, 9) == []
    subject.log_odds, subject.removals.latest = [None, BELOW], findings(990, 995, 999)
    (entry,) = rank([task(subject)], BUDGET, 9)
    assert (entry.kind, entry.flips) == ("staff.removals", 3)


def test_an_empty_state_gives_an_empty_list() -> None:
    assert rank([], BUDGET, 9) == rank([Detector(BUDGET, "digest")], BUDGET, 9) == []


def test_a_restored_state_gives_the_same_list_and_ranking_changes_no_state() -> None:
    events, _ = simulate.market("bribes", 1, 60, 120)
    detector = Detector(BUDGET, "digest")
    for event in events:
        typed = msgspec.convert(event, AnyEvent)
        detector.apply(typed, typed.occurred_at.timestamp())
    digest = detector.rows.digest()
    listed = rank([detector], BUDGET, 20)
    assert listed
    assert detector.rows.digest() == digest
    restored = Detector(BUDGET, "digest")
    restored.rows.restore((key, value) for key, value in detector.rows.changed() if value is not None)
    assert rank([restored], BUDGET, 20) == listed
