"""The statement of reasons: what it says, whom it does not name, hostile ids, and cases without one."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from markdown_it import MarkdownIt

from stream.config import Settings
from stream.contract.alerts import EvidencePart, Link
from stream.contract.cases import Case, CaseAppeal, CaseNote, ExtortedReviews
from stream.core.model.strata import CONTACT_DAYS
from stream.ops import statement
from stream.ops.statement import NoStatementError, html, markdown
from tests.sample_cases import HOUR, decided, seller_case, staff_case

#: Each would become markup, a link, a cell, a list or a script if it were not escaped.
HOSTILE = [
    '"><script>alert(1)</script>',
    "</p></body>",
    "&lt;b&amp;",
    "[click](https://example.com)",
    "![x](y)",
    "https://example.com/x",
    "www.example.com",
    "<https://example.com>",
    "*bold*_it_**x**`code`~~gone~~",
    "a|b|c",
    "# title",
    "- item",
    "1. item",
    "\\",
    "$x^2$",
    "x\u202ey\x1b[2J",
    "店" * 128,
]
_FORMS = [markdown, html]


class _Page(HTMLParser):
    """A page's text, its tags, and whether every tag is closed where it should be."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def _rendered(form: Any, case: Case) -> _Page:
    """Return the statement as a reader sees it; Markdown is rendered, with raw HTML and bare links allowed."""
    text = form(case, Settings())
    if form is markdown:
        text = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    return _Page(text)


def _full() -> Case:
    """Return a confirmed case with everything that a statement must not repeat."""
    case = decided(seller_case(), state="appealed")
    review = msgspec.structs.replace(case.evidence.reviews[0], looked_up_by=["staff-secret"])
    return msgspec.structs.replace(
        case,
        evidence=msgspec.structs.replace(
            case.evidence,
            reviews=[review, *case.evidence.reviews[1:]],
            linked=[Link("staff", "staff-secret", 3)],
            parts=[*case.evidence.parts, EvidencePart("insider_client", 1.0, "Staff accused.", {"factor": 8.0})],
        ),
        linked=[Link("staff", "staff-secret", 3)],
        assignee="assig-nee",
        verdicts=[msgspec.structs.replace(case.verdicts[0], second_analyst_id="sec-ond")],
        notes=[CaseNote("n", case.updated_at, "auth-or", "A note about reviewer-77.")],
        appeals=[CaseAppeal("a", case.updated_at + HOUR, "seller", "I contest it.", None)],
        extorted=[ExtortedReviews("turn-er", case.evidence.review_ids[:2])],
    )


@pytest.mark.parametrize("form", _FORMS)
def test_it_says_what_was_counted_and_compared(form: Any) -> None:
    text = _rendered(form, _full()).text
    for part in (
        "Seller: seller-0011",
        "Period: 16 May 2025 to 10 June 2025",
        "12 critical reviews (1 to 3 stars) of your products were raised to 4 or 5 stars, or deleted, by their authors "
        "within 30 days of a contact by you. 4 were raised, and 8 were deleted. Together they add 33.7 stars",
        "1.5 such changes were expected, 7.9 times as many as expected",
        "Your other critical reviews in the same period: 6 changed, where 15.1 were expected",
        "8 of the 12 were deleted by their authors; among other sellers 20 % of changed reviews are deleted",
        "over a million to 1; from 66.7 to 1 on",
        "It does not say why.",
        "[Fill in: the restriction",
        "[Fill in: the clause of the contract",
        "Automated means found the changes",
        "A person took the decision: the case was confirmed on 10 June 2025. A second person agreed.",
        "was contested on 10 June 2025; there is no answer yet",
        "within six months",
        "Mediation",
        "Court",
    ):
        assert part in text


@pytest.mark.parametrize("form", _FORMS)
def test_it_names_nobody_and_no_review(form: Any) -> None:
    case = _full()
    text = form(case, Settings())
    secret = {
        *case.evidence.review_ids, *(review.review_id for review in case.evidence.reviews), *case.evidence.event_ids,
        "staff-secret", "assig-nee", "sec-ond", "ana-lyst", "auth-or", "turn-er", "reviewer-77", "contest it",
        "Seen by",
    }  # fmt: skip
    assert len(secret) > 15
    assert [one for one in secret if one in text] == []
    assert {review.product_id for review in case.evidence.reviews} <= set(re.findall(r"p0011x\d+", text))


@pytest.mark.parametrize("form", _FORMS)
def test_it_accuses_nobody_of_a_crime_or_a_payment(form: Any) -> None:
    text = _rendered(form, _full()).text
    assert (
        re.findall(r"(?i)\b(bought|paid|pay\w*|brib\w+|fraud\w*|illegal\w*|unlawful|manipulat\w+|cheat\w*|law)\b", text)
        == []
    )


@pytest.mark.parametrize("form", _FORMS)
def test_products_are_counted(form: Any) -> None:
    reviews = _full().evidence.reviews
    of_first = [review for review in reviews if review.product_id == reviews[0].product_id]
    raised = len([review for review in of_first if review.stars_after is not None])
    row = f"{reviews[0].product_id} {len(of_first)} {raised} {len(of_first) - raised}"
    assert row in _rendered(form, _full()).text


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("form", _FORMS)
def test_hostile_ids_are_shown_and_become_no_markup(form: Any, hostile: str) -> None:
    case = decided(seller_case(hostile))
    reviews = [msgspec.structs.replace(review, product_id=hostile) for review in case.evidence.reviews]
    page = _rendered(
        form, msgspec.structs.replace(case, evidence=msgspec.structs.replace(case.evidence, reviews=reviews))
    )
    plain = _rendered(form, decided(seller_case("plain")))
    assert set(page.tags) == set(plain.tags)
    assert page.attributes == plain.attributes
    visible = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in hostile)
    assert f"Seller: {visible}" in page.text
    assert f"{visible} 12 4 8" in page.text


@pytest.mark.parametrize("address", ["www.example.com", "WWW.example.com", "https://example.com", "ftp://example.com"])
def test_an_address_is_no_link_where_bare_ones_become_links(address: str) -> None:
    assert re.findall(r"(?i)www\.|(?<!\\):/", markdown(decided(seller_case(address)), Settings())) == []


def test_the_pages_need_no_other_file() -> None:
    text = html(_full(), Settings())
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert re.findall(r"(?i)https?:|src=|href=|@import|url\(", text) == []
    assert re.findall(r"(?i)https?:|\]\(", markdown(_full(), Settings())) == []


def test_the_window_is_the_one_of_the_detection() -> None:
    assert statement.WINDOW_DAYS == CONTACT_DAYS


@pytest.mark.parametrize("form", _FORMS)
def test_the_budget_is_named_only_if_the_case_has_it(form: Any) -> None:
    case = _full()
    same = msgspec.structs.replace(case, config_digest=Settings().config_digest)
    assert "at most 3 of 1,000 sellers a year" in form(same, Settings())
    assert "of 1,000 sellers" not in form(msgspec.structs.replace(case, config_digest="other"), Settings())


def test_a_part_without_its_numbers_is_left_out() -> None:
    case = _full()
    parts = [EvidencePart("controls", 1.0, "", {}), EvidencePart("new_part", 1.0, "payer", {})]
    changed = msgspec.structs.replace(
        case, evidence=msgspec.structs.replace(case.evidence, parts=parts, payment=None), extorted=[]
    )
    assert "also taken into account" not in markdown(changed, Settings())


@pytest.mark.parametrize("form", _FORMS)
def test_it_says_how_many_changes_speak_for_the_seller(form: Any) -> None:
    case, ids = _full(), _full().evidence.review_ids

    def said(flips: int, *authors: list[str]) -> str:
        evidence = msgspec.structs.replace(case.evidence, flips=flips, parts=[], payment=None)
        extorted = [ExtortedReviews(f"turn-er-{number}", names) for number, names in enumerate(authors)]
        page = _rendered(form, msgspec.structs.replace(case, evidence=evidence, extorted=extorted))
        assert "turn-er" not in page.text
        return page.text

    text = said(12, ids[:1])
    assert "What was also taken into account: 1 of the 12 counted reviews was changed by an author who changes" in text
    assert "This may speak for you: such changes may have reasons that do not lie with you." in text
    assert "5 of the 12 counted reviews were changed by 2 authors who change" in said(12, ids[:3], ids[2:5])
    assert "2 of the latest 12 of the 60 counted reviews were changed by an author" in said(60, ids[:2])
    for text in (said(12), said(12, []), said(12, ["of an earlier alert"])):
        assert "may speak for you" not in text
        assert "also taken into account" not in text


def _late_alert(case: Case) -> Case:
    late = msgspec.structs.replace(case.alerts[-1], raised_at=case.verdicts[-1].recorded_at + dt.timedelta(minutes=1))
    return msgspec.structs.replace(case, alerts=[*case.alerts, late])


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (seller_case(), "no verdict is in force"),
        (decided(seller_case(), "explained"), "the verdict in force is explained"),
        (decided(staff_case()), "the case is about staff"),
        (_late_alert(decided(seller_case())), "an alert is newer than the verdict"),
        (decided(seller_case(kind="product.rating_shift")), "is product.rating_shift"),
    ],
)
@pytest.mark.parametrize("form", _FORMS)
def test_other_cases_have_no_statement(form: Any, case: Case, reason: str) -> None:
    with pytest.raises(NoStatementError, match=reason):
        form(case, Settings())
