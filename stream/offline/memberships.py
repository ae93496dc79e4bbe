"""What rings have to do with a seller or a staff member, for the console and the command line.

Invariant: pure. Nothing here says more of a subject than the ring's case does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from stream.contract.alerts import RingMember, Subject
from stream.contract.cases import Case
from stream.offline import ring_words


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


def memberships(subject: Subject, cases: Iterable[Case]) -> list[Membership]:
    """Return what the rings among some cases have to do with a subject: those that name it as member or connector."""
    found = [_membership(subject, case) for case in cases if case.subject.type == "ring"]
    return [one for one in found if one is not None]


def _membership(subject: Subject, case: Case) -> Membership | None:
    """Return what a ring has to do with a subject; None if neither its present nor its alerted members name it."""
    ring = ring_words.ring_at_present(case)
    if ring is None:
        return None
    known = [ring] if case.evidence.ring is None else [ring, case.evidence.ring]
    member = None
    if subject.type == "seller":
        if all(one.seller_id != subject.id for each in known for one in each.members):
            return None
        member = next((one for one in ring.members if one.seller_id == subject.id), None)
        what = "Belongs to a ring" if member is not None else "Belonged to a ring"
    elif subject.type == "staff":
        if all(("staff", subject.id) != (one.type, one.id) for each in known for one in each.connectors):
            return None
        is_past = not ring.members or all(("staff", subject.id) != (one.type, one.id) for one in ring.connectors)
        what = "Tied a ring" if is_past else "Ties a ring"
    else:
        return None
    claim = ring_words.ring_end(ring) or ring_words.ring_claim(ring)
    return Membership(what, case, ring_words.subject_name(case.subject, ring), claim, member)
