"""What the page of a ring's case shows of the ring, as plain values for its template.

Invariant: pure. Nothing here says more of a seller than the ring's case does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from stream.console import pictures
from stream.contract.alerts import ConnectorRef, RingMember
from stream.contract.cases import Case
from stream.offline import ring_words


class MemberRow(NamedTuple):
    """A member with the cases about it, the latest first."""

    member: RingMember
    cases: Sequence[Case]


class RingSection(NamedTuple):
    """The section about a ring.

    Attributes:
        title: Of the members' table.
        note: What the numbers of the table count.
        merged_into: The ring that this one has become a part of.
        picture: When its reviews turned; empty without members.
        shown, total: How many turned reviews the latest alert lists, of how many.
    """

    sentences: list[str]
    connectors: list[ConnectorRef]
    title: str
    note: str
    merged_into: str | None
    members: list[MemberRow]
    picture: Markup
    shown: int
    total: int


def ring_section(case: Case, cases: Mapping[str, Sequence[Case]]) -> RingSection | None:
    """Return the section about a ring; None if the case is about something else.

    Args:
        case: The case.
        cases: The cases of its members, by the seller's id, the latest first.
    """
    ring = ring_words.ring_at_present(case)
    if ring is None:
        return None
    members = [
        MemberRow(member, [one for one in cases.get(member.seller_id, ()) if one.subject.type == "seller"])
        for member in ring_words.shown_members(case)
    ]
    return RingSection(
        sentences=ring_words.ring_sentences(case),
        connectors=ring.connectors,
        title=ring_words.members_title(case),
        note=ring_words.WHAT_MEMBERS_COUNT,
        merged_into=ring.merged_into,
        members=members,
        picture=pictures.timeline(case),
        shown=len(case.evidence.reviews),
        total=case.evidence.flips,
    )
