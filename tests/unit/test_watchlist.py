"""The watch list: who stands on it, in which order, and that it only looks."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from stream.alerts import Subject
from stream.core.bands import DAY
from stream.core.detector import Detector
from stream.core.dossiers import Dossier
from stream.core.flips import Flip
from stream.core.reports import Told
from stream.core.subjects import Seller
from stream.events import AnyEvent
from stream.market import simulate
from stream.watchlist import Watched, rank

BUDGET = 3
NOW = 1000 * DAY
#: ln R that is surely below and surely above any threshold the budget may set.
SOME, MUCH = 0.5, 50.0


def flips(*days: float) -> list[Flip]:
    one = Flip(
        at=0, born_at=0, review_id="r", stars=4, retracted=False, incentive=False, contact_hours=None, arm=0,
        actors=(),
    )  # fmt: skip
    return [msgspec.structs.replace(one, at=day * DAY) for day in days]


def seller(name: str, *log_odds: float, latest: float = 999) -> Seller:
    made = Seller(name, 0)
    made.log_odds, made.flips = list(log_odds), flips(900, latest)
    return made


def told(*days: float) -> list[Told]:
    return [Told("s", "e", None, flip) for flip in flips(*days)]


def staff(name: str, log_odds: float, latest: float = 999) -> Dossier:
    made = Dossier(version=1, actor_id=name, first_seen=0.0)
    made.log_odds, made.flips.latest = [log_odds, None], told(latest)
    return made


def task(*known: Seller | Dossier, clock: float = NOW) -> Detector:
    detector = Detector(BUDGET, "digest")
    detector.clock = clock
    for one in known:
        if isinstance(one, Seller):
            detector.sellers[one.seller_id] = one
        else:
            detector.panel.dossiers[one.actor_id] = one
    return detector


def ids(listed: list[Watched]) -> list[str]:
    return [one.subject.id for one in listed]


def test_the_strongest_stands_first_and_says_what_the_state_says() -> None:
    listed = rank([task(seller("s1", -1, SOME, 0.1), staff("a", 2 * SOME)), task(seller("s2", 0.4, -2, -2))], BUDGET, 9)
    assert ids(listed) == ["a", "s1", "s2"]
    one = listed[1]
    assert (one.kind, one.subject, one.log_odds) == ("seller.contact_flips", Subject("seller", "s1"), SOME)
    assert one.odds == pytest.approx(1.6487, abs=1e-4)
    assert 0 < one.share < 1
    assert one.flips == 2
    assert one.since == dt.datetime.fromtimestamp(900 * DAY, dt.UTC)
    assert one.latest == dt.datetime.fromtimestamp(999 * DAY, dt.UTC)


def test_equals_lie_in_the_order_of_their_names_whatever_task_they_are_of() -> None:
    one, other = task(seller("s2", SOME), seller("s4", SOME)), task(seller("s3", SOME), seller("s1", SOME))
    assert ids(rank([one, other], BUDGET, 3)) == ids(rank([other, one], BUDGET, 3)) == ["s1", "s2", "s3"]


@pytest.mark.parametrize(
    "known",
    [
        seller("innocent", -0.1),
        seller("loud", SOME, MUCH),
        seller("quiet for long", SOME, latest=969),
        Seller("no flip", 0),
    ],
    ids=lambda known: known.seller_id,
)
def test_who_has_no_place_on_it(known: Seller) -> None:
    assert rank([task(known)], BUDGET, 9) == []


def test_who_was_alerted_lately_is_known_already() -> None:
    known = seller("s", SOME, 0)
    known.alerted_at = {"seller.flips": NOW - 29 * DAY}
    assert rank([task(known)], BUDGET, 9) == []
    known.alerted_at = {"seller.flips": NOW - 31 * DAY, "seller.contact_flips": NOW - DAY}
    assert ids(rank([task(known)], BUDGET, 9)) == ["s"]


def test_silence_is_counted_from_the_newest_clock_of_all_tasks() -> None:
    behind = task(seller("s", SOME, latest=960), clock=965 * DAY)
    assert ids(rank([behind], BUDGET, 9)) == ["s"]
    assert rank([behind, task()], BUDGET, 9) == []


def test_who_only_removes_is_listed_with_what_was_removed() -> None:
    known = Dossier(version=1, actor_id="a", first_seen=0.0)
    assert rank([task(known)], BUDGET, 9) == []
    known.log_odds, known.removals.latest = [None, SOME], told(990, 995, 999)
    (one,) = rank([task(known)], BUDGET, 9)
    assert (one.kind, one.flips) == ("staff.removals", 3)


def test_nothing_is_known_at_first() -> None:
    assert rank([], BUDGET, 9) == rank([Detector(BUDGET, "digest")], BUDGET, 9) == []


def test_a_restored_state_gives_the_same_list_and_looking_changes_nothing() -> None:
    events, _ = simulate.market("bribes", 1, 60, 120)
    detector = Detector(BUDGET, "digest")
    for event in events:
        typed = msgspec.convert(event, AnyEvent)
        detector.apply(typed, typed.occurred_at.timestamp())
    digest = detector.digest()
    listed = rank([detector], BUDGET, 20)
    assert listed
    assert detector.digest() == digest
    restored = Detector(BUDGET, "digest")
    restored.restore((key, value) for key, value in detector.changed() if value is not None)
    assert rank([restored], BUDGET, 20) == listed
