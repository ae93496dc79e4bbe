"""What a case's page shows of rings, as plain values for its template: the ring itself, and the rings of a subject.

Invariant: pure. Nothing here says more of a seller than the ring's case does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from stream.console import pictures
from stream.contract.alerts import ConnectorRef, RingMember, Subject
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
        merged_into: The ring that this one has become a part of.
        picture: When its reviews turned; empty without members.
        shown, total: How many turned reviews the latest alert lists, of how many.
    """

    sentences: list[str]
    connectors: list[ConnectorRef]
    title: str
    merged_into: str | None
    members: list[MemberRow]
    picture: Markup
    shown: int
    total: int


class Membership(NamedTuple):
    """What a ring's case has to do with a subject.

    Attributes:
        what: In words, such as "Belongs to a ring".
        case: The ring's case.
        name, claim: The ring, and what ties it or how it has ended.
        member: The subject as a member at present; None if it is none.
    """

    what: str
    case: Case
    name: str
    claim: str
    member: RingMember | None


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
        merged_into=ring.merged_into,
        members=members,
        picture=pictures.timeline(case),
        shown=len(case.evidence.reviews),
        total=case.evidence.flips,
    )


def memberships(subject: Subject, rings: Iterable[Case]) -> list[Membership]:
    """Return what rings have to do with a subject that their cases name."""
    return [_membership(subject, case) for case in rings]


def _membership(subject: Subject, case: Case) -> Membership:
    ring = ring_words.ring_at_present(case)
    assert ring is not None
    is_past = not ring.members
    member = None
    if subject.type == "seller":
        member = next((one for one in ring.members if one.seller_id == subject.id), None)
        what = "Belongs to a ring" if member is not None else "Belonged to a ring"
    else:
        is_past = is_past or all(one.id != subject.id for one in ring.connectors)
        what = "Tied a ring" if is_past else "Ties a ring"
    claim = ring_words.ring_end(ring) or ring_words.ring_claim(ring)
    return Membership(what, case, ring_words.subject_name(case.subject, ring), claim, member)
