"""How well named rings and reviewers agree with the truth of a market, and who is wrongly accused.

Invariant: pure. A ring that a detector names stands for at most one true ring, so naming all sellers finds one ring.
Only what can be found counts: members with a paid flip, insiders with a success. Cheats without a paid flip count
neither as guilty nor as innocent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, get_args

import msgspec

from stream.arena.shares import Share
from stream.market.truth import HonestGroupRow, HonestKind, MarketTruth, RingKind, RingRow

#: The least innocent members of an honest group that a named ring must hold to accuse the group.
_ACCUSED_LEAST: Final = 2


class NamedRing(msgspec.Struct, frozen=True):
    """Sellers that a detector takes for the clients of one broker."""

    members: frozenset[str]
    #: What ties them: ids of members of staff, `linked_id`s; none if it is their timing alone.
    connectors: frozenset[str] = frozenset()


class RingScores(msgspec.Struct, frozen=True):
    """The named rings of one market beside its truth."""

    #: Insiders that tie a named ring.
    insiders: Share
    #: By kind of ring: those of which one named ring holds half of the members or more.
    rings: dict[str, Share]
    #: Members of rings that are in any named ring.
    members: Share
    #: By kind of honest group: those wrongly accused, by their connector or by half of their innocent members.
    honest_groups: dict[str, Share]
    #: Sellers that extortionists wrote to and that do not cheat, in any named ring.
    victims: Share
    #: All sellers in named rings that do not cheat, and members of staff who tie a named ring and sold nothing.
    innocent_sellers: int
    innocent_staff: int
    #: Extortionists with two turned reviews or more that are named; and all other reviewers that are named.
    extortionists: Share
    innocent_reviewers: int


def add_scores(scores: Sequence[RingScores]) -> RingScores:
    """Add the scores of several markets; there must be one."""
    return RingScores(
        insiders=_total(one.insiders for one in scores),
        rings={kind: _total(one.rings[kind] for one in scores) for kind in scores[0].rings},
        members=_total(one.members for one in scores),
        honest_groups={kind: _total(one.honest_groups[kind] for one in scores) for kind in scores[0].honest_groups},
        victims=_total(one.victims for one in scores),
        innocent_sellers=sum(one.innocent_sellers for one in scores),
        innocent_staff=sum(one.innocent_staff for one in scores),
        extortionists=_total(one.extortionists for one in scores),
        innocent_reviewers=sum(one.innocent_reviewers for one in scores),
    )


def _total(shares: Iterable[Share]) -> Share:
    each = list(shares)
    return Share(sum(one.found for one in each), sum(one.total for one in each))


def score_rings(truth: MarketTruth, named: Iterable[NamedRing], reviewers: Collection[str]) -> RingScores:
    """Compare named rings and reviewers with the truth.

    Args:
        truth: All rows of the market.
        named: The rings that a detector names in it, in any order.
        reviewers: The reviewers that it names.
    """
    rings = list(named)
    accused = frozenset().union(*(ring.members for ring in rings))
    connectors = frozenset().union(*(ring.connectors for ring in rings))
    cheats = {cheat.seller_id for cheat in truth.cheats if cheat.seller_id}
    sold = {cheat.actor_id for cheat in truth.cheats if cheat.actor_id}
    insiders = {tenure.actor_id for ring in truth.rings for tenure in ring.insiders} & sold
    members = {seller_id for ring in truth.rings for seller_id in _paid(ring)}
    victims = {seller_id for row in truth.extortionists for seller_id in row.victims} - cheats
    links = (row.links for rows in (truth.rings, truth.honest_groups) for row in rows)
    linked = {link.linked_id for each in links for link in each}
    found = _found(truth.rings, rings)
    wrong = {row.group_id for row in truth.honest_groups if _is_accused(row, cheats, rings)}
    return RingScores(
        insiders=Share(len(insiders & connectors), len(insiders)),
        rings={
            kind: _share((row.ring_id for row in truth.rings if row.kind == kind and _paid(row)), found)
            for kind in get_args(RingKind)
        },
        members=_share(members, accused),
        honest_groups={
            kind: _share((row.group_id for row in truth.honest_groups if row.kind == kind), wrong)
            for kind in get_args(HonestKind)
        },
        victims=_share(victims, accused),
        innocent_sellers=len(accused - cheats),
        innocent_staff=len(connectors - sold - linked),
        extortionists=_share(
            (row.reviewer_id for row in truth.extortionists if sum(bool(one.flipped_at) for one in row.reviews) > 1),
            reviewers,
        ),
        innocent_reviewers=len(set(reviewers) - {row.reviewer_id for row in truth.extortionists}),
    )


def _share(ids: Iterable[str], found: Iterable[str]) -> Share:
    all_ids = set(ids)
    return Share(len(all_ids.intersection(found)), len(all_ids))


def _paid(ring: RingRow) -> frozenset[str]:
    """Return the members with a paid flip."""
    return frozenset(member.seller_id for member in ring.members if member.paid_flips)


def _found(rings: list[RingRow], named: list[NamedRing]) -> set[str]:
    """Return the ids of the true rings of which the named ring that stands for them holds half of the members."""
    found: set[str] = set()
    for one in named:
        shared = [(len(_paid(ring) & one.members), ring) for ring in rings]
        # Brokers may share clients: the named ring stands for the one with most of its members, the first of equals.
        count, ring = max(shared, key=lambda each: each[0], default=(0, None))
        if ring is not None and count and 2 * count >= len(_paid(ring)):
            found.add(ring.ring_id)
    return found


def _is_accused(row: HonestGroupRow, cheats: set[str], named: list[NamedRing]) -> bool:
    """Return whether a named ring has the group's connector, or holds half of its innocent members and at least two."""
    connectors = {*row.staff, *(link.linked_id for link in row.links)}
    innocent = set(row.members) - cheats
    least = max(_ACCUSED_LEAST, len(innocent) / 2)
    return any(connectors & ring.connectors or len(innocent & ring.members) >= least for ring in named)
