"""The rows of the truth about a market's groups, from the groups and what became of their flips.

Invariant: a flip is in a row only if its event is in the market; a planned flip that something came before is in none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from stream.market.brokers import FlipBroker
from stream.market.extortion import Extortionist
from stream.market.groups import MarketGroups, links_generator, relations_generator
from stream.market.hazards import DAY
from stream.market.links import FAMILY_RELATION, link_id, ring_relation
from stream.market.output import rfc3339
from stream.market.plans import seller_id_of
from stream.market.sampling import uniform
from stream.market.truth import (
    AnyGroupRow,
    BrokerClient,
    ExtortedReview,
    ExtortionistRow,
    HonestGroupRow,
    InsiderTenure,
    RingRow,
    SellerLink,
)

#: Share of a broker's clients of which the platform can know that they have something in common.
_LINKED: Final = 0.8
#: When it can know that, after the client's first day: before it, by an older account, or later, by a payment.
_KNOWN_DAYS: Final = (-30.0, 60.0)


class SourcedReview(NamedTuple):
    """A review that a broker or an extortionist has brought into the market or flipped."""

    source: str
    seller_id: str
    review_id: str
    #: Epoch seconds; infinity if it has not flipped.
    flipped_at: float


def group_rows(groups: MarketGroups, found: Iterable[SourcedReview]) -> list[AnyGroupRow]:
    """Return the rows: rings, extortionists, families, agencies, desks."""
    by_source: dict[str, list[SourcedReview]] = {}
    for review in found:
        by_source.setdefault(review.source, []).append(review)
    random, relations = links_generator(groups.run), relations_generator(groups.run)
    rings = [
        _ring(broker, groups, by_source.get(broker.ring_id, []), _ring_links(broker, groups, random, relations))
        for broker in groups.brokers
    ]
    extortionists = [_extortionist(one, groups, by_source.get(one.reviewer_id, [])) for one in groups.extortionists]
    return [*rings, *extortionists, *_honest(groups)]


def _ring(broker: FlipBroker, groups: MarketGroups, found: list[SourcedReview], links: list[SellerLink]) -> RingRow:
    members = []
    for client in sorted(broker.clients, key=lambda client: client.number):
        seller_id = seller_id_of(client.number)
        flips = sorted((each for each in found if each.seller_id == seller_id), key=lambda each: each.flipped_at)
        members.append(
            BrokerClient(
                seller_id,
                _text(client.since),
                _text(client.until),
                len(flips),
                [flip.review_id for flip in flips],
                [_text(flip.flipped_at) for flip in flips],
            )
        )
    return RingRow(
        run=groups.run,
        ring_id=broker.ring_id,
        kind="insider" if broker.tenures else "lists",
        started_at=_text(broker.since),
        ended_at=_text(broker.until),
        insiders=[InsiderTenure(each.actor_id, _text(each.since), _text(each.until)) for each in broker.tenures],
        members=members,
        links=links,
    )


def _ring_links(
    broker: FlipBroker, groups: MarketGroups, random: np.random.Generator, relations: np.random.Generator
) -> list[SellerLink]:
    first = {client.number: client.since for client in reversed(broker.clients)}
    chosen = random.permutation(sorted(first))[: round(_LINKED * len(first))]
    start, last = groups.context.start, groups.context.until - 0.001  # an event at the very end would begin a new day
    linked_id, relation = link_id(groups.run, broker.ring_id), ring_relation(relations)
    return [
        SellerLink(
            seller_id_of(number),
            linked_id,
            _text(min(max(first[number] + uniform(random, _KNOWN_DAYS) * DAY, start), last)),
            relation,
        )
        for number in sorted(int(each) for each in chosen)
    ]


def _extortionist(one: Extortionist, groups: MarketGroups, found: list[SourcedReview]) -> ExtortionistRow:
    reviews = [
        ExtortedReview(each.seller_id, each.review_id, _text(each.flipped_at) if each.flipped_at < np.inf else "")
        for each in found
    ]
    return ExtortionistRow(run=groups.run, reviewer_id=one.reviewer_id, reviews=reviews)


def _honest(groups: MarketGroups) -> list[HonestGroupRow]:
    run = groups.run
    known_at = _text(groups.context.start)
    families = [
        HonestGroupRow(
            run=run,
            group_id=family.group_id,
            kind="family",
            members=_ids(family.members),
            staff=[],
            # A platform knows the owner of a shop from the beginning.
            links=[
                SellerLink(each, link_id(run, family.group_id), known_at, FAMILY_RELATION)
                for each in _ids(family.members)
            ],
        )
        for family in groups.families
    ]
    agencies = [
        HonestGroupRow(run=run, group_id=each.group_id, kind="agency", members=_ids(each.members), staff=[], links=[])
        for each in groups.agencies
    ]
    desks = [
        HonestGroupRow(
            run=run,
            group_id=each.group_id,
            kind="desk",
            members=_ids(each.members),
            staff=[each.actor_id],
            links=[],
        )
        for each in groups.desks
    ]
    return [*families, *agencies, *desks]


def _ids(numbers: Iterable[int]) -> list[str]:
    return [seller_id_of(number) for number in sorted(numbers)]


def _text(at: float) -> str:
    return rfc3339(int(at * 1000))
