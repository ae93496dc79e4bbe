"""Named rings beside the truth: what counts as found, and who is wrongly accused."""

from __future__ import annotations

import pytest

from stream.arena.rings import NamedRing, add_scores, score_rings
from stream.arena.shares import Share
from stream.market import simulate
from stream.market.cheats import Cheat, Run
from stream.market.truth import (
    BrokerClient,
    ExtortedReview,
    ExtortionistRow,
    HonestGroupRow,
    HonestKind,
    InsiderTenure,
    MarketTruth,
    RingKind,
    RingRow,
    SellerLink,
    arranged,
)

_RUN = Run("rings", 1, 40, 200)
_AT = "2025-03-01T00:00:00.000Z"


def ring(ring_id: str, kind: RingKind, insiders: list[str], flips: dict[str, int]) -> RingRow:
    members = [BrokerClient(seller, _AT, _AT, count, ["r"] * count, [_AT] * count) for seller, count in flips.items()]
    links = [SellerLink(seller, f"linked-{ring_id}", _AT) for seller in flips]
    tenures = [InsiderTenure(actor, _AT, _AT) for actor in insiders]
    return RingRow(run=_RUN, ring_id=ring_id, kind=kind, started_at=_AT, ended_at=_AT, insiders=tenures,
                   members=members, links=links)  # fmt: skip


def honest(group_id: str, kind: HonestKind, members: list[str], staff: list[str], linked: bool) -> HonestGroupRow:
    links = [SellerLink(seller, f"linked-{group_id}", _AT) for seller in members if linked]
    return HonestGroupRow(run=_RUN, group_id=group_id, kind=kind, members=members, staff=staff, links=links)


def cheat(seller_id: str = "", actor_id: str = "", flips: int = 4) -> Cheat:
    return Cheat(seller_id=seller_id, actor_id=actor_id, kind="client", started_at=_AT, paid_flips=flips,
                 paid_review_ids=["r"] * flips, run=_RUN)  # fmt: skip


TRUTH = MarketTruth(
    cheats=[
        *(cheat(name, flips=0 if name == "a5" else 4) for name in ("a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3")),
        cheat("alone"),
        cheat(actor_id="in1"),
        cheat(actor_id="in2"),
        cheat(actor_id="leak"),
    ],
    rings=[
        ring("ring-0", "insider", ["in1", "in2", "failed"], {"a1": 3, "a2": 3, "a3": 9, "a4": 4, "a5": 0, "b1": 3}),
        ring("ring-1", "lists", [], {"b1": 3, "b2": 5, "b3": 3}),
    ],
    extortionists=[
        ExtortionistRow(
            run=_RUN,
            reviewer_id="u1",
            reviews=[ExtortedReview(seller, "r", _AT) for seller in ("v1", "v2", "v2", "a1")],
        )
    ],
    honest_groups=[
        honest("family-0", "family", ["f1", "f2", "f3", "f4"], [], linked=True),
        honest("agency-0", "agency", ["g1", "g2", "g3", "a1", "a2"], [], linked=False),
        honest("desk-0", "desk", ["a1", "a2", "a3", "d1", "d2"], ["helper"], linked=False),
    ],
)


def named(*members: str, by: str = "") -> NamedRing:
    return NamedRing(frozenset(members), frozenset([by] if by else []))


def test_nothing_named_finds_nothing_and_accuses_nobody() -> None:
    scores = score_rings(TRUTH, [], [])
    assert scores.insiders == Share(0, 2)  # the third sold nothing
    assert scores.rings == {"insider": Share(0, 1), "lists": Share(0, 1)}
    assert scores.members == Share(0, 7)  # a5 has no paid flip, and b1 is a client of both
    assert scores.honest_groups == {"family": Share(0, 1), "agency": Share(0, 1), "desk": Share(0, 1)}
    assert scores.victims == Share(0, 2)  # a1 is a victim that cheats
    assert scores.extortionists == Share(0, 1)
    assert (scores.innocent_sellers, scores.innocent_staff) == (0, 0)


def test_the_truth_itself_finds_all_and_accuses_nobody() -> None:
    scores = score_rings(
        TRUTH,
        [
            named("a1", "a2", "a3", "a4", "a5", "b1", by="in1"),
            named("a1", "a2", by="in2"),
            named("b1", "b2", "b3", by="linked-ring-1"),
        ],
        ["u1"],
    )
    assert (scores.insiders, scores.members) == (Share(2, 2), Share(7, 7))
    assert scores.rings == {"insider": Share(1, 1), "lists": Share(1, 1)}
    assert {share.found for share in scores.honest_groups.values()} == {0}
    assert (scores.innocent_sellers, scores.innocent_staff) == (0, 0)


@pytest.mark.parametrize(
    ("rings", "found"),
    [
        ([named("a1", "a2", "a3")], 1),
        ([named("a1", "a2", "a3", "x1", "x2", "x3", "x4")], 1),
        ([named("a1", "a2")], 0),
        ([named("a1", "a2"), named("a3", "a4")], 0),  # two parts are no ring
    ],
)
def test_one_named_ring_must_hold_half_of_the_members(rings: list[NamedRing], found: int) -> None:
    assert score_rings(TRUTH, rings, []).rings["insider"] == Share(found, 1)


def test_a_named_ring_of_all_sellers_finds_one_ring_and_accuses_all() -> None:
    everyone = [f"{letter}{number}" for letter in "abfgdv" for number in range(1, 6)]
    scores = score_rings(TRUTH, [named(*everyone)], [])
    assert sum(share.found for share in scores.rings.values()) == 1
    assert scores.members == Share(7, 7)
    assert all(share == Share(1, 1) for share in scores.honest_groups.values())
    assert scores.victims == Share(2, 2)
    cheats = {"a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3"}
    assert scores.innocent_sellers == len(set(everyone) - cheats)


@pytest.mark.parametrize(
    ("one", "accused"),
    [
        (named("f1", "f2"), {"family"}),
        (named("f1"), set()),
        (named("f1", "alone", by="linked-family-0"), {"family"}),
        (named("a1", "a2", "g1", by="in1"), set()),  # one innocent member of three
        (named("a1", "g1", "g2"), {"agency"}),
        (named("a1", "a2", "a3", by="helper"), {"desk"}),
        (named("a1", "a2", "a3", by="in1"), set()),  # the clients that the desk serves, too
        (named("d1", "d2"), {"desk"}),
    ],
)
def test_honest_groups_are_accused_by_their_connector_or_half_of_their_innocent_members(
    one: NamedRing, accused: set[str]
) -> None:
    scores = score_rings(TRUTH, [one], [])
    assert {kind for kind, share in scores.honest_groups.items() if share.found} == accused


def test_staff_who_sold_nothing_are_innocent() -> None:
    rings = [named("a1", by=actor) for actor in ("helper", "failed", "leak", "in1", "linked-ring-0", "")]
    scores = score_rings(TRUTH, rings, [])
    assert scores.innocent_staff == 2
    assert scores.insiders == Share(1, 2)


def test_a_simulated_market_scores_itself_fully() -> None:
    market = simulate.simulate("rings", 3, 60, 120)
    truth = arranged(market.truth, market.groups)
    rings = [NamedRing(frozenset(member.seller_id for member in row.members)) for row in truth.rings]
    tied = [NamedRing(frozenset(), frozenset([tenure.actor_id])) for row in truth.rings for tenure in row.insiders]
    scores = score_rings(truth, [*rings, *tied], [])
    assert all(share.found == share.total > 0 for share in (*scores.rings.values(), scores.insiders, scores.members))
    assert (scores.innocent_sellers, scores.victims.found) == (0, 0)
    assert scores.victims.total > 0


def test_scores_of_markets_add_up() -> None:
    one = score_rings(TRUTH, [named("a1", "a2", "a3", by="insider-1")], ["u1", "u2"])
    both = add_scores([one, one])
    assert both.members == Share(2 * one.members.found, 2 * one.members.total)
    assert both.rings["insider"].total == 2 * one.rings["insider"].total
    assert both.innocent_sellers == 2 * one.innocent_sellers
    assert both.extortionists == Share(2, 2)
    assert both.innocent_reviewers == 2
    assert both.honest_groups.keys() == one.honest_groups.keys()
