"""Ids with hidden characters on real pages: no page contains one, links and forms keep the id as it is."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec
import pytest

from stream.contract.alerts import ConnectorRef, Link
from stream.contract.cases import Case
from tests.sample_cases import ring_case, seller_case
from tests.unit.console.running_console import Console, served
from tests.unit.test_texts import HIDDEN

_NAME = f"a{''.join(HIDDEN)}b"
_SHOWN = _NAME.encode("unicode_escape").decode()


def _ring() -> Case:
    """Return the case of a ring in which every id, and a text of an earlier version, has hidden characters."""
    case = ring_case()
    assert case.ring is not None
    first, *others = case.ring.members
    members = [msgspec.structs.replace(first, seller_id=_NAME), *others]
    ring = msgspec.structs.replace(case.ring, members=members, connectors=[ConnectorRef("address", _NAME)] * 2)
    review = msgspec.structs.replace(
        case.evidence.reviews[0], seller_id=_NAME, review_id=_NAME, product_id=_NAME, looked_up_by=[_NAME]
    )
    return msgspec.structs.replace(
        case,
        ring=ring,
        evidence=msgspec.structs.replace(case.evidence, ring=ring, reviews=[review], linked=[Link("staff", _NAME, 2)]),
        linked=[Link("staff", _NAME, 2)],
        explanation=f"Sellers tied by the address {_NAME}; 2,849 to 1.",
        reopened=f"Seen {_NAME}.",
    )


@pytest.mark.parametrize("page", ["queue", "search", "ring", "member", "subject"])
def test_no_page_has_a_hidden_character(page: str, tmp_path: Path) -> None:
    ring, seller = _ring(), seller_case(_NAME)
    path = {
        "queue": "/",
        "search": f"/?text={quote(_NAME)}",
        "ring": f"/cases/{ring.case_id}",
        "member": f"/cases/{seller.case_id}",
        "subject": f"/subjects?id={quote(_NAME)}",
    }[page]
    with served(Console(tmp_path, [ring, seller]).app()) as address:
        answer = httpx.get(f"{address}{path}", trust_env=False)
    assert answer.status_code == 200
    typed = re.sub(r'<input [^>]*name="text"[^>]*>', "", answer.text)  # a form sends these back
    assert _SHOWN in typed
    assert [hidden for hidden in HIDDEN if hidden in typed] == []
    if page in {"ring", "member"}:
        assert f'href="/subjects?id={quote(_NAME)}"' in typed
    assert page != "ring" or 'class="timeline"' in typed


def test_a_search_keeps_the_id_that_was_searched_for(tmp_path: Path) -> None:
    seller = seller_case(_NAME)
    with served(Console(tmp_path, [seller]).app()) as address:
        page = httpx.get(f"{address}/?text={quote(_NAME)}", trust_env=False).text
    typed = re.findall(r'<input [^>]*name="text"[^>]* value="([^"]*)"', page)
    assert typed
    assert {html.unescape(each) for each in typed} == {_NAME}
    assert seller.case_id in page


def test_joiners_and_lines_of_a_text_stay(tmp_path: Path) -> None:
    text = "می\u200cخواهم\nक्\u200dष"
    case = seller_case(reopened=text)
    with served(Console(tmp_path, [case]).app()) as address:
        assert f"Open again: {text}<" in httpx.get(f"{address}/cases/{case.case_id}", trust_env=False).text
