"""Rings in the console: the pages of real cases, what they link to, verdicts, and whose reading is recorded."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from stream.config import Settings
from stream.console import case_view, pictures, ring_view
from stream.console.access.roles import User
from stream.console.decisions import Decisions
from stream.console.odds_bars import groups
from stream.console.readings import accused_staff
from stream.console.services import Services
from stream.contract.alerts import ConnectorRef, Link
from stream.contract.cases import Case
from stream.contract.events import CaseSubject
from stream.ops.statement import odds
from tests.sample_cases import decided, fallen_ring_case, ring_case, ring_market, seller_case, staff_case
from tests.unit.console.running_console import Console, served

_ANA, _BEN = User("ana", "analyst"), User("ben", "analyst")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(Console(tmp_path_factory.mktemp("console"), ring_market()).app()) as found:
        yield found


def _page(address: str, path: str) -> str:
    answer = httpx.get(f"{address}{path}", trust_env=False)
    assert answer.status_code == 200
    return answer.text


def _section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def test_the_page_of_a_ring_has_its_members_each_with_its_own_case(address: str) -> None:
    case = ring_case()
    assert case.ring is not None
    section = _section(_page(address, f"/cases/{case.case_id}"), "ring")
    own = {one.subject.id: one.case_id for one in ring_market() if one.subject.type == "seller"}
    rows = re.findall(r"<tr><td.*?</tr>", section, re.DOTALL)
    assert len(rows) == len(case.ring.members)
    assert {member.seller_id in own for member in case.ring.members} == {True, False}, "the market has both"
    for row, member in zip(rows, case.ring.members, strict=True):
        assert f"<bdi>{member.seller_id}</bdi>" in row
        assert f'"flips">{member.flips}<' in row
        assert f"{odds(member.odds)} to 1" in row
        case_id = own.get(member.seller_id)
        assert (f'href="/cases/{case_id}"' if case_id else "none") in row
    assert "A ring accuses no member by itself" in section
    assert odds(case.ring.odds_without_strongest) in section
    assert 'class="timeline"' in section


def test_a_ring_has_no_frame_for_evidence_over_time_and_a_seller_has(address: str) -> None:
    assert _section(_page(address, f"/cases/{ring_case().case_id}"), "evidence") == ""
    for case in ring_market():
        page = _page(address, f"/cases/{case.case_id}")
        assert bool(_section(page, "evidence")) == (case.subject.type != "ring")
        assert bool(_section(page, "ring")) == (case.subject.type == "ring")


def test_the_reviews_of_a_ring_name_their_sellers(address: str) -> None:
    case = ring_case()
    reviews = _section(_page(address, f"/cases/{case.case_id}"), "reviews")
    assert "<th>seller</th>" in reviews
    sellers = {review.seller_id for review in case.evidence.reviews}
    assert len(sellers) > 1
    for seller_id in sellers:
        assert f"<bdi>{seller_id}</bdi>" in reviews


def test_members_and_the_insider_lead_to_the_ring(address: str) -> None:
    ring = ring_case()
    assert ring.ring is not None
    assert ring.evidence.ring is not None
    names = dict.fromkeys((member.seller_id for member in ring.evidence.ring.members), "Belonged to a ring")
    names |= dict.fromkeys((member.seller_id for member in ring.ring.members), "Belongs to a ring")
    names[ring.ring.connectors[0].id] = "Ties a ring"
    seen = set()
    for case in ring_market():
        claim = _section(_page(address, f"/cases/{case.case_id}"), "claim")
        found = re.findall(rf'<p class="note ring">([\w ]+): <a href="/cases/{ring.case_id}">', claim)
        assert found == ([names[case.subject.id]] if case.subject.id in names else []), case.subject
        seen |= set(found)
    assert seen >= {"Belongs to a ring", "Ties a ring"}


def test_an_alert_that_links_a_seller_to_a_ring_shows_the_link(tmp_path: Path) -> None:
    ring = ring_case()
    case = next(one for one in ring_market() if one.subject.type == "seller")
    case = msgspec.structs.replace(case, linked=[Link("ring", ring.subject.id, 3), *case.linked])
    with served(Console(tmp_path, [ring, case]).app()) as address:
        linked = _section(_page(address, f"/cases/{case.case_id}"), "linked")
        assert f'href="/subjects?id={ring.subject.id}"' in linked
        assert f'href="/cases/{ring.case_id}"' in linked
        assert ring.case_id in _page(address, f"/subjects?id={ring.subject.id}")


def test_a_list_can_be_narrowed_to_rings(address: str) -> None:
    rings = {case.case_id for case in ring_market() if case.subject.type == "ring"}
    for query in ("subject_type=ring", "kind=ring.insider"):
        page = _page(address, f"/?{query}")
        assert set(re.findall(r'id="row-(\w+)"', page)) == rings
        assert "ring of staff-13" in page
    options = re.findall(r'<option value="(\w+)"', _page(address, "/").split('name="subject_type"')[1])[:3]
    assert options == ["seller", "staff", "ring"]


def test_help_explains_rings(address: str) -> None:
    page = _page(address, "/help")
    for term in ("ring", "connector", "member", "ring.insider", "ring.linked"):
        assert f"<dt>{term}</dt>" in page


def test_a_ring_that_has_fallen_apart_shows_what_it_was(tmp_path: Path) -> None:
    case = fallen_ring_case()
    others = [one for one in ring_market() if one.case_id != case.case_id]
    with served(Console(tmp_path, [*others, case]).app()) as address:
        page = _page(address, f"/cases/{case.case_id}")
        assert "The ring fell apart on" in _section(page, "ring")
        assert 'class="timeline"' in page
        assert '<span class="badge">fell apart</span>' in page
        assert case.evidence.ring is not None
        members = {member.seller_id for member in case.evidence.ring.members}
        linked = next(one for one in others if one.subject.id in members)
        note = re.search(r'<p class="note ring">.*?</p>', _page(address, f"/cases/{linked.case_id}"))
        assert note is not None
        assert re.search(r"Belonged to a ring: .* \(decided, \w+\), fell apart on [\w ]+\. A ring accuses", note[0])
        staff = next(one for one in others if one.subject.id == "staff-13")
        assert "Tied a ring" in _page(address, f"/cases/{staff.case_id}")


def test_a_linked_ring_and_one_without_a_present_state_have_pages(tmp_path: Path) -> None:
    case = ring_case(ring=None)
    assert case.evidence.ring is not None
    tied = msgspec.structs.replace(case.evidence.ring, connectors=[ConnectorRef("bank_account", "account-7")])
    evidence = msgspec.structs.replace(case.evidence, ring=tied)
    case = msgspec.structs.replace(case, kind="ring.linked", evidence=evidence)
    with served(Console(tmp_path, [case]).app()) as address:
        page = _page(address, f"/cases/{case.case_id}")
        assert "tied by the bank account account-7" in _section(page, "ring")
        assert "when the latest alert was raised" in _section(page, "ring")
        assert "an alert from" in _section(page, "odds"), "a link is named at a threshold"
        assert case.case_id in _page(address, "/?state=all&text=account-7")


def test_hostile_ids_in_a_ring_are_text(tmp_path: Path) -> None:
    hostile = '"><script>x</script>'
    case = ring_case()
    assert case.ring is not None
    first, *others = case.ring.members
    ring = msgspec.structs.replace(
        case.ring,
        members=[msgspec.structs.replace(first, seller_id=hostile), *others],
        connectors=[ConnectorRef("other", hostile)],
    )
    reviews = [msgspec.structs.replace(case.evidence.reviews[0], seller_id=hostile, review_id=hostile)]
    evidence = msgspec.structs.replace(case.evidence, reviews=reviews)
    case = msgspec.structs.replace(case, ring=ring, evidence=evidence)
    seller = seller_case(hostile)
    with served(Console(tmp_path, [case, seller]).app()) as address:
        for path in (f"/cases/{case.case_id}", f"/cases/{seller.case_id}", "/"):
            assert "<script>x" not in _page(address, path)
        assert "Belongs to a ring" in _page(address, f"/cases/{seller.case_id}")


def test_the_bars_of_a_ring_add_up_and_name_the_sellers() -> None:
    case = ring_case()
    assert case.evidence.ring is not None
    found = groups(case.evidence.parts, case.evidence.ring)
    titles = [group.title for group in found]
    assert titles == [
        "Each member of the ring",
        "Other sellers that the same thing ties",
        "What the sellers' flips have in common",
    ]
    texts = [bar.text for bar in found[0].bars]
    assert [text.partition(":")[0] for text in texts] == [one.seller_id for one in case.evidence.ring.members]


def test_the_claim_of_a_ring_says_what_ties_how_many() -> None:
    case = ring_case()
    assert case.evidence.ring is not None
    assert case_view.claim(case).startswith(
        f"{len(case.evidence.ring.members)} sellers tied by look-ups by staff member staff-13 and the device "
    )
    assert pictures.sparkline(case.evidence) == ""
    assert pictures.evidence(case, case_view.marks(case)) == ""


def test_a_merged_ring_is_marked_and_leads_to_the_other_one() -> None:
    case = fallen_ring_case()
    assert case.ring is not None
    case = msgspec.structs.replace(case, ring=msgspec.structs.replace(case.ring, merged_into="f" * 32))
    assert "part of another ring" in case_view.badges(case)
    assert "fell apart" not in case_view.badges(case)
    section = ring_view.ring_section(case, {})
    assert section is not None
    assert section.merged_into == "f" * 32


@pytest.mark.parametrize("case", [seller_case(), staff_case()])
def test_other_cases_have_no_ring(case: Case) -> None:
    assert ring_view.ring_section(case, {}) is None
    assert pictures.timeline(case) == ""


def _decisions(console: Console) -> Decisions:
    now = lambda: dt.datetime(2027, 1, 1, tzinfo=dt.UTC)  # noqa: E731
    return Decisions(Settings(_env_file=None), console.read_model, console.log, now)


def test_a_verdict_on_a_ring_is_about_the_ring_and_needs_a_second_analyst(tmp_path: Path) -> None:
    case = ring_case()
    console = Console(tmp_path, [case])
    form = {"event_id": "0" * 32, "verdict": "confirmed", "check-0": "no", "alert_id": case.alerts[-1].alert_id}
    done = _decisions(console).verdict(_ANA, case.case_id, form)
    assert done.outcome == "verdict_waits_for_second"
    assert done.event.subject == CaseSubject("ring", case.subject.id)
    (event,) = console.log.events
    assert f"{case.checks[0]} no." in msgspec.json.encode(event).decode()


@pytest.mark.parametrize("appellant", ["seller", "staff", "platform"])
def test_a_verdict_on_a_ring_can_be_contested(tmp_path: Path, appellant: str) -> None:
    case = decided(ring_case())
    form = {"event_id": "0" * 32, "appellant": appellant, "note": "We share an accountant."}
    done = _decisions(Console(tmp_path, [case])).appeal(_BEN, case.case_id, form)
    assert done.outcome == "case_appealed"


def test_a_ring_has_no_statement_of_reasons(tmp_path: Path) -> None:
    case = decided(ring_case())
    with served(Console(tmp_path, [case]).app()) as address:
        answer = httpx.get(f"{address}/cases/{case.case_id}/statement", trust_env=False)
        assert answer.status_code == 409
        assert "the statement is for a seller" in answer.text


def test_the_address_of_a_review_has_the_reviews_seller(tmp_path: Path) -> None:
    services = Console(tmp_path, [], review_url="https://shop.example/{seller_id}/{review_id}").services
    case = ring_case()
    review = case.evidence.reviews[0]
    assert services.review_address(case, review) == f"https://shop.example/{review.seller_id}/{review.review_id}"


class _Readings:
    def __init__(self) -> None:
        self.noted: list[str] = []

    def note(self, user: User, case: Case) -> None:
        self.noted.append(case.case_id)


def test_reading_a_case_that_accuses_staff_is_recorded(tmp_path: Path) -> None:
    console, readings = Console(tmp_path, ring_market()), _Readings()
    parts = console.services
    services = Services(
        parts.settings, parts.console, parts.read_model, parts.source, _decisions(console), readings, parts.live,
        parts.health,
    )  # fmt: skip
    for case in ring_market():
        services.note_reading(_ANA, case)
    accusing = [case for case in ring_market() if case.subject.type in {"staff", "ring"}]
    assert readings.noted == [case.case_id for case in accusing]
    assert accused_staff(ring_case()) == ["staff-13"]
    assert accused_staff(accusing[0])


def test_a_ring_of_linked_sellers_accuses_no_staff() -> None:
    case = ring_case(ring=None)
    assert case.evidence.ring is not None
    tied = msgspec.structs.replace(case.evidence.ring, connectors=[ConnectorRef("device", "device-1")])
    case = msgspec.structs.replace(case, evidence=msgspec.structs.replace(case.evidence, ring=tied))
    assert accused_staff(case) == []
