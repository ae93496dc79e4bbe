"""Honest groups that look like rings: their sellers have flips, contacts or look-ups in common, and no paid ones."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from stream.contract.events import CRITICAL_STARS, OutreachSent, ReviewDeleted, ReviewEdited
from stream.market.truth import HonestGroupRow
from tests.unit.market.group_markets import DAYS, day, day_of, events, look_ups, market, reviews, truth
from tests.unit.market.test_market import Event, flips, stars

SIZES = {"family": (3, 8), "agency": (4, 12), "desk": (5, 15)}


def groups(kind: str) -> list[HonestGroupRow]:
    return [row for row in truth("look_alikes").honest_groups if row.kind == kind]


def contacts(name: str, members: list[str]) -> list[OutreachSent]:
    return [event for event in events(name) if isinstance(event, OutreachSent) and event.seller_id in members]


def flip_days(name: str, seller_id: str) -> list[float]:
    return [
        day(flip) for history in reviews(name).values() for flip in flips(history) if history[0].seller_id == seller_id
    ]


def test_groups_have_their_sizes_and_no_cheats() -> None:
    assert truth("look_alikes").cheats == []
    for kind, (least, most) in SIZES.items():
        assert len(groups(kind)) >= 2
        assert all(least <= len(set(row.members)) == len(row.members) <= most for row in groups(kind))
    for kind in ("family", "agency"):
        together = [seller_id for row in groups(kind) for seller_id in row.members]
        assert len(set(together)) == len(together)
    names = market("look_alikes").confounders
    for kind, name in (("family", "family"), ("agency", "agency"), ("desk", "sittings")):
        in_groups = {seller_id for row in groups(kind) for seller_id in row.members}
        assert in_groups == {seller_id for seller_id, each in names.items() if name in each}


def test_all_links_of_families_can_be_known() -> None:
    for row in groups("family"):
        assert [link.seller_id for link in row.links] == row.members
        assert len({link.linked_id for link in row.links}) == 1
        assert {(link.relation, day_of(link.known_at)) for link in row.links} == {("owner", 0.0)}
    assert all(row.links == [] for kind in ("agency", "desk") for row in groups(kind))


def test_the_shops_of_an_owner_move_together() -> None:
    """In common weeks their flips are above their own means: the fortnightly counts of shops of a family correlate."""

    shops = {seller_id for row in groups("family") for seller_id in row.members}
    days = {seller_id: flip_days("look_alikes", seller_id) for seller_id in shops}
    fortnights = {
        seller_id: np.histogram(each, bins=DAYS // 14, range=(0, DAYS))[0]
        for seller_id, each in days.items()
        if len(each) >= 10
    }

    def correlations(pairs: list[tuple[str, str]]) -> float:
        found = [
            np.corrcoef(fortnights[one], fortnights[other])[0, 1]
            for one, other in pairs
            if {one, other} <= fortnights.keys()
        ]
        assert len(found) >= 10
        return float(np.mean(found))

    families = [row.members for row in groups("family")]
    within = [(one, other) for members in families for one in members for other in members if one < other]
    between = [(one, other) for one in shops for other in shops if one < other and (one, other) not in within]
    assert correlations(within) > correlations(between) + 0.15


def test_an_agency_writes_to_its_clients_reviewers_in_common_hours_of_the_week() -> None:
    shops = {seller_id for row in groups("family") for seller_id in row.members}  # they also have support of the owner
    for row in groups("agency"):
        before = Counter((e.seller_id, e.reviewer_id, e.occurred_at) for e in contacts("none", row.members))
        added = [
            event
            for event in contacts("look_alikes", row.members)
            if not before[event.seller_id, event.reviewer_id, event.occurred_at] and event.seller_id not in shops
        ]
        hours = Counter(int(day(event) % 7 * 24) for event in added)
        assert sum(count for _, count in hours.most_common(5)) > 0.6 * len(added)
        assert len({event.seller_id for event in added}) == len(set(row.members) - shops) >= 3
        assert {event.channel for event in added} <= {"message", "public_reply", "refund", "replacement", "coupon"}


def test_a_desk_looks_up_its_sellers_in_a_sitting_each_week_and_solves_tickets() -> None:
    for row in groups("desk"):
        (actor_id,) = row.staff
        assert actor_id not in {cheat.actor_id for cheat in truth("look_alikes").cheats}
        done = [e for e in look_ups("look_alikes") if e.actor_id == actor_id and e.seller_id in row.members]
        hours = Counter(int(day(event) % 7 * 24) for event in done)
        assert sum(count for _, count in hours.most_common(5)) > 0.8 * len(done)
        assert len({event.seller_id for event in done}) == len(row.members)
        critical = sum(
            stars(history) <= CRITICAL_STARS
            for history in reviews("look_alikes").values()
            if history[0].seller_id in row.members
        )
        assert 0.1 < len(done) / critical < 0.7


def test_desks_serve_a_part_of_the_clients_of_a_broker() -> None:
    made = truth("brokers_and_desks")
    for ring, desk in zip(made.rings, made.honest_groups, strict=False):
        clients = {member.seller_id for member in ring.members}
        assert 2 <= len(clients & set(desk.members)) < len(clients)
        assert len(clients & set(desk.members)) <= 0.7 * len(desk.members)
        assert set(desk.staff).isdisjoint(tenure.actor_id for tenure in ring.insiders)
    # A desk changes nobody's membership.
    assert [[m.seller_id for m in ring.members] for ring in made.rings] == [
        [m.seller_id for m in ring.members] for ring in truth("brokers").rings
    ]


def test_a_closed_account_takes_all_reviews_of_a_person_within_a_second() -> None:
    by_person: dict[str, list[ReviewDeleted]] = defaultdict(list)
    for event in events("closures"):
        if isinstance(event, ReviewDeleted) and event.deleted_by == "author":
            by_person[event.reviewer_id].append(event)
    closed: dict[str, list[ReviewDeleted]] = {}
    for person, deleted in by_person.items():
        last = deleted[-1].occurred_at.timestamp()
        at_once = [event for event in deleted if last - event.occurred_at.timestamp() < 1]
        if len({event.seller_id for event in at_once}) >= 4:
            closed[person] = at_once
    assert len(closed) >= 3
    for person, at_once in closed.items():
        own = [e for e in events("closures") if e.reviewer_id == person]
        assert own[-1] == at_once[-1]
        ratings = [event.rating or 0 for event in at_once]
        assert min(ratings) <= CRITICAL_STARS < max(ratings)
    flipped = sum(len(flips(history)) for history in reviews("closures").values())
    assert flipped > sum(len(flips(history)) for history in reviews("none").values())


def test_held_changes_of_many_sellers_come_with_one_time() -> None:
    def changes(name: str) -> Counter[float]:
        return Counter(event.occurred_at.timestamp() for event in events(name) if _is_change(event))

    held = {at: count for at, count in changes("held").items() if count >= 10}
    assert 3 <= len(held) <= 8
    assert max(changes("none").values()) < 4
    for at in held:
        sellers = {e.seller_id for e in events("held") if _is_change(e) and e.occurred_at.timestamp() == at}
        assert len(sellers) >= 5
    # Each change comes as it would have come, at most two days later.
    assert reviews("held").keys() == reviews("none").keys()
    for review_id, history in reviews("none").items():
        changes_now = filter(_is_change, reviews("held")[review_id])
        for event, later in zip(filter(_is_change, history), changes_now, strict=True):
            assert 0 <= (later.occurred_at - event.occurred_at).total_seconds() <= 36 * 3600


def _is_change(event: Event) -> bool:
    return isinstance(event, ReviewEdited | ReviewDeleted)
