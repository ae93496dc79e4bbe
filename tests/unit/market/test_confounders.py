"""Confounders: each has its effect, leaves no cheats, and changes nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import fields
from functools import cache

import msgspec
import numpy as np
import pytest

from stream.contract.events import CRITICAL_STARS, ContactAccessed, OutreachSent, ReviewCreated, ReviewDeleted
from stream.market.cheats import Run
from stream.market.hazards import DAY, HOUR
from stream.market.output import Market
from stream.market.run_context import run_context
from stream.market.scenarios import SCENARIOS, Confounders, Scenario
from stream.market.simulate import START, make
from stream.market.worlds import world
from tests.unit.market.test_market import Event, by_review, decoded, flips, stars

_SELLERS, _DAYS, _SEED = 8, 120, 3
NAMES = [each.name for each in fields(Confounders)]


@cache
def market(name: str | None, share: float = 1.0, sellers: int = _SELLERS, days: int = _DAYS) -> Market:
    """Make a market in which a share of the sellers has one confounder; without a name, none."""
    scenario = Scenario(confounders=Confounders(**({name: share} if name else {})))
    return make(scenario, Run("test", _SEED, sellers, days))


@cache
def events(name: str | None) -> list[Event]:
    return decoded(market(name))


@cache
def reviews(name: str | None) -> dict[str, list[Event]]:
    return by_review(events(name))


def creation_days(name: str | None) -> dict[str, list[float]]:
    """Return the days of review creations by seller."""
    found: dict[str, list[float]] = defaultdict(list)
    for event in events(name):
        if isinstance(event, ReviewCreated):
            found[event.seller_id].append(day(event))
    return found


def day(event: Event) -> float:
    return (event.occurred_at.timestamp() - START) / DAY


def flips_of(name: str | None) -> list[tuple[float, float]]:
    """Return the day and the age (days) of each flip."""
    return [(day(flip), day(flip) - day(history[0])) for history in reviews(name).values() for flip in flips(history)]


def by_seller(lines: list[bytes]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = defaultdict(list)
    for line in lines:
        found[msgspec.json.decode(line)["seller_id"]].append(line)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_sellers_without_the_confounder_do_not_change(name: str) -> None:
    honest, some = by_seller(market(None, 1.0, 20, 20).lines), by_seller(market(name, 0.3, 20, 20).lines)
    affected = {seller_id for seller_id, names in market(name, 0.3, 20, 20).confounders.items() if names == [name]}
    assert 1 <= len(affected) < 15
    changed = {seller_id for seller_id, lines in honest.items() if some.get(seller_id) != lines}
    neighbours = {f"seller-{int(each[-4:]) - 1:04d}" for each in affected} if name == "merge" else set()
    assert changed <= affected | neighbours
    assert changed
    assert market(name).truth == []
    assert name in SCENARIOS


def test_confounders_do_not_change_a_reviews_draws() -> None:
    """With all confounders, the remaining reviews of the honest market are as they were drawn."""
    scenario = Scenario(confounders=Confounders(**dict.fromkeys(NAMES, 0.5)))
    confounded = by_review(decoded(make(scenario, Run("test", _SEED, _SELLERS, _DAYS))))
    found = 0
    for review_id, history in reviews(None).items():
        if review_id in confounded:
            (one, other), found = (history[0], confounded[review_id][0]), found + 1
            assert isinstance(one, ReviewCreated)
            assert isinstance(other, ReviewCreated)
            assert (one.occurred_at, one.rating, one.product_id) == (other.occurred_at, other.rating, other.product_id)
            assert one.reviewer_id == other.reviewer_id
    assert found > 100


def test_tiny_sellers_get_a_review_a_week() -> None:
    assert 0.6 < np.mean([len(days) for days in creation_days("tiny").values()]) * 7 / _DAYS < 1.5


def test_giants_get_twenty_times_the_median() -> None:
    for days in creation_days("giant").values():
        assert len(days) / _DAYS == pytest.approx(50, rel=0.06)


def test_new_sellers_begin_within_the_run() -> None:
    for seller_id, days in creation_days("new").items():
        assert days[0] > 0.15 * _DAYS
        assert days == [each for each in creation_days(None)[seller_id] if each >= days[0]]


def test_passing_giants_leave_no_reviews() -> None:
    for days in creation_days("passing").values():
        assert 0.1 * _DAYS < days[0] < days[-1] < 0.9 * _DAYS
    assert all(isinstance(history[-1], ReviewDeleted) for history in reviews("passing").values())
    assert market("passing") != market("giant")


def test_most_reviews_of_a_bomb_are_withdrawn() -> None:
    added = [history for review_id, history in reviews("bomb").items() if review_id not in reviews(None)]
    bombs: dict[str, list[list[Event]]] = defaultdict(list)
    for history in added:
        bombs[history[0].seller_id].append(history)
    assert len(bombs) == _SELLERS
    for bomb in bombs.values():
        assert 30 <= len(bomb) <= 150
        assert day(bomb[-1][0]) - day(bomb[0][0]) < 2
        assert {stars(history) for history in bomb} == {1}
        assert 0.4 < sum(len(flips(history)) for history in bomb) / len(bomb) < 1
        assert all(1 < day(flip) - day(history[0]) < 14 for history in bomb for flip in flips(history))


def test_superb_support_is_fast_and_gets_more_flips() -> None:
    criticals = [history for history in reviews("superb").values() if stars(history) <= CRITICAL_STARS]
    waits = [
        min(waited)
        for history in criticals
        if (waited := [day(event) - day(history[0]) for event in history if isinstance(event, OutreachSent)])
    ]
    assert len(waits) > 0.85 * len(criticals)
    assert np.median(waits) < 4 * HOUR / DAY
    assert len(flips_of("superb")) > 1.5 * len(flips_of(None))


def test_a_mass_reply_reaches_old_reviews_and_all_new_ones() -> None:
    ages = [
        day(event) - day(history[0])
        for history in reviews("mass_reply").values()
        for event in history
        if isinstance(event, OutreachSent) and event.channel == "public_reply"
    ]
    assert max(ages) > 40
    replied = {
        history[0].seller_id: min(
            day(event) for event in events("mass_reply") if _reply_of(event, history[0].seller_id)
        )
        for history in reviews("mass_reply").values()
    }
    late = [
        any(isinstance(event, OutreachSent) for event in history)
        for history in reviews("mass_reply").values()
        if stars(history) <= CRITICAL_STARS
        and max(0.8 * _DAYS, replied[history[0].seller_id]) < day(history[0]) < _DAYS - 15
    ]
    assert late
    assert sum(late) > 0.9 * len(late)


def _reply_of(event: Event, seller_id: str) -> bool:
    return isinstance(event, OutreachSent) and event.channel == "public_reply" and event.seller_id == seller_id


def test_after_a_fix_reviews_of_all_ages_flip() -> None:
    fixed, usual = flips_of("fix"), flips_of(None)
    assert len(fixed) > 1.2 * len(usual)
    assert sum(age > 20 for _, age in fixed) > 1.5 * sum(age > 20 for _, age in usual)


def test_a_season_multiplies_flips_and_changes_none_before_it() -> None:
    context = run_context(Scenario(), world(0), _SEED, START, START + _DAYS * DAY)
    begin, end = ((at - START) / DAY for at in (context.season.since, context.season.until))
    assert 14 <= end - begin <= 28

    def within(name: str | None) -> int:
        return sum(begin <= at < end for at, _ in flips_of(name))

    assert 1.2 < within("season") / within(None) < 4
    assert [flip for flip in flips_of("season") if flip[0] < begin] == [f for f in flips_of(None) if f[0] < begin]


def test_the_desk_makes_most_look_ups_and_solves_tickets() -> None:
    busy = Counter(event.actor_id for event in events("desk") if isinstance(event, ContactAccessed))
    usual = Counter(event.actor_id for event in events(None) if isinstance(event, ContactAccessed))
    (one, many), (other, less), (_, third) = busy.most_common(3)
    assert min(many, less) > 4 * third
    desk = {one, other} - {who for who, _ in usual.most_common(3)}
    looked_up = {e.review_id for e in events("desk") if isinstance(e, ContactAccessed) and e.actor_id in desk}
    solved = sum(len(flips(reviews("desk")[each])) for each in looked_up if each)
    assert solved > sum(len(flips(reviews(None)[each])) for each in looked_up if each)


def test_a_sweep_removes_many_at_once_by_one_staff_member_or_none() -> None:
    removed: dict[str, list[ReviewDeleted]] = defaultdict(list)
    for event in events("sweep"):
        if isinstance(event, ReviewDeleted) and event.deleted_by == "platform":
            removed[event.seller_id].append(event)
    automatic = set()
    for each in removed.values():
        days = np.array([day(event) for event in each])
        peak = max(days, key=lambda at: ((days >= at) & (days < at + 2)).sum())
        swept = [event for event in each if peak <= day(event) < peak + 2]
        assert len(swept) > 0.6 * len(each)
        ((actor_id, most),) = Counter(event.actor_id for event in swept).most_common(1)
        assert most > 0.9 * len(swept)
        automatic.add(actor_id is None)
    assert automatic == {True, False}


def test_a_reimport_gives_the_same_reviews_new_ids() -> None:
    removed = {e.reviewer_id: e for e in events("reimport") if isinstance(e, ReviewDeleted) and "x" in e.review_id}
    again = [event for event in events("reimport") if isinstance(event, ReviewCreated) and "y" in event.review_id]
    assert len(again) > 300
    assert {event.seller_id for event in again} == set(creation_days(None))
    for event in again:
        if event.reviewer_id.count("x"):  # frequent reviewers have more than one review
            old = removed[event.reviewer_id]
            assert (old.occurred_at, old.rating, old.deleted_by) == (event.occurred_at, event.rating, "platform")
    later = [history for history in reviews("reimport").values() if "y" in str(history[0].review_id)]
    assert sum(len(flips(history)) for history in later) > 0
    assert len(flips_of("reimport")) == len(flips_of(None))


def test_a_merge_moves_a_sellers_later_reviews_to_another() -> None:
    for number in range(1, _SELLERS):
        own_products, before = f"p{number:04d}", f"seller-{number - 1:04d}"
        sold = [e for e in events("merge") if isinstance(e, ReviewCreated) and e.product_id.startswith(own_products)]
        (moved_on,) = {day(event) for event in sold if event.seller_id == before} and {
            min(day(event) for event in sold if event.seller_id == before)
        }
        assert all((event.seller_id == before) == (day(event) >= moved_on) for event in sold)
        assert 0.1 < moved_on / _DAYS < 0.95
