"""Brokers: few paid flips for each of many clients, by insiders or lists; the truth lists what the events show."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

import pytest

from stream.contract.events import CRITICAL_STARS, ContactAccessed, OutreachSent, ReviewDeleted
from stream.market.brokers import CLIENTS, ORDERED
from stream.market.cheats import CLIENT
from stream.market.truth import BrokerClient, RingRow
from tests.unit.market.group_markets import DAYS, day, day_of, events, look_ups, reviews, truth
from tests.unit.market.test_market import Event, flips, stars

KINDS = ("brokers", "lists")


def rings(name: str) -> list[RingRow]:
    return truth(name).rings


def members(name: str) -> list[tuple[RingRow, BrokerClient]]:
    return [(ring, member) for ring in rings(name) for member in ring.members]


@cache
def flips_by_review(name: str) -> dict[str, Event]:
    return {review_id: flip for review_id, history in reviews(name).items() for flip in flips(history)}


@pytest.mark.parametrize("name", KINDS)
def test_clients_are_many_and_buy_few_flips_over_weeks_to_months(name: str) -> None:
    assert len(rings(name)) == 3
    assert {ring.kind for ring in rings(name)} == {"insider" if name == "brokers" else "lists"}
    for ring in rings(name):
        assert CLIENTS[0] <= len(ring.members) <= CLIENTS[1]
        assert day_of(ring.ended_at) - day_of(ring.started_at) >= 60
    bought = [member.paid_flips for _, member in members(name)]
    assert max(bought) <= ORDERED[1]
    assert sum(count >= ORDERED[0] for count in bought) >= 0.9 * len(bought)
    spans = [day_of(member.paid_at[-1]) - day_of(member.paid_at[0]) for _, member in members(name) if member.paid_at]
    assert sum(span > 10 for span in spans) > 0.5 * len(spans)
    assert max(spans) > 40


@pytest.mark.parametrize("name", KINDS)
def test_the_truth_lists_the_paid_flips_and_no_others(name: str) -> None:
    without, bought = flips_by_review("none"), flips_by_review(name)
    for ring, member in members(name):
        assert member.paid_flips == len(set(member.paid_review_ids)) == len(member.paid_at)
        for review_id, paid_at in zip(member.paid_review_ids, member.paid_at, strict=True):
            flip = bought[review_id]
            assert flip.seller_id == member.seller_id
            assert day(flip) == pytest.approx(day_of(paid_at), abs=1e-6)
            assert day_of(ring.started_at) <= day_of(member.since) <= day(flip)
            unpaid = without.get(review_id)
            assert unpaid is None or unpaid.occurred_at > flip.occurred_at
    cheats = {cheat.seller_id: cheat for cheat in truth(name).cheats if cheat.seller_id}
    assert cheats.keys() == {member.seller_id for _, member in members(name)}
    by_clients = Counter[str]()
    for _, member in members(name):
        by_clients[member.seller_id] += member.paid_flips
        assert set(member.paid_review_ids) <= set(cheats[member.seller_id].paid_review_ids)
    alone = {seller_id for seller_id, cheat in cheats.items() if cheat.kind != CLIENT}
    assert all(cheats[seller_id].paid_flips == by_clients[seller_id] for seller_id in cheats.keys() - alone)
    assert 1 <= len(alone) <= 0.2 * len(cheats)
    assert all(cheats[seller_id].paid_flips > by_clients[seller_id] for seller_id in alone)
    # Where nobody writes to reviewers, all flips that the honest market does not have are paid.
    written = contacting(name)
    listed = {review_id for cheat in cheats.values() for review_id in cheat.paid_review_ids}
    moved = {
        review_id
        for review_id, flip in bought.items()
        if flip.seller_id not in written
        and (review_id not in without or without[review_id].occurred_at != flip.occurred_at)
    }
    assert moved == {review_id for review_id in listed if bought[review_id].seller_id not in written}


def contacting(name: str) -> set[str]:
    """Return the sellers with contacts that the honest market does not have."""

    def contacts(market_name: str) -> set[tuple[str, str, float]]:
        return {(e.seller_id, e.reviewer_id, day(e)) for e in events(market_name) if isinstance(e, OutreachSent)}

    return {seller_id for seller_id, _, _ in contacts(name) - contacts("none")}


@pytest.mark.parametrize("name", KINDS)
def test_flips_are_upgrades_and_deletions_some_after_a_contact(name: str) -> None:
    paid = [review_id for _, member in members(name) for review_id in member.paid_review_ids]
    deleted = sum(isinstance(flips_by_review(name)[review_id], ReviewDeleted) for review_id in paid)
    assert 0.25 < deleted / len(paid) < 0.75
    clients = {member.seller_id for _, member in members(name)}
    assert contacting(name) <= clients
    assert 0.05 < len(contacting(name)) / len(clients) < 0.6


def test_the_insider_in_office_looks_up_each_sold_review_before_its_flip() -> None:
    for ring, member in members("brokers"):
        insiders = {tenure.actor_id: tenure for tenure in ring.insiders}
        for review_id, paid_at in zip(member.paid_review_ids, member.paid_at, strict=True):
            history = reviews("brokers")[review_id]
            assert stars(history) <= CRITICAL_STARS or len(history) > 2
            sold = [
                event
                for event in history
                if isinstance(event, ContactAccessed)
                and event.actor_id in insiders
                and day_of(insiders[event.actor_id].since) <= day(event) <= day_of(insiders[event.actor_id].until)
            ]
            assert any(day(event) < day_of(paid_at) for event in sold)


def test_the_truth_of_staff_is_what_each_insider_sold() -> None:
    sold = {cheat.actor_id: cheat for cheat in truth("brokers").cheats if cheat.actor_id}
    tenures = {tenure.actor_id: ring for ring in rings("brokers") for tenure in ring.insiders}
    assert sold.keys() <= tenures.keys()
    assert sum(cheat.paid_flips for cheat in sold.values()) == sum(m.paid_flips for _, m in members("brokers"))
    for actor_id, cheat in sold.items():
        assert cheat.kind == "access"
        ring = tenures[actor_id]
        assert set(cheat.paid_review_ids) <= {each for member in ring.members for each in member.paid_review_ids}


def test_insiders_also_do_ordinary_work() -> None:
    for ring in rings("brokers"):
        clients = {member.seller_id for member in ring.members}
        for tenure in ring.insiders:
            done = [event.seller_id in clients for event in look_ups("brokers") if event.actor_id == tenure.actor_id]
            assert done.count(False) >= 5
    # Others look up as many, so the number of look-ups does not give insiders away.
    insiders = {tenure.actor_id for ring in rings("brokers") for tenure in ring.insiders}
    counts = Counter(event.actor_id for event in look_ups("brokers"))
    busy = [actor_id for actor_id, _ in counts.most_common(2 * len(insiders))]
    assert set(busy) - insiders


def test_an_insider_who_leaves_is_succeeded_and_looks_up_nothing_more() -> None:
    succeeded = 0
    for ring in rings("brokers"):
        assert len({tenure.actor_id for tenure in ring.insiders}) == len(ring.insiders)
        for left, following in pairwise(ring.insiders):
            succeeded += 1
            assert 0 < day_of(following.since) - day_of(left.until) <= 21
            last = max(day(event) for event in look_ups("brokers") if event.actor_id == left.actor_id)
            assert last < day_of(left.until)
            clients = {member.seller_id for member in ring.members}
            by_both = [
                {e.seller_id for e in look_ups("brokers") if e.actor_id == tenure.actor_id} & clients
                for tenure in (left, following)
            ]
            assert all(len(each) >= 2 for each in by_both)
    assert succeeded


@pytest.mark.parametrize("name", KINDS)
def test_some_clients_change_brokers(name: str) -> None:
    bought: dict[str, list[BrokerClient]] = {}
    for _, member in members(name):
        bought.setdefault(member.seller_id, []).append(member)
    changed = [sorted(each, key=lambda member: member.since) for each in bought.values() if len(each) > 1]
    assert 1 <= len(changed) <= 0.4 * len(bought)
    for first, *later in changed:
        assert all(first.until <= member.since for member in later)
        assert all(set(first.paid_review_ids).isdisjoint(member.paid_review_ids) for member in later)


def test_lists_leave_no_look_ups_and_come_as_bundles_for_several_sellers_within_days() -> None:
    def marks(name: str) -> set[tuple[str | None, str, str]]:
        return {(e.review_id, e.actor_id, str(e.occurred_at)) for e in look_ups(name)}

    assert marks("lists") <= marks("none")
    for ring in rings("lists"):
        assert ring.insiders == []
        times = sorted((day_of(at), member.seller_id) for member in ring.members for at in member.paid_at)
        bundles: list[list[tuple[float, str]]] = [[times[0]]]
        for before, after in pairwise(times):
            if after[0] - before[0] > 4:
                bundles.append([])
            bundles[-1].append(after)
        assert len(bundles) >= 3
        assert all(bundle[-1][0] - bundle[0][0] <= 5 for bundle in bundles)
        together = [bundle for bundle in bundles if len({seller_id for _, seller_id in bundle}) >= 3]
        assert sum(map(len, together)) > 0.6 * len(times)


@pytest.mark.parametrize("name", KINDS)
def test_a_platform_can_know_links_of_four_fifths_of_the_members(name: str) -> None:
    for ring in rings(name):
        sellers = {member.seller_id for member in ring.members}
        linked = [link.seller_id for link in ring.links]
        assert len(set(linked)) == len(linked) == round(0.8 * len(sellers))
        assert set(linked) <= sellers
        assert len({link.linked_id for link in ring.links}) == 1
        assert all(0 <= day_of(link.known_at) < DAYS for link in ring.links)
        (relation,) = {link.relation for link in ring.links}
        assert relation in {"bank_account", "device", "address", "other"}
    assert len({link.linked_id for ring in rings(name) for link in ring.links}) == len(rings(name))


@pytest.mark.parametrize("name", KINDS)
def test_sellers_that_are_no_clients_keep_their_flips(name: str) -> None:
    clients = {member.seller_id for _, member in members(name)}
    assert {review_id: flip.occurred_at for review_id, flip in flips_by_review(name).items()
            if flip.seller_id not in clients} == {
        review_id: flip.occurred_at for review_id, flip in flips_by_review("none").items()
        if flip.seller_id not in clients
    }  # fmt: skip
