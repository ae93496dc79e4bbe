"""Login, forms and logout in a real Chromium: its own rules about origins, cookies and redirections of forms apply."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from stream.contract.events import CaseAssigned
from tests.sample_cases import seller_case
from tests.unit.console.test_login_oidc import Site

pytestmark = pytest.mark.slow  # needs Debian's package chromium

CASE: Final = seller_case()


@pytest.fixture(params=[True, False], ids=["with-scripts", "without-scripts"])
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser.new_context(java_script_enabled=request.param).new_page()
        browser.close()


def test_log_in_take_a_case_log_out(page: Page, tmp_path: Path) -> None:
    with ExitStack() as stack:
        site = Site(tmp_path, stack).start()
        page.goto(f"{site.address}/cases/{CASE.case_id}")
        assert page.url == f"{site.address}/cases/{CASE.case_id}"
        page.get_by_role("button", name="Take the case").click()
        expect(page.locator("#message")).to_contain_text("Recorded")
        events = site.console.log.events
        assert [(type(event), event.case_id) for event in events] == [(CaseAssigned, CASE.case_id)]
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/logged-out?*")
        assert [name for name, _ in site.issuer.seen] == ["authorize", "token", "end"]
        assert page.request.get(site.address, max_redirects=0).status == 303
