"""What rings have to do with sellers and staff."""

from __future__ import annotations

import msgspec

from stream.cli import case_pages
from stream.contract.alerts import ConnectorRef, Subject
from stream.offline.memberships import memberships
from tests.sample_cases import ring_case, seller_case, staff_case


def test_who_is_no_member_any_more_belonged_to_the_ring() -> None:
    case = ring_case()
    assert case.ring is not None
    left, *stayed = case.ring.members
    case = msgspec.structs.replace(case, ring=msgspec.structs.replace(case.ring, members=stayed))
    (gone,) = memberships(Subject("seller", left.seller_id), [case])
    (here,) = memberships(Subject("seller", stayed[0].seller_id), [case])
    assert (gone.what, gone.member) == ("Belonged to a ring", None)
    assert (here.what, here.member) == ("Belongs to a ring", stayed[0])


def test_a_ring_is_named_at_its_insider_and_at_nobody_of_the_same_name() -> None:
    case = ring_case()
    assert case.ring is not None
    connectors = [ConnectorRef("staff", "agent-7"), ConnectorRef("device", "agent-8")]
    case = msgspec.structs.replace(case, ring=msgspec.structs.replace(case.ring, connectors=connectors))
    (ties,) = memberships(Subject("staff", "agent-7"), [case, seller_case()])
    assert (ties.what, ties.name) == ("Ties a ring", "ring of agent-7")
    assert not memberships(Subject("staff", "agent-8"), [case])  # a device, not a member of staff
    assert not memberships(Subject("reviewer", "agent-7"), [case])


def test_the_page_of_a_case_names_the_rings_of_its_subject() -> None:
    case = ring_case()
    found = memberships(Subject("seller", case.ring.members[0].seller_id if case.ring else ""), [case])
    lines = " ".join(line.strip() for line in case_pages.page(seller_case(), 100, found))
    assert "Rings Belongs to a ring: ring of " in lines
    assert f"Its case is {case.case_id}." in lines
    assert "Rings" not in case_pages.page(staff_case(), 100)
