"""Cases as text: no line is wider than the terminal, ids are literal, and wrong options are wrong use."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, Final

import msgspec
import pytest
import typer
from rich.cells import cell_len

from stream.cli import case_events, case_pages
from stream.cli.option_values import days_of
from stream.config import Settings
from stream.contract.alerts import ConnectorRef, Link, Subject
from stream.contract.cases import Case, CaseAppeal, CaseNote
from stream.contract.events import Verdict
from stream.intake.pseudonyms import pseudonyms_of
from stream.offline import ring_words
from stream.ops.case_report import report
from stream.ops.cases import KnownCases, foresee
from stream.ops.statement import odds
from tests.analysts import verdict
from tests.sample_cases import HOUR, decided, fallen_ring_case, ring_case, seller_case, staff_case
from tests.unit.cli.conftest import Invoke

_KEY: Final = "a key of 16 or more characters"
_LONG = "x" * 128
_WIDE = "店" * 128
#: Ids of the greatest length; the last one has the most cells after it is escaped.
HOSTILE = [_LONG, _WIDE, "[red]" * 25, '"><script>' * 12, "\u202e" * 128, "[/acme]"]


def _hostile_case(text: str) -> Case:
    """Return a case in which all that comes from outside is this text."""
    case = decided(seller_case(text), state="appealed", reopened=text * 3, assignee=text, waits_for_second=True)
    review = msgspec.structs.replace(case.evidence.reviews[0], review_id=text, product_id=text, looked_up_by=[text] * 3)
    return msgspec.structs.replace(
        case,
        evidence=msgspec.structs.replace(case.evidence, reviews=[review]),
        linked=[Link("staff", text, 3)],
        checks=[text],
        verdicts=[
            msgspec.structs.replace(case.verdicts[0], analyst_id=text, second_analyst_id=text, note=f"{text}\n{text}")
        ],
        notes=[CaseNote("n", case.updated_at, text, text * 9)],
        appeals=[CaseAppeal("a", case.updated_at + HOUR, "seller", text, None)],
    )


@pytest.mark.parametrize("width", [80, 97, 200])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_line_is_wider_than_the_terminal(text: str, width: int) -> None:
    case = _hostile_case(text)
    for lines in (case_pages.queue([case, seller_case()], 8, width), case_pages.page(case, width)):
        assert max(map(cell_len, lines)) <= width
        assert all(line.isprintable() for line in lines)
    assert max(map(cell_len, case_pages.precision(report([case]), width))) <= width


def test_the_queue_says_who_why_since_when_and_by_whom() -> None:
    open_case = seller_case(assignee="ana")
    waiting = staff_case(waits_for_second=True)
    assert case_pages.queue([open_case, waiting], 8, 80) == [
        "case      who                 since       due         by          state",
        f"{open_case.case_id[:8]}  seller seller-0011  2025-05-16  2025-06-13  ana         open",
        "  seller.contact_flips, critical: 12 flips, 1.5 expected, odds over a million",
        f"{waiting.case_id[:8]}  staff staff-04      2025-04-20  2025-07-22  nobody      open",
        "  staff.access_flips, low: 19 flips, 7.8 expected, odds 16.5",
        "  waits for a second analyst",
    ]


def test_a_ring_stands_in_the_queue_by_what_ties_it() -> None:
    case = ring_case()
    _, row, why = case_pages.queue([case], 8, 80)
    assert row.startswith(f"{case.case_id[:8]}  ring of staff-13  ")
    assert why.startswith("  ring.insider, ")


def test_rings_are_found_by_what_ties_them(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = ring_case()
    assert ring.ring is not None
    monkeypatch.setattr("stream.ops.cases.read", lambda *_: KnownCases({ring.case_id: ring}, None))
    for name in (ring.ring.connectors[0].id, ring.subject.id):
        assert ring.case_id[:8] in invoke("cases", "--subject", name).output
    assert ring.case_id[:8] not in invoke("cases", "--subject", "nobody").output


def _section(lines: list[str], title: str) -> list[str]:
    begin = lines.index(title) + 1
    return lines[begin : lines.index("", begin)]


def test_a_page_of_a_ring_has_what_ties_it_and_its_members() -> None:
    case = ring_case()
    assert case.ring is not None
    lines = case_pages.page(case, 120)
    ring = " ".join(line.strip() for line in _section(lines, "The ring"))
    assert f"{len(case.ring.members)} sellers tied by look-ups by staff member staff-13" in ring
    assert "without the strongest member" in ring
    assert "A ring accuses no member by itself" in ring
    members = [line for line in _section(lines, "Members") if "client" in line]
    for line, member in zip(members, case.ring.members, strict=True):
        assert line.startswith(
            f"    {member.seller_id}: {member.flips} flips, {member.expected:.1f} expected, {odds(member.odds)} to 1"
        )
    parts = _section(lines, "Why the odds are what they are")
    assert case.evidence.ring is not None
    assert case.evidence.ring.members[0].seller_id in parts[0]
    review = case.evidence.reviews[0]
    assert any(f"{review.review_id} of product {review.product_id}, {review.seller_id}" in line for line in lines)


def test_a_page_of_a_ring_says_what_the_numbers_of_members_count() -> None:
    for case, title in ((ring_case(), "Members"), (fallen_ring_case(), "Members when the latest alert was raised")):
        text = " ".join(line.strip() for line in _section(case_pages.page(case, 80), title))
        assert text.endswith(ring_words.WHAT_MEMBERS_COUNT)
    assert ring_words.WHAT_MEMBERS_COUNT not in " ".join(case_pages.page(seller_case(), 2000))


def test_one_flip_is_singular() -> None:
    case = seller_case(linked=[Link("staff", "staff-1", 1)])
    case = msgspec.structs.replace(case, evidence=msgspec.structs.replace(case.evidence, flips=1))
    assert "critical: 1 flip, 1.5 expected" in case_pages.queue([case], 8, 120)[2]
    assert _section(case_pages.page(case, 120), "Linked subjects") == ["    staff staff-1: 1 flip"]


def test_with_a_pseudonym_key_subjects_are_found_by_their_original_ids(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    pseudonyms = pseudonyms_of(Settings.model_validate({"pseudonym_key": _KEY}))
    assert pseudonyms is not None
    staff, reviewer = pseudonyms.of_staff("staff-04"), pseudonyms.of_reviewer("u3991")
    found = {
        "staff-04": staff_case(case_id="1" * 32, subject=Subject("staff", staff)),
        "u3991": staff_case(case_id="2" * 32, subject=Subject("reviewer", reviewer)),
    }
    cases = {case.case_id: case for case in found.values()}
    monkeypatch.setattr("stream.ops.cases.read", lambda *_: KnownCases(cases, None))
    assert "no open or appealed cases" in invoke("cases", "--subject", "u3991").output
    monkeypatch.setenv("VOLTEFACE_PSEUDONYM_KEY", _KEY)
    for name, case in found.items():
        for asked in (name, case.subject.id):
            (line,) = invoke("cases", "--json", "--subject", asked).stdout.splitlines()
            assert json.loads(line)["case_id"] == case.case_id
    assert "no open or appealed cases" in invoke("cases", "--subject", "u3992").output


def test_a_page_of_a_ring_that_fell_apart_says_so() -> None:
    lines = case_pages.page(fallen_ring_case(), 120)
    assert _section(lines, "The ring")[0].startswith("  The ring fell apart on ")
    assert len(_section(lines, "Members when the latest alert was raised")) >= 2


@pytest.mark.parametrize("width", [80, 97, 200])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_line_of_a_ring_is_wider_than_the_terminal(text: str, width: int) -> None:
    case = ring_case()
    assert case.ring is not None
    members = [msgspec.structs.replace(case.ring.members[0], seller_id=text)]
    ring = msgspec.structs.replace(case.ring, members=members, connectors=[ConnectorRef("other", text)] * 3)
    reviews = [msgspec.structs.replace(case.evidence.reviews[0], seller_id=text)]
    evidence = msgspec.structs.replace(case.evidence, ring=ring, reviews=reviews)
    case = msgspec.structs.replace(case, ring=ring, evidence=evidence)
    for lines in (case_pages.queue([case], 8, width), case_pages.page(case, width)):
        assert max(map(cell_len, lines)) <= width
        assert all(line.isprintable() for line in lines)


def test_the_column_who_is_no_wider_than_its_longest_entry() -> None:
    header, row, _ = case_pages.queue([seller_case()], 8, 200)
    assert header == "case      who                 since       due         by          state"
    assert row.split("  ")[1] == "seller seller-0011"
    header, *_ = case_pages.queue([seller_case("x" * 128)], 8, 200)
    assert header.index("since") == 10 + len(f"seller {'x' * 128}") + 2


def test_a_page_has_all_sections_and_the_sum_of_the_parts() -> None:
    lines = case_pages.page(_hostile_case("shop"), 80)
    titles = [
        line for before, line in zip(["", *lines], lines, strict=False) if before == "" and not line.startswith(" ")
    ]
    assert titles[1:-1] == [
        "Claim", "Why the odds are what they are", "Marks of payment", "Reviews that turned", "Linked subjects",
        "Questions for a person", "Alerts", "Verdicts", "Appeals", "Notes",
    ]  # fmt: skip
    assert " =+16.35  together: over a million to 1" in lines
    assert "    2025-05-16 18:23 stars 2 to 4: shop of product shop" in lines


def test_an_id_that_is_wider_than_a_line_is_there_completely() -> None:
    lines = case_pages.page(seller_case(_LONG), 80)
    assert "".join(lines[1:4]).replace(" ", "").startswith(f"seller{_LONG}")


@pytest.mark.parametrize("text", ["30", "-1d", "3 d", "d", "9999d", "1.5d", "30D"])
def test_a_wrong_number_of_days_is_wrong_use(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="--mute takes a number of days"):
        days_of("--mute", text)


def test_days_are_read() -> None:
    assert (days_of("--mute", "30d"), days_of("--mute", "0d")) == (dt.timedelta(days=30), dt.timedelta())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["cases", "--state", "new"], "--state takes open, decided, appealed, closed"),
        (["cases", "--report", "--subject", "s"], "--report counts all cases"),
        (["case", "abcdef", "--statement", "out.pdf"], "--statement takes a file"),
        (["case", "abcdef", "--statement", "out.md", "--json"], "--json and --statement exclude each other"),
        (["verdict", "abcdef", "guilty"], "VERDICT takes confirmed"),
        (["verdict", "abcdef", "explained", "--story", "magic"], "--story takes product_fix"),
        (["verdict", "abcdef", "confirmed", "--story", "campaign"], "it goes with explained, not with confirmed"),
        (["verdict", "abcdef", "explained"], "explained needs --story, what explains the flips: product_fix"),
        (["verdict", "abcdef", "guilty" * 900], "(5,400 characters)"),
        (["verdict", "abcdef", "confirmed", "--analyst", "ana", "--second", "ana"], "another analyst than ana"),
        (["verdict", "abcdef", "confirmed", "--mute", "soon"], "--mute takes a number of days"),
        (["verdict", "abcdef", "confirmed", "--at", "yesterday"], "--at takes a date"),
        (["verdict", "abcdef", "confirmed", "--note", "n" * 2001], "2,001 characters"),
        (["appeal", "abcdef", "--appellant", "neighbour"], "--appellant takes seller, staff, reviewer, platform"),
        (["assign", "abcdef", "--to", "ana", "--nobody"], "--to and --nobody exclude each other"),
        (["note", "abcdef", "  "], "TEXT is empty"),
    ],
)
def test_a_wrong_option_is_wrong_use(arguments: list[str], problem: str, invoke: Invoke) -> None:
    done: Any = invoke(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    words = " ".join(line.strip("│ ") for line in done.stderr.splitlines())
    assert problem in words


@pytest.mark.parametrize(
    ("answer", "effect"),
    [
        ("confirmed", "the case is decided; each member's case needs a verdict of its own"),
        ("dismissed", "the ring falls apart, and flips before the verdict tie nobody any more"),
    ],
)
def test_a_verdict_on_a_ring_says_what_it_does(answer: Verdict, effect: str) -> None:
    case, settings = ring_case(), Settings(_env_file=None)
    change = foresee(settings, case, verdict(case, case.updated_at, answer, second="ben"))
    assert effect in case_events._after_verdict(settings, change)
    waits = foresee(settings, case, verdict(case, case.updated_at, answer))
    assert "not in force" in case_events._after_verdict(settings, waits)
