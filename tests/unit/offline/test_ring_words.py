"""A ring in words: what ties its members, its odds at present or as of an alert, and how it has ended."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from stream.contract.alerts import ConnectorRef, Ring, Subject
from stream.contract.cases import Case
from stream.offline import ring_words
from stream.ops.statement import odds
from tests.sample_cases import fallen_ring_case, ring_case, seller_case


def _ring(case: Case) -> Ring:
    assert case.ring is not None
    return case.ring


def _with(case: Case, **fields: object) -> Case:
    return msgspec.structs.replace(case, ring=msgspec.structs.replace(_ring(case), **fields))


def test_the_sentences_say_what_ties_how_strongly_and_that_nobody_is_accused() -> None:
    case = ring_case()
    ring = _ring(case)
    ties, joint, counted, accuses = ring_words.ring_sentences(case)
    assert ties.startswith(f"{len(ring.members)} sellers tied by {ring_words.ring_text(ring)}, named since ")
    assert f"look-ups by staff member {ring.connectors[0].id}" in ties
    without = odds(ring.odds_without_strongest)
    assert joint == f"Joint odds at present: {odds(ring.odds)} to 1; without the strongest member {without} to 1."
    assert f" {ring.tied} sellers " in counted
    assert accuses == ring_words.ACCUSES_NO_MEMBER


def test_over_a_replays_files_the_odds_are_those_of_the_alert() -> None:
    case = ring_case(ring=None)
    assert case.evidence.ring is not None
    joint = ring_words.ring_sentences(case)[1]
    day = f"{case.alerts[-1].raised_at:%d %b %Y}"
    assert joint.startswith(f"Joint odds when the latest alert was raised, {day}: {odds(case.evidence.ring.odds)} to 1")
    assert ring_words.shown_members(case) == case.evidence.ring.members


def test_other_cases_have_no_sentences_and_no_members() -> None:
    assert ring_words.ring_sentences(seller_case()) == []
    assert ring_words.shown_members(seller_case()) == []


def test_a_ring_that_has_fallen_apart_says_when_and_shows_the_members_of_its_latest_alert() -> None:
    case = fallen_ring_case()
    ring = _ring(case)
    assert ring.fell_apart_at is not None
    sentences = ring_words.ring_sentences(case)
    assert sentences[0].startswith(f"The ring fell apart on {ring.fell_apart_at:%d %b %Y}. The latest alert had ")
    assert sentences[-1] == ring_words.ACCUSES_NO_MEMBER
    assert not any("odds" in sentence for sentence in sentences), "without members there are none"
    assert case.evidence.ring is not None
    assert ring_words.shown_members(case) == case.evidence.ring.members
    assert ring_words.members_title(case) == "Members when the latest alert was raised"


def test_a_ring_that_became_a_part_of_another_one_names_it() -> None:
    case = _with(fallen_ring_case(), merged_into="0123456789abcdef" * 2)
    assert ring_words.ring_sentences(case)[0].startswith("The ring became a part of ring 01234567 on ")


def test_a_ring_is_named_since_its_first_alert_or_the_first_member() -> None:
    case = ring_case()
    assert ring_words.named_at(_with(case, named_at=case.opened_at + dt.timedelta(days=9))) == (
        case.opened_at + dt.timedelta(days=9)
    )
    case = _with(case, named_at=None)  # of an earlier version
    assert ring_words.named_at(case) == case.opened_at
    earlier = case.opened_at - dt.timedelta(days=3)
    members = [msgspec.structs.replace(_ring(case).members[0], joined_at=earlier), *_ring(case).members[1:]]
    assert ring_words.named_at(_with(case, members=members)) == earlier


@pytest.mark.parametrize(
    ("connectors", "name", "text"),
    [
        ([ConnectorRef("staff", "staff-1")], "ring of staff-1", "look-ups by staff member staff-1"),
        ([ConnectorRef("bank_account", "b-7")], "ring of b-7", "the bank account b-7"),
        (
            [ConnectorRef("staff", "staff-1"), ConnectorRef("device", "d-2")],
            "ring of staff-1",
            "look-ups by staff member staff-1 and the device d-2",
        ),
        (
            [ConnectorRef("other", str(number)) for number in range(8)],
            "ring of 0",
            "the link 0, the link 1, the link 2, the link 3, the link 4 and 3 more",
        ),
        ([], "ring 01234567", ""),
    ],
)
def test_a_ring_is_named_by_its_first_connector(connectors: list[ConnectorRef], name: str, text: str) -> None:
    ring = msgspec.structs.replace(_ring(ring_case()), connectors=connectors)
    assert ring_words.subject_name(Subject("ring", "0123456789abcdef" * 2), ring) == name
    assert ring_words.ring_text(ring) == text
    assert ring_words.subject_name(Subject("seller", "seller-1"), None) == "seller seller-1"


def test_the_part_of_a_member_names_the_seller() -> None:
    case = ring_case()
    ring = case.evidence.ring
    assert ring is not None
    parts = [part for part in case.evidence.parts if part.name == "ring_member"]
    assert len(parts) == len(ring.members)
    for part, member in zip(parts, ring.members, strict=True):
        assert part.numbers["flips"] == member.flips
        text = ring_words.part_text(part, ring)
        assert text.startswith(f"{member.seller_id}: {member.flips} reviews turned")
        assert ring_words.part_text(part, None) == part.text
    others = next(part for part in case.evidence.parts if part.name == "ring_others")
    assert ring_words.part_text(others, ring) == others.text


def test_a_member_in_one_line() -> None:
    member = _ring(ring_case()).members[0]
    line = ring_words.member_line(msgspec.structs.replace(member, flips=1, expected=0.04, odds=12.34))
    assert line.startswith(f"{member.seller_id}: 1 flip, 0.0 expected, 12.3 to 1 that it is a client; from ")
    assert line.endswith(f", joined {member.joined_at:%Y-%m-%d}")
