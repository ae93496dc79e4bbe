"""Cheats: each kind leaves its own traces and no others, and the truth lists exactly the paid flips and removals."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, fields
from functools import cache

import pytest

from stream.contract.events import CRITICAL_STARS, ContactAccessed, OutreachSent, ReviewDeleted
from stream.market.cheats import KINDS, Cheat, Run, wanted_kinds
from stream.market.hazards import DAY
from stream.market.scenarios import SCENARIOS, Cheats, Confounders, Scenario
from stream.market.simulate import START, make
from tests.unit.market.test_market import Event, by_review, decoded, flips, stars

_SELLERS, _DAYS, _SEED = 5, 240, 4


@dataclass(frozen=True)
class DecodedMarket:
    """A market's events, all and by review, and its cheats."""

    events: list[Event]
    reviews: dict[str, list[Event]]
    sellers: list[Cheat]
    staff: list[Cheat]


@cache
def market(kind: str | None) -> DecodedMarket:
    """Make a market in which all sellers are cheats of one kind (in a ring the small ones), or all are honest."""
    scenario = Scenario(cheats=Cheats(1.0, kinds=(kind,)) if kind else Cheats())
    made = make(scenario, Run("test", _SEED, _SELLERS, _DAYS))
    sellers, staff = ([c for c in made.truth if c.seller_id], [c for c in made.truth if c.actor_id])
    return DecodedMarket(decoded(made), by_review(decoded(made)), sellers, staff)


def day(event: Event) -> float:
    return (event.occurred_at.timestamp() - START) / DAY


def start_day(cheat: Cheat) -> float:
    return (dt.datetime.fromisoformat(cheat.started_at).timestamp() - START) / DAY


def paid(kind: str) -> list[tuple[Cheat, list[Event], Event]]:
    """Return the paid flips: the cheat, the review's events, and the flip."""
    decoded_market = market(kind)
    return [
        (cheat, decoded_market.reviews[each], flip)
        for cheat in decoded_market.sellers
        for each in cheat.paid_review_ids
        for flip in flips(decoded_market.reviews[each])
    ]


def flips_by_review(kind: str | None) -> dict[str, Event]:
    return {review_id: flip for review_id, history in market(kind).reviews.items() for flip in flips(history)}


def contacts(kind: str | None) -> set[tuple[str, str, dt.datetime]]:
    return {(e.seller_id, e.reviewer_id, e.occurred_at) for e in market(kind).events if isinstance(e, OutreachSent)}


def look_ups(kind: str | None) -> set[tuple[str, str, str, dt.datetime]]:
    return {
        (event.seller_id, event.actor_id, event.review_id, event.occurred_at)
        for event in market(kind).events
        if isinstance(event, ContactAccessed)
    }


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"removals"}))
def test_the_truth_lists_the_paid_flips(kind: str) -> None:
    made, before, after = market(kind), flips_by_review(None), flips_by_review(kind)
    assert {cheat.kind for cheat in made.sellers} == {kind}
    for cheat in made.sellers:
        assert cheat.paid_flips == len(set(cheat.paid_review_ids)) == len(cheat.paid_review_ids)
    bought = paid(kind)
    assert len(bought) == sum(cheat.paid_flips for cheat in made.sellers) > 10
    for cheat, history, flip in bought:
        assert flip.seller_id == cheat.seller_id
        assert day(flip) > start_day(cheat)
        # In the same market without cheats the flip comes later or never.
        assert not isinstance(history[0], OutreachSent | ContactAccessed)
        without = before.get(history[0].review_id)
        assert without is None or without.occurred_at > flip.occurred_at
    # Without an effect of contacts, a fix or a bomb, the truth has all flips that the honest market does not have.
    moved = {each for each, flip in after.items() if each not in before or before[each].occurred_at != flip.occurred_at}
    listed = {review_id for cheat in made.sellers for review_id in cheat.paid_review_ids}
    assert listed <= moved
    if kind in {"leaked", "hidden", "ring"}:
        assert listed == moved
    assert set(before) <= set(after)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_other_traces(kind: str) -> None:
    bought = {
        cheat.seller_id: {flip.reviewer_id for payer, _, flip in paid(kind) if payer is cheat}
        for cheat in market(kind).sellers
    }
    written = {(seller_id, reviewer_id) for seller_id, reviewer_id, _ in contacts(kind) - contacts(None)}
    looked_up = look_ups(kind) - look_ups(None)
    channels = KINDS[kind].channels
    if "contact" not in channels and not KINDS[kind].replies:
        assert written == set()
    if "access" not in channels:
        assert looked_up == set()
    insiders = {review_id: staff.actor_id for staff in market(kind).staff for review_id in staff.paid_review_ids}
    for cheat in market(kind).sellers if kind != "removals" else []:
        by_staff = {insiders.get(review_id) for review_id in cheat.paid_review_ids}
        assert len(by_staff) <= 1  # a seller has one channel
        if by_staff - {None}:
            assert {(actor, at) for seller_id, actor, _, at in looked_up if seller_id == cheat.seller_id}
            assert {actor for seller_id, actor, _, _ in looked_up if seller_id == cheat.seller_id} == by_staff
            assert {each for _, _, each, _ in looked_up} >= set(cheat.paid_review_ids)
        elif channels == ("contact",):
            assert {reviewer_id for seller_id, reviewer_id in written if seller_id == cheat.seller_id} >= bought[
                cheat.seller_id
            ]


@pytest.mark.parametrize("kind", ["leaked", "ring"])
def test_the_look_up_comes_first(kind: str) -> None:
    insiders = {review_id: staff.actor_id for staff in market(kind).staff for review_id in staff.paid_review_ids}
    for _, history, flip in paid(kind):
        sold = insiders[str(flip.review_id)]
        assert any(isinstance(e, ContactAccessed) and e.actor_id == sold and e.purpose == "support" for e in history)
        assert history[-1].occurred_at >= flip.occurred_at


def test_a_drip_is_slow() -> None:
    for cheat in market("drip").sellers:
        months = Counter(int(day(flip) // 30) for payer, _, flip in paid("drip") if payer is cheat)
        assert not months or max(months.values()) <= 12
    flips_a_month = len(paid("drip")) / sum((_DAYS - start_day(cheat)) / 30 for cheat in market("drip").sellers)
    assert 1 < flips_a_month < 6


def test_a_burst_is_over_in_days_and_takes_old_reviews_too() -> None:
    assert all(0 < day(flip) - start_day(cheat) < 10 for cheat, _, flip in paid("burst"))
    assert max(day(flip) - day(history[0]) for _, history, flip in paid("burst")) > 60


def test_a_ring_is_small_sellers_that_start_together() -> None:
    assert 2 <= len(market("ring").sellers) < _SELLERS
    starts = [start_day(cheat) for cheat in market("ring").sellers]
    assert max(starts) - min(starts) < 3
    (broker,) = market("ring").staff
    assert broker.kind == "access"
    assert broker.paid_flips == sum(cheat.paid_flips for cheat in market("ring").sellers)
    assert broker.started_at == min(cheat.started_at for cheat in market("ring").sellers)


def test_a_replier_replies_to_nearly_all_critical_reviews() -> None:
    open_long = [
        history
        for history in market("replier").reviews.values()
        if stars(history) <= CRITICAL_STARS and day(history[0]) < _DAYS - 20 and not flips(history)
    ]
    assert sum(any(isinstance(event, OutreachSent) for event in history) for history in open_long) > 0.93 * len(
        open_long
    )


def test_the_first_day_is_the_first() -> None:
    assert {start_day(cheat) for cheat in market("first_day").sellers} == {0.0}


def test_cover_is_a_fix_or_bomb_of_its_own() -> None:
    assert all(0 < day(flip) - start_day(cheat) < 20 for cheat, _, flip in paid("cover"))
    unpaid = {cheat.seller_id: -cheat.paid_flips for cheat in market("cover").sellers}
    for flip in flips_by_review("cover").values():
        unpaid[flip.seller_id] += 1
    honest = Counter(flip.seller_id for flip in flips_by_review(None).values())
    assert all(unpaid[seller_id] > honest[seller_id] for seller_id in unpaid)


def test_old_reviews_are_old() -> None:
    for _, history, flip in paid("old"):
        assert 60 < day(flip) - day(history[0]) < 360


def test_the_truth_lists_removals_by_staff_member() -> None:
    (remover,) = market("removals").staff
    assert remover.kind == "removals"
    assert {cheat.paid_flips for cheat in market("removals").sellers} == {0}
    assert len({market("removals").reviews[each][0].seller_id for each in remover.paid_review_ids}) > 1
    assert remover.paid_flips == len(set(remover.paid_review_ids)) > 10
    for review_id in remover.paid_review_ids:
        history = market("removals").reviews[review_id]
        assert isinstance(history[-1], ReviewDeleted)
        assert (history[-1].deleted_by, history[-1].actor_id) == ("platform", remover.actor_id)
        assert (history[-1].rating or 0) <= CRITICAL_STARS
        assert flips(history) == []
    honest = {event.actor_id for event in market(None).events if isinstance(event, ContactAccessed | ReviewDeleted)}
    assert remover.actor_id in honest  # from the same pool as honest staff, with daily work


def test_the_truth_holds_with_all_confounders() -> None:
    """Also for new ids after an import, in a review bomb, and with reviews that moved to another seller."""
    scenario = Scenario(
        Confounders(**dict.fromkeys((each.name for each in fields(Confounders) if "giant" not in each.name), 0.4)),
        Cheats(1.0, kinds=tuple(KINDS)),
    )
    made = make(scenario, Run("test", 1, 22, 120))
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
    kinds = Counter(wanted_kinds(SCENARIOS["cheats"].cheats, 500))
    assert set(kinds) == set(KINDS)
    assert 0.04 <= kinds.total() / 500 <= 0.08
    assert kinds["ring"] >= 5
    assert {*KINDS, "access"} <= set(SCENARIOS)
