"""A ring: the connectors that tie clients of one broker, with the sellers that are more likely clients than not.

Invariant: a view of connectors, made anew at each evaluation. What is kept of a ring (since when it is named, its
finding) is kept in the connector that it is named after, the first one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from librt.vecs import vec

from stream.core.evidence.bayes import log_of_sum
from stream.core.evidence.rings import (
    MIN_LOG_ODDS_WITHOUT,
    RingEvidence,
    client_share,
    joint,
    log_client_odds,
    log_term,
    prior_share,
)
from stream.core.model.sums import total
from stream.core.rings.connectors import Connector, TiedSeller

#: The shares of clients of one connector that a second connector of the same broker may serve, too.
_SHARED: Final = (0.3, 0.6, 0.9)
#: The odds at which two connectors that tie clients are taken for those of one broker.
_MIN_LOG_SHARED_ODDS: Final = math.log(10)
#: The most members, the strongest.
MAX_MEMBERS: Final = 64
#: The least flips of a member. Two flips where a tenth of one is expected happen by chance to a few of the hundreds of
#: sellers whose reviews an insider looks up; beside clients they would look like one more.
_MIN_FLIPS: Final = 3


class LikelyClient(NamedTuple):
    """A seller of a ring, with the log odds that it is a client."""

    seller_id: str
    member: TiedSeller
    log_odds: float


class RingView(NamedTuple):
    """A ring.

    Attributes:
        first: The connector that the ring is named after.
        connectors: Those that tie clients at present; none if it has fallen apart.
        members: The strongest first.
        evidence: Of all sellers that the connectors tie.
        tied: How many these are.
        merged_into: The id of the ring that this one has become a part of, if it has.
        former: Of a ring that has fallen apart, the connectors that it had.
    """

    first: Connector
    connectors: Sequence[Connector]
    members: list[LikelyClient]
    evidence: RingEvidence
    tied: int
    merged_into: str | None = None
    former: Sequence[Connector] = ()

    def stands_without(self, one: LikelyClient) -> bool:
        """Return whether all other sellers have evidence, too: only then it speaks against this one."""
        return self.evidence.log_odds - log_term(one.member.log_factor, prior_share(self.tied)) >= MIN_LOG_ODDS_WITHOUT


def ended(first: Connector, connectors: Sequence[Connector], merged_into: str | None = None) -> RingView:
    """Return a ring that has fallen apart, or become a part of another one.

    Args:
        first: The connector that it is named after.
        connectors: All of it; one without sellers was cleared by a verdict and is not named.
        merged_into: The id of the other ring.
    """
    former = [one for one in connectors if one.members] or [first]
    return view_of(first, [])._replace(merged_into=merged_into, former=former)


def view_of(first: Connector, connectors: Sequence[Connector]) -> RingView:
    """Return the ring of some connectors that is named after the first one."""
    sellers = merged(connectors)
    log_level = total(one.log_level for one in connectors)
    evidence = joint([member.log_factor for _, member in sorted(sellers.items())], log_level)
    return RingView(first, connectors, clients_of(sellers)[:MAX_MEMBERS], evidence, len(sellers))


def clients_of(sellers: dict[str, TiedSeller]) -> list[LikelyClient]:
    """Return the sellers with _MIN_FLIPS that are more likely clients than not, the strongest first."""
    share = client_share([member.log_factor for member in sellers.values()])
    members = [
        LikelyClient(seller_id, member, log_client_odds(member.log_factor, share))
        for seller_id, member in sorted(sellers.items(), key=lambda item: (-item[1].log_factor, item[0]))
    ]
    return [one for one in members if one.log_odds >= 0 and one.member.flips >= _MIN_FLIPS]


def merged(connectors: Sequence[Connector]) -> dict[str, TiedSeller]:
    """Return the sellers that connectors tie.

    Staff look up different reviews, so their flips and factors add up. A link counts all flips of a seller: with staff,
    the larger factor counts.
    """
    sellers: dict[str, TiedSeller] = {}
    for connector in (one for one in connectors if one.type == "staff"):
        for seller_id, own in connector.members.items():
            sum_of = sellers.setdefault(seller_id, TiedSeller(log_factor=0.0))
            sum_of.add(own.flips, own.expected, own.expected_long_run, own.first_flip_at, own.last_flip_at)
            sum_of.log_factor += own.log_factor if own.flips else 0.0
    for connector in (one for one in connectors if one.type == "link"):
        for seller_id, own in connector.members.items():
            known = sellers.get(seller_id)
            if known is None or known.log_factor < own.log_factor:
                sellers[seller_id] = own
    return sellers


def share_clients(one: Connector, other: Connector, sellers: int) -> bool:
    """Return whether two connectors have so many clients in common that they belong to one broker.

    Two brokers' clients would meet by chance as often as any sellers; of a broker's two connectors, the second one
    serves a good part of the clients of the first.

    Args:
        one, other: The connectors.
        sellers: How many sellers all connectors tie.
    """
    first, second = _clients(one), _clients(other)
    few, many = sorted((first, second), key=len)
    by_chance = min(max(len(many) / max(sellers, 1), 1e-3), 0.999)
    shared = len(few & many)
    apart = len(few) - shared
    factors = [
        shared * math.log(share / by_chance) + apart * math.log((1 - share) / (1 - by_chance)) for share in _SHARED
    ]
    return log_of_sum(vec[float](factors)) - math.log(len(factors)) >= _MIN_LOG_SHARED_ODDS


def _clients(connector: Connector) -> set[str]:
    return {one.seller_id for one in clients_of(connector.members)}
