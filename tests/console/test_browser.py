"""The pages of the console in a real browser, over a replay's outcome."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from stream.texts import visible
from tests.browser import Console, open_page, violations
from tests.console.conftest import LONG, MARKUP

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def _seller_case(page: Page) -> None:
    """Open the first seller's case."""
    page.goto("/?subject_type=seller")
    page.locator(".row .open").first.click()
    expect(page.locator("#claim")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_axe_finds_nothing_on_any_page(browser: Browser, console: Console, axe_source: str, theme: Any) -> None:
    with open_page(browser, console.url, color_scheme=theme, bypass_csp=True) as page:
        page.goto("/")
        case = page.locator(".row").first.get_attribute("data-href") or ""
        subject = page.locator(".row .open bdi").first.inner_text()
        for path in (
            "/",
            "/?text=nothing",
            "/?state=decided",
            "/help",
            case,
            f"/subjects?id={quote(subject)}",
            "/no-such-page",
        ):
            page.goto(path)
            assert violations(page, axe_source) == [], path


@pytest.mark.parametrize("size", [(360, 740), pytest.param((640, 450), marks=pytest.mark.long)])
def test_no_page_is_wider_than_a_small_screen(browser: Browser, console: Console, size: tuple[int, int]) -> None:
    """640 x 450 is a screen of 1280 x 900 at 200 % zoom."""
    with open_page(browser, console.url, viewport={"width": size[0], "height": size[1]}) as page:
        page.goto("/?state=all")
        addresses = [row.get_attribute("data-href") or "" for row in page.locator(".row").all()]
        assert len(addresses) >= 3
        for path in ("/?state=all", "/help", *addresses):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path


@pytest.mark.long
def test_the_reviews_can_be_read_on_a_phone(browser: Browser, console: Console) -> None:
    with open_page(browser, console.url, viewport={"width": 360, "height": 740}) as page:
        _seller_case(page)
        for cell in page.locator("#reviews td:nth-child(3)").all():
            box = cell.bounding_box()
            assert box is not None
            assert box["width"] > 250
            assert box["height"] < 200


def test_hostile_ids_show_as_text(browser: Browser, console: Console) -> None:
    with open_page(browser, console.url) as page:
        for hostile in (MARKUP, LONG):
            shown = visible(hostile)
            page.goto("/?state=all")
            row = page.locator(".row", has=page.locator(".open bdi", has_text=shown)).first
            expect(row.locator(".open bdi")).to_have_text(shown)
            row.locator(".open").click()
            expect(page.locator("h1 bdi")).to_have_text(shown)
            assert page.title() != "666"
            page.locator("h1 a").click()
            expect(page.locator("h1 bdi")).to_have_text(shown)
            page.fill("#search", hostile)
            page.keyboard.press("Enter")
            expect(page.locator(".row .open bdi", has_text=shown)).to_have_count(1)
            assert page.locator("main script").count() == 0


def test_the_parts_of_the_odds_add_up_to_the_number_shown(browser: Browser, console: Console) -> None:
    with open_page(browser, console.url) as page:
        _seller_case(page)
        parts = [float(text) for text in page.locator("#odds > ul:not(.payment) .ln").all_inner_texts()]
        shown = page.locator("#odds .together").inner_text()
        assert sum(parts) == pytest.approx(float(shown.split("logarithms: ")[1].split(";")[0]), abs=0.05)


def test_three_keys_decide_a_case_and_a_replay_takes_the_decision(
    browser: Browser, console: Console, tmp_path: Path
) -> None:
    with open_page(browser, console.url) as page:
        page.goto("/?subject_type=seller")
        page.keyboard.press("n")
        page.wait_for_url("**/cases/*")
        case_id = page.url.rpartition("/")[2]
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.locator("#message")).to_contain_text("Recorded and applied")
        expect(page.locator("p.state")).to_contain_text("decided")
        expect(page.locator("#log")).to_contain_text("verdict confirmed: in force")
        page.keyboard.press("q")
        expect(page.locator(f"#row-{case_id}")).to_have_count(0)
    decisions = tmp_path / "market.decisions.jsonl"
    kinds = [json.loads(line)["type"] for line in decisions.read_text().splitlines()]
    assert kinds == ["case.assigned", "verdict.recorded"]
    both = (tmp_path / "market.jsonl").read_bytes() + decisions.read_bytes()
    cases = tmp_path / "cases.jsonl"
    subprocess.run(
        [sys.executable, "-m", "stream.cli", "replay", "--input", "-", "--cases", str(cases)],
        input=both, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    replayed = {line["case_id"]: line for line in map(json.loads, cases.read_text().splitlines())}
    assert replayed[case_id]["state"] == "decided"
    assert replayed[case_id]["verdicts"][0]["analyst_id"] == "ana"


def test_a_second_pair_of_eyes_is_demanded_for_staff(browser: Browser, console: Console) -> None:
    with open_page(browser, console.url) as page:
        page.goto("/?subject_type=staff")
        page.locator(".row .open").first.click()
        page.wait_for_url("**/cases/*")
        page.wait_for_load_state()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.locator("#facts")).to_contain_text("A second analyst must give the same verdict")
        expect(page.locator("p.state")).to_contain_text("open")


def test_an_explained_case_needs_its_story_and_what_is_typed_stays(browser: Browser, console: Console) -> None:
    with open_page(browser, console.url) as page:
        _seller_case(page)
        page.fill("form[action$=verdict] [name=note]", "Tickets 811 to 823.")
        page.evaluate("document.querySelector('form[action$=verdict]').noValidate = true")
        page.keyboard.press("Escape")
        page.locator("[name=verdict][value=explained]").check()
        page.locator("button.primary", has_text="Record").click()
        expect(page.locator("#message")).to_contain_text("choose one")
        assert page.input_value("form[action$=verdict] [name=note]") == "Tickets 811 to 823."
        page.select_option("[name=story]", "product_fix")
        page.locator("[name=check-0][value=yes]").check()
        page.locator("button.primary", has_text="Record").click()
        expect(page.locator("#log")).to_contain_text("verdict explained (product fix)")
        expect(page.locator("#log blockquote").first).to_contain_text("yes.")
        expect(page.locator("#log blockquote").first).to_contain_text("Tickets 811 to 823.")


def test_an_answer_is_in_view_and_a_note_keeps_a_half_written_verdict(browser: Browser, console: Console) -> None:
    with open_page(browser, console.url) as page:
        _seller_case(page)
        page.fill("form[action$=verdict] [name=note]", "Half a sentence")
        page.locator("[name=check-0][value=no]").check()
        page.fill("form[action$=verdict] [name=mute_days]", "9999")
        page.locator("#reviews").scroll_into_view_if_needed()
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.locator("[name=verdict][value=dismissed]").check()
        page.locator("button.primary", has_text="Record").click()
        expect(page.locator("#message .refused")).to_be_in_viewport()
        for text in ("one", "two"):
            page.fill("form[action$=note] [name=note]", f"note {text}")
            page.locator("form[action$=note] button").click()
            expect(page.locator("#message .done")).to_contain_text("Recorded")
            expect(page.locator("#log")).to_contain_text(f"note {text}")
            expect(page.locator("form[action$=note] [name=note]")).to_have_value("")
        assert page.input_value("form[action$=verdict] [name=note]") == "Half a sentence"
        assert page.is_checked("[name=check-0][value=no]")


def test_the_state_of_a_list_is_in_its_address_and_back_works(browser: Browser, console: Console) -> None:
    with open_page(browser, console.url) as page:
        page.goto("/")
        page.select_option("[name=subject_type]", "seller")
        page.locator(".filters button").click()
        assert "subject_type=seller" in page.url
        before = page.locator(".row").count()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/cases/*")
        page.go_back()
        assert "subject_type=seller" in page.url
        expect(page.locator(".row")).to_have_count(before)


def test_bulk_decisions_can_be_undone_for_ten_seconds(browser: Browser, console: Console, tmp_path: Path) -> None:
    decisions = tmp_path / "market.decisions.jsonl"
    with open_page(browser, console.url) as page:
        page.goto("/?subject_type=seller")
        for box in page.locator("[name=case]").all():
            box.check()
        page.locator("button[value=explain]").click()
        expect(page.locator("#bulk")).to_contain_text(re.compile(r"in \d+ s"))
        expect(page.locator("[name=case]:checked")).to_have_count(0)
        page.locator("[name=case]").first.check()
        page.locator("button[value=explain]").click()
        expect(page.locator("#message")).to_contain_text("undo it, or wait")
        page.goto("/help")
        page.locator("#bulk button").click()
        expect(page.locator("#bulk")).to_contain_text("nothing was recorded")
        assert not decisions.exists()
        page.goto("/?subject_type=seller")
        for box in page.locator("[name=case]").all():
            box.check()
        page.locator("button[value=explain]").click()
        page.locator("#bulk button").click()
        expect(page.locator("[name=case]:checked")).to_have_count(3)
        page.locator("button[value=explain]").click()
        expect(page.locator("#bulk")).to_contain_text("cases: 3 recorded.", timeout=15_000)
        expect(page.locator(".row")).to_have_count(0)
    assert {json.loads(line)["story"] for line in decisions.read_text().splitlines()} == {"product_fix"}


def test_times_are_in_the_viewers_zone_with_utc_beside(browser: Browser, console: Console) -> None:
    with open_page(browser, console.url, timezone_id="Asia/Tokyo", locale="en-GB") as page:
        _seller_case(page)
        time = page.locator("#reviews time").first
        utc = (time.get_attribute("title") or "").removesuffix(" UTC")
        assert utc[-5:] != time.inner_text()[-5:]
        hours = int(utc[-5:-3]), int(time.inner_text()[-5:-3])
        assert (hours[0] + 9) % 24 == hours[1]


def test_explained_by_four_keys(browser: Browser, console: Console) -> None:
    with open_page(browser, console.url) as page:
        _seller_case(page)
        page.wait_for_load_state()
        for key in ("2", "1", "Enter"):
            page.keyboard.press(key)
        expect(page.locator("#log")).to_contain_text("verdict explained (product fix)")
        page.keyboard.press("n")  # also from a case's page
        page.wait_for_url(re.compile(r"/cases/[0-9a-f]+$"))


def test_a_verdict_over_one_that_somebody_else_gave_meanwhile_is_refused_once(
    browser: Browser, console: Console, tmp_path: Path
) -> None:
    with open_page(browser, console.url) as first, open_page(browser, console.url) as second:
        _seller_case(first)
        second.goto(first.url)
        second.route("**/live", lambda route: route.abort())  # it does not see what happens
        second.reload()
        first.keyboard.press("1")
        first.keyboard.press("Enter")
        expect(first.locator("#message")).to_contain_text("Recorded and applied")
        second.keyboard.press("3")
        second.keyboard.press("Enter")
        expect(second.locator("#message")).to_contain_text("you decided: confirmed. Nothing was recorded")
        second.reload()
        second.keyboard.press("3")
        second.keyboard.press("Enter")
        expect(second.locator("#message")).to_contain_text("Recorded and applied")
    verdicts = [json.loads(line)["verdict"] for line in (tmp_path / "market.decisions.jsonl").read_text().splitlines()]
    assert verdicts == ["confirmed", "dismissed"]


def test_the_keys_are_shown(browser: Browser, console: Console) -> None:
    with open_page(browser, console.url) as page:
        page.goto("/")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#keys")).to_be_hidden()
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "search"
