"""The rows of a truth file about groups of sellers, and the reader of all its rows.

Invariant: a row about a group has a field `row` and neither `seller_id` nor `actor_id`, so a reader of cheats can tell
the two apart. The rows of cheats come first and have no such field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from stream.contract.events import Relation
from stream.market.cheats import Cheat, Run

#: How a broker reaches reviewers: with look-ups of insiders, or with lists from outside.
RingKind = Literal["insider", "lists"]
#: Shops of one owner, clients of a reputation agency, sellers that one member of support serves.
HonestKind = Literal["family", "agency", "desk"]


class InsiderTenure(msgspec.Struct, frozen=True):
    """The time in which an insider sells look-ups to a broker; RFC 3339."""

    actor_id: str
    since: str
    until: str


class BrokerClient(msgspec.Struct, frozen=True):
    """What a seller bought from a broker; times are RFC 3339."""

    seller_id: str
    since: str
    until: str
    #: Those that the broker brought, without any that the seller paid for by itself; in the order of time.
    paid_flips: int
    paid_review_ids: list[str]
    paid_at: list[str]


class SellerLink(msgspec.Struct, frozen=True):
    """What the platform knows from a time on: a seller has something in common with others, such as an account.

    The market has an event `seller.linked` for each of them.
    """

    seller_id: str
    #: Equal for all sellers that have it in common.
    linked_id: str
    known_at: str
    relation: Relation = "other"


class GroupRow(msgspec.Struct, kw_only=True, tag_field="row"):
    """What all rows about groups have."""

    run: Run


class RingRow(GroupRow, kw_only=True, tag="ring"):
    """A broker with its clients."""

    ring_id: str
    kind: RingKind
    started_at: str
    ended_at: str
    #: In the order of time.
    insiders: list[InsiderTenure]
    members: list[BrokerClient]
    links: list[SellerLink]


class ExtortedReview(msgspec.Struct, frozen=True):
    """A review that an extortionist wrote; `flipped_at` (RFC 3339) is empty if it has not flipped."""

    seller_id: str
    review_id: str
    flipped_at: str


class ExtortionistRow(GroupRow, kw_only=True, tag="extortionist"):
    """A reviewer who asks sellers for money; the sellers are victims."""

    reviewer_id: str
    reviews: list[ExtortedReview]

    @property
    def victims(self) -> set[str]:
        """The sellers of its reviews."""
        return {review.seller_id for review in self.reviews}


class HonestGroupRow(GroupRow, kw_only=True, tag="honest_group"):
    """Sellers that have an honest cause in common."""

    group_id: str
    kind: HonestKind
    members: list[str]
    #: Of a desk: the member of support.
    staff: list[str]
    links: list[SellerLink]


AnyGroupRow = RingRow | ExtortionistRow | HonestGroupRow


@dataclass(frozen=True)
class MarketTruth:
    """All rows of a truth file."""

    cheats: list[Cheat] = field(default_factory=list)
    rings: list[RingRow] = field(default_factory=list)
    extortionists: list[ExtortionistRow] = field(default_factory=list)
    honest_groups: list[HonestGroupRow] = field(default_factory=list)


class _RowHead(msgspec.Struct):
    row: str = ""


_HEADS: Final = msgspec.json.Decoder(_RowHead)
_CHEATS: Final = msgspec.json.Decoder(Cheat)
_GROUPS: Final[msgspec.json.Decoder[AnyGroupRow]] = msgspec.json.Decoder(AnyGroupRow)


def read_truth(content: bytes) -> MarketTruth:
    """Return the rows of a truth file; raise msgspec.MsgspecError for a line that is none."""
    lines = content.splitlines()
    groups = [_GROUPS.decode(line) for line in lines if _HEADS.decode(line).row]
    return arranged([_CHEATS.decode(line) for line in lines if not _HEADS.decode(line).row], groups)


def arranged(cheats: list[Cheat], groups: list[AnyGroupRow]) -> MarketTruth:
    """Return the truth with the rows about groups by kind."""
    return MarketTruth(
        cheats,
        [row for row in groups if isinstance(row, RingRow)],
        [row for row in groups if isinstance(row, ExtortionistRow)],
        [row for row in groups if isinstance(row, HonestGroupRow)],
    )
