"""Reviewers in console and commands: a reviewer's own page, and the point for the seller in a seller's case."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import msgspec
import pytest

from stream.cli import case_pages
from stream.contract.alerts import Link
from stream.contract.cases import Case
from stream.offline.extortion_words import named_no_more
from tests.sample_cases import seller_case
from tests.unit.console.running_console import Console, served
from tests.unit.core.test_extortion import run


def _cases() -> list[Case]:
    return list(run(3).cases())


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(Console(tmp_path_factory.mktemp("console"), _cases()).app()) as found:
        yield found


def _page(address: str, path: str) -> str:
    answer = httpx.get(f"{address}{path}", trust_env=False)
    assert answer.status_code == 200
    return answer.text


def test_a_sellers_case_says_in_its_favour_what_a_reviewer_turned_and_leads_to_its_case(address: str) -> None:
    case = next(case for case in _cases() if case.extorted)
    one = case.extorted[0]
    page = _page(address, f"/cases/{case.case_id}")
    own = next(each for each in _cases() if each.subject.id == one.reviewer_id)
    assert (
        f"reviewer {one.reviewer_id} turned {len(one.review_ids)} of the {len(case.evidence.reviews)} reviews" in page
    )
    assert f'href="/cases/{own.case_id}"' in page
    assert ">extortion</span>" in page
    assert case.case_id in _page(address, f"/?text={one.reviewer_id}")


def test_a_reviewers_case_lists_the_sellers_of_its_reviews(address: str) -> None:
    case = next(case for case in _cases() if case.subject.type == "reviewer")
    page = _page(address, f"/cases/{case.case_id}")
    assert "this author turns a large part of its critical reviews" in page
    assert "Against all authors of critical reviews" in page
    for review in case.evidence.reviews:
        assert f'href="/subjects?id={review.seller_id}"' in page
    assert case.case_id in _page(address, "/?subject_type=reviewer")
    assert "reviewer.flips" in _page(address, "/help")


def test_the_command_line_says_it_too() -> None:
    case = next(case for case in _cases() if case.extorted)
    lines = case_pages.page(case, 100)
    assert "For the seller" in lines
    assert "For the seller" not in case_pages.page(seller_case(), 100)


def test_a_claim_that_counts_a_reviewer_who_was_cleared_says_so() -> None:
    case = next(case for case in run(3).cases() if case.extorted)
    links = [Link("reviewer", one.reviewer_id, len(one.review_ids)) for one in case.extorted]
    case = msgspec.structs.replace(case, evidence=msgspec.structs.replace(case.evidence, linked=links))
    assert named_no_more(case) is None
    cleared = msgspec.structs.replace(case, extorted=[])
    assert "named no longer" in (named_no_more(cleared) or "")
    assert "named no longer" in " ".join(case_pages.page(cleared, 100))
