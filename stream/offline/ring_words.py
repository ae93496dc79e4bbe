"""A ring in words, for the console and the command line.

Invariant: pure. Every number in a sentence is a field of the case or the alert. No sentence says more of a member than
that it is a member.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from stream.contract.alerts import EvidencePart, Ring, RingMember, Subject
from stream.contract.cases import Case
from stream.core.alerting.wording import connector_text
from stream.core.cases.alerts import in_force
from stream.ops.statement import odds
from stream.texts import counted, listed

ACCUSES_NO_MEMBER: Final = (
    "A ring accuses no member by itself: the evidence against a member is in the member's own case, if it has one."
)
#: Below a list of members.
WHAT_MEMBERS_COUNT: Final = (
    "The flips of a member are those that the look-ups or the seller's strongest time span hold, and as many as its "
    "peers have. The odds also count the seller's own level, deletions and other time spans, so a member may have no "
    "more flips than expected."
)
#: The most connectors that a sentence names.
_MAX_CONNECTORS: Final = 5
#: How many digits of a ring's id stand in a list.
_DIGITS: Final = 8


def ring_at_present(case: Case) -> Ring | None:
    """Return the ring of a case as it is known to be: at present, or else when the latest alert was raised."""
    return case.ring or case.evidence.ring


def shown_members(case: Case) -> list[RingMember]:
    """Return the members at present; of a ring that has none any more, those of the latest alert."""
    present, alerted = ring_at_present(case), case.evidence.ring
    if present is not None and present.members:
        return present.members
    return [] if alerted is None else alerted.members


def members_title(case: Case) -> str:
    """Return the heading above the shown members."""
    ring = ring_at_present(case)
    return "Members" if ring is None or ring.members else "Members when the latest alert was raised"


def ring_text(ring: Ring) -> str:
    """Return what ties the members of a ring."""
    texts = [connector_text(connector) for connector in ring.connectors[:_MAX_CONNECTORS]]
    more = len(ring.connectors) - len(texts)
    return listed([*texts, f"{more} more"] if more else texts)


def subject_name(subject: Subject, ring: Ring | None) -> str:
    """Return a subject as lists name it: a ring by its first connector, because its id is a digest."""
    if subject.type != "ring":
        return f"{subject.type} {subject.id}"
    if ring is None or not ring.connectors:
        return f"ring {subject.id[:_DIGITS]}"
    return f"ring of {ring.connectors[0].id}"


def named_at(case: Case) -> dt.datetime:
    """Return since when a ring is named; in cases of earlier versions since a member joined, or the first alert."""
    ring = ring_at_present(case)
    if ring is not None and ring.named_at is not None:
        return ring.named_at
    known = [*shown_members(case), *(case.evidence.ring.members if case.evidence.ring else [])]
    return min([case.opened_at, *(member.joined_at for member in known)])


def ring_claim(ring: Ring) -> str:
    """Return how many sellers a ring has, and what ties them."""
    return f"{counted(len(ring.members), 'seller')} tied by {ring_text(ring)}"


def ring_end(ring: Ring) -> str | None:
    """Return when and how a ring has ended, as the end of a sentence; None if it has not."""
    on = "" if ring.fell_apart_at is None else f" on {_day(ring.fell_apart_at)}"
    if ring.merged_into is not None:
        return f"became a part of ring {ring.merged_into[:_DIGITS]}{on}, because both have clients in common"
    return f"fell apart{on}" if on else None


def ring_sentences(case: Case) -> list[str]:
    """Return what an analyst should know about the ring of a case, one sentence each; none for other cases."""
    ring = ring_at_present(case)
    if ring is None:
        return []
    end = ring_end(ring)
    if end is not None:
        was = "" if case.evidence.ring is None else f" The latest alert had {ring_claim(case.evidence.ring)}."
        return [f"The ring {end}.{was}", f"It was named on {_day(named_at(case))}.", ACCUSES_NO_MEMBER]
    when = "at present" if case.ring is not None else f"when the latest alert was raised, {_day(_alerted_at(case))}"
    return [
        f"{ring_claim(ring)}, named since {_day(named_at(case))}.",
        f"Joint odds {when}: {odds(ring.odds)} to 1; without the strongest member "
        f"{odds(ring.odds_without_strongest)} to 1.",
        f"The odds count all {counted(ring.tied, 'seller')} that are known to be tied so, members or not.",
        *_cleared(case),
        ACCUSES_NO_MEMBER,
    ]


def _cleared(case: Case) -> list[str]:
    """Return what a verdict will do at the end of its day; nothing if there is none that clears the ring."""
    verdict = in_force(case)
    if verdict is None or verdict.verdict not in {"explained", "dismissed"} or case.state == "open":
        return []
    on = _day(verdict.recorded_at)
    return [f"The verdict of {on} clears it: it falls apart when that day is over in the market."]


def member_line(member: RingMember) -> str:
    """Return a member of a ring in one line."""
    count = counted(member.flips, "flip")
    return (
        f"{member.seller_id}: {count}, {member.expected:.1f} expected, {odds(member.odds)} to 1 that it is a client; "
        f"from {member.since:%Y-%m-%d} to {member.until:%Y-%m-%d}, joined {member.joined_at:%Y-%m-%d}"
    )


def member_lines(case: Case) -> list[str]:
    """Return the shown members, and what their numbers count; nothing without members."""
    members = shown_members(case)
    return [*map(member_line, members), WHAT_MEMBERS_COUNT] if members else []


def part_text(part: EvidencePart, ring: Ring | None) -> str:
    """Return the text of a part of the odds; that of a ring's member names the seller."""
    place = int(part.numbers.get("place", 0))
    if part.name != "ring_member" or ring is None or not 0 < place <= len(ring.members):
        return part.text
    return f"{ring.members[place - 1].seller_id}: {part.text.removeprefix(f'Member {place}: ')}"


def _alerted_at(case: Case) -> dt.datetime:
    return case.alerts[-1].raised_at


def _day(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%d %b %Y}"
