"""The page of a ring in a real browser: a real case of the core, in normal and small windows, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import open_page, violations
from tests.sample_cases import fallen_ring_case, ring_case, ring_market
from tests.unit.console.running_console import Console, served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(Console(tmp_path_factory.mktemp("rings"), ring_market()).app()) as found:
        yield found


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.long)])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_on_the_pages_of_rings(
    browser: Browser, address: str, axe_source: str, theme: Any, width: int
) -> None:
    size = {"width": width, "height": 900}
    ring = ring_case().evidence.ring
    assert ring is not None
    members = {member.seller_id for member in ring.members}
    member = next(case for case in ring_market() if case.subject.id in members)
    with open_page(browser, address, color_scheme=theme, bypass_csp=True, viewport=size) as page:
        for path in (f"/cases/{ring_case().case_id}", f"/cases/{member.case_id}", "/?subject_type=ring", "/help#rings"):
            page.goto(path)
            assert violations(page, axe_source) == [], path


def test_axe_finds_nothing_on_a_ring_that_fell_apart(browser: Browser, axe_source: str, tmp_path: Path) -> None:
    case = fallen_ring_case()
    with served(Console(tmp_path, [case]).app()) as url, open_page(browser, url, bypass_csp=True) as page:
        page.goto(f"/cases/{case.case_id}")
        expect(page.locator("#ring")).to_contain_text("The ring fell apart on")
        assert violations(page, axe_source) == []


@pytest.mark.parametrize(
    "width", [360, pytest.param(640, marks=pytest.mark.long), pytest.param(1280, marks=pytest.mark.long)]
)
def test_a_ring_fits_the_window_and_its_picture_can_be_scrolled(browser: Browser, address: str, width: int) -> None:
    with open_page(browser, address, viewport={"width": width, "height": 800}) as page:
        page.goto(f"/cases/{ring_case().case_id}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for cell in page.locator(".members td").all():
            box = cell.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= width
        picture = page.locator("svg.timeline").bounding_box()
        assert picture is not None
        assert picture["width"] >= 700, "labels stay readable"


def test_members_lead_to_their_cases_and_back_to_the_ring(browser: Browser, address: str) -> None:
    ring = ring_case()
    with open_page(browser, address) as page:
        page.goto("/?subject_type=ring")
        page.locator(f"#row-{ring.case_id} .open").click()
        expect(page.locator("h1")).to_contain_text("ring of staff-13")
        expect(page.locator("#evidence")).to_have_count(0)
        assert page.locator("svg.timeline .upgraded").count() > 1
        page.locator(".members a[href^='/cases/']").first.click()
        expect(page.locator("#claim .ring")).to_contain_text("Belongs to a ring")
        page.locator("#claim .ring a").click()
        page.wait_for_url(f"**/cases/{ring.case_id}")
        page.locator("h1 a").click()
        expect(page.locator(".row .open").first).to_contain_text("ring of staff-13")
        page.keyboard.press("j")  # the list of a subject's cases takes keys, too
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/cases/{ring.case_id}")


def test_three_keys_decide_a_ring(browser: Browser, tmp_path: Path) -> None:
    case = ring_case()
    console = Console(tmp_path, [case])
    with served(console.app()) as url, open_page(browser, url) as page:
        page.goto(f"/cases/{case.case_id}")
        page.wait_for_load_state()
        page.locator("[name=check-0][value=no]").check()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.locator("#message")).to_contain_text("Recorded")
    (event,) = console.log.events
    assert (event.subject.type, event.subject.id) == ("ring", case.subject.id)
