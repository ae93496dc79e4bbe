"""Cheats: each kind leaves the traces it should and no others, and the truth says what money did and nothing else."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, fields
from functools import cache

import pytest

from stream.events import CRITICAL_STARS, ContactAccessed, OutreachSent, ReviewDeleted
from stream.events import AnyEvent as Event
from stream.market.cheats import KINDS, Cheat, Run, wanted
from stream.market.hazards import DAY
from stream.market.scenarios import SCENARIOS, Cheats, Confounders, Scenario
from stream.market.simulate import START, make
from tests.unit.test_market import by_review, decoded, flips, stars

_SELLERS, _DAYS, _SEED = 5, 240, 4


@dataclass(frozen=True)
class Told:
    """A market as a reader of the contract finds it."""

    events: list[Event]
    reviews: dict[str, list[Event]]
    sellers: list[Cheat]
    staff: list[Cheat]


@cache
def told(kind: str | None) -> Told:
    """A market in which all sellers cheat alike (of a ring the small ones), or nobody does."""
    ways = Scenario(cheats=Cheats(1.0, kinds=(kind,)) if kind else Cheats())
    made = make(ways, Run("test", _SEED, _SELLERS, _DAYS))
    sellers, staff = ([c for c in made.truth if c.seller_id], [c for c in made.truth if c.actor_id])
    return Told(decoded(made), by_review(decoded(made)), sellers, staff)


def day(event: Event) -> float:
    return (event.occurred_at.timestamp() - START) / DAY


def start_day(cheat: Cheat) -> float:
    return (dt.datetime.fromisoformat(cheat.started_at).timestamp() - START) / DAY


def paid(kind: str) -> list[tuple[Cheat, list[Event], Event]]:
    """The paid flips: whose, the review, and the flip."""
    there = told(kind)
    return [
        (cheat, there.reviews[each], flip)
        for cheat in there.sellers
        for each in cheat.paid_review_ids
        for flip in flips(there.reviews[each])
    ]


def turned(kind: str | None) -> dict[str, Event]:
    return {review_id: flip for review_id, life in told(kind).reviews.items() for flip in flips(life)}


def contacts(kind: str | None) -> set[tuple[str, str, dt.datetime]]:
    return {(e.seller_id, e.reviewer_id, e.occurred_at) for e in told(kind).events if isinstance(e, OutreachSent)}


def look_ups(kind: str | None) -> set[tuple[str, str, str, dt.datetime]]:
    return {
        (event.seller_id, event.actor_id, event.review_id, event.occurred_at)
        for event in told(kind).events
        if isinstance(event, ContactAccessed)
    }


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"removals"}))
def test_the_truth_is_what_money_did(kind: str) -> None:
    there, before, after = told(kind), turned(None), turned(kind)
    assert {cheat.kind for cheat in there.sellers} == {kind}
    for cheat in there.sellers:
        assert cheat.paid_flips == len(set(cheat.paid_review_ids)) == len(cheat.paid_review_ids)
    bought = paid(kind)
    assert len(bought) == sum(cheat.paid_flips for cheat in there.sellers) > 10
    for cheat, life, flip in bought:
        assert flip.seller_id == cheat.seller_id
        assert day(flip) > start_day(cheat)
        # In the same market without cheats it comes later or never.
        assert not isinstance(life[0], OutreachSent | ContactAccessed)
        without = before.get(life[0].review_id)
        assert without is None or without.occurred_at > flip.occurred_at
    # Where neither contacts nor a fix or bomb help, every flip that is not an honest one is in the truth.
    moved = {each for each, flip in after.items() if each not in before or before[each].occurred_at != flip.occurred_at}
    known = {review_id for cheat in there.sellers for review_id in cheat.paid_review_ids}
    assert known <= moved
    if kind in {"leaked", "hidden", "ring"}:
        assert known == moved
    assert set(before) <= set(after)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_other_traces(kind: str) -> None:
    bought = {
        cheat.seller_id: {flip.reviewer_id for who, _, flip in paid(kind) if who is cheat}
        for cheat in told(kind).sellers
    }
    written = {(seller_id, reviewer_id) for seller_id, reviewer_id, _ in contacts(kind) - contacts(None)}
    looked_up = look_ups(kind) - look_ups(None)
    channels = KINDS[kind].channels
    if "contact" not in channels and not KINDS[kind].replies:
        assert written == set()
    if "access" not in channels:
        assert looked_up == set()
    clients = {review_id: staff.actor_id for staff in told(kind).staff for review_id in staff.paid_review_ids}
    for cheat in told(kind).sellers if kind != "removals" else []:
        by_staff = {clients.get(review_id) for review_id in cheat.paid_review_ids}
        assert len(by_staff) <= 1  # one seller, one channel
        if by_staff - {None}:
            assert {(actor, at) for who, actor, _, at in looked_up if who == cheat.seller_id}
            assert {actor for who, actor, _, _ in looked_up if who == cheat.seller_id} == by_staff
            assert {each for _, _, each, _ in looked_up} >= set(cheat.paid_review_ids)
        elif channels == ("contact",):
            assert {reviewer_id for who, reviewer_id in written if who == cheat.seller_id} >= bought[cheat.seller_id]


@pytest.mark.parametrize("kind", ["leaked", "ring"])
def test_the_look_up_comes_first(kind: str) -> None:
    clients = {review_id: staff.actor_id for staff in told(kind).staff for review_id in staff.paid_review_ids}
    for _, life, flip in paid(kind):
        sold = clients[str(flip.review_id)]
        assert any(isinstance(e, ContactAccessed) and e.actor_id == sold and e.purpose == "support" for e in life)
        assert life[-1].occurred_at >= flip.occurred_at


def test_a_drip_is_slow() -> None:
    for cheat in told("drip").sellers:
        months = Counter(int(day(flip) // 30) for who, _, flip in paid("drip") if who is cheat)
        assert not months or max(months.values()) <= 12
    flips_a_month = len(paid("drip")) / sum((_DAYS - start_day(cheat)) / 30 for cheat in told("drip").sellers)
    assert 1 < flips_a_month < 6


def test_a_burst_is_over_in_days_and_takes_old_reviews_too() -> None:
    assert all(0 < day(flip) - start_day(cheat) < 10 for cheat, _, flip in paid("burst"))
    assert max(day(flip) - day(life[0]) for _, life, flip in paid("burst")) > 60


def test_a_ring_is_small_sellers_who_begin_together() -> None:
    assert 2 <= len(told("ring").sellers) < _SELLERS
    starts = [start_day(cheat) for cheat in told("ring").sellers]
    assert max(starts) - min(starts) < 3
    (broker,) = told("ring").staff
    assert broker.kind == "access"
    assert broker.paid_flips == sum(cheat.paid_flips for cheat in told("ring").sellers)
    assert broker.started_at == min(cheat.started_at for cheat in told("ring").sellers)


def test_a_replier_replies_to_everybody() -> None:
    open_long = [
        life
        for life in told("replier").reviews.values()
        if stars(life) <= CRITICAL_STARS and day(life[0]) < _DAYS - 20 and not flips(life)
    ]
    assert sum(any(isinstance(event, OutreachSent) for event in life) for life in open_long) > 0.93 * len(open_long)


def test_the_first_day_is_the_first() -> None:
    assert {start_day(cheat) for cheat in told("first_day").sellers} == {0.0}


def test_cover_is_a_fix_or_bomb_of_its_own() -> None:
    assert all(0 < day(flip) - start_day(cheat) < 20 for cheat, _, flip in paid("cover"))
    unpaid = {cheat.seller_id: -cheat.paid_flips for cheat in told("cover").sellers}
    for flip in turned("cover").values():
        unpaid[flip.seller_id] += 1
    honest = Counter(flip.seller_id for flip in turned(None).values())
    assert all(unpaid[seller_id] > honest[seller_id] for seller_id in unpaid)


def test_old_reviews_are_old() -> None:
    for _, life, flip in paid("old"):
        assert 60 < day(flip) - day(life[0]) < 360


def test_sold_removals_are_told_of_staff() -> None:
    (remover,) = told("removals").staff
    assert remover.kind == "removals"
    assert {cheat.paid_flips for cheat in told("removals").sellers} == {0}
    assert len({told("removals").reviews[each][0].seller_id for each in remover.paid_review_ids}) > 1
    assert remover.paid_flips == len(set(remover.paid_review_ids)) > 10
    for review_id in remover.paid_review_ids:
        life = told("removals").reviews[review_id]
        assert isinstance(life[-1], ReviewDeleted)
        assert (life[-1].deleted_by, life[-1].actor_id) == ("platform", remover.actor_id)
        assert (life[-1].rating or 0) <= CRITICAL_STARS
        assert flips(life) == []
    honest = {event.actor_id for event in told(None).events if isinstance(event, ContactAccessed | ReviewDeleted)}
    assert remover.actor_id in honest  # from the same pool, with honest work


def test_the_truth_holds_whatever_else_befalls_a_cheat() -> None:
    """Also under the new ids after an import, in a bomb, and beside a catalogue that went to a neighbour."""
    ways = Scenario(
        Confounders(**dict.fromkeys((each.name for each in fields(Confounders) if "giant" not in each.name), 0.4)),
        Cheats(1.0, kinds=tuple(KINDS)),
    )
    made = make(ways, Run("test", 1, 22, 120))
    reviews = by_review(decoded(made))
    imported = 0
    for cheat in made.truth:
        for review_id in cheat.paid_review_ids if cheat.kind != "removals" else ():
            (flip,) = flips(reviews[review_id])
            assert day(flip) > start_day(cheat)
            assert cheat.seller_id in {"", flip.seller_id}
            imported += "y" in review_id
    assert imported


def test_all_kinds_are_spread_over_a_few_sellers() -> None:
    kinds = Counter(wanted(SCENARIOS["cheats"].cheats, 500))
    assert set(kinds) == set(KINDS)
    assert 0.04 <= kinds.total() / 500 <= 0.08
    assert kinds["ring"] >= 5
    assert {*KINDS, "access"} <= set(SCENARIOS)
