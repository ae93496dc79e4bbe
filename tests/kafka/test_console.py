"""The console on a real Kafka with a real worker, seen in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from stream.config import KafkaSettings
from stream.contract.events import CaseEvent, Verdicts
from stream.market import simulate
from stream.ops import topic_reader
from tests.browser import Console, chromium, open_page
from tests.kafka.group import Group, Market, Worker, wait

pytestmark = [pytest.mark.kafka, pytest.mark.browser]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """A market that gives several cases in one task."""
    events = tmp_path_factory.mktemp("many") / "market.jsonl"
    total = simulate.write("cheats", 7, 80, 200, events, events.with_suffix(".truth"))
    return Market(events, total, {}, {}, [])


@pytest.fixture
def group(kafka: KafkaSettings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Group]:
    group = Group(re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:90], kafka, tmp_path, partitions=1)
    yield group
    for worker in group.workers:
        worker.kill()


@pytest.fixture
def consoles(group: Group) -> Iterator[list[Console]]:
    """Consoles that the test has started; they are killed at its end."""
    found: list[Console] = []
    yield found
    for console in found:
        console.kill()


def _console(group: Group, consoles: list[Console], folder: Path, user: str, **more: str) -> Console:
    environment = group.environment | {"VOLTEFACE_CONSOLE_USER": user, "VOLTEFACE_GRAFANA_URL": "http://grafana"} | more
    console = Console(folder, environment)
    consoles.append(console)
    console.wait()
    return console


def _events(group: Group) -> list[CaseEvent]:
    """Return what is on the verdicts topic."""
    records = topic_reader.read(group.kafka, group.settings.verdicts_topic)
    return [msgspec.json.decode(record.value, type=Verdicts) for record in records]


def _cases(page: Page, query: str = "") -> list[str]:
    page.goto(f"/{query}")
    return [row.get_attribute("data-href") or "" for row in page.locator(".row").all()]


@pytest.mark.long
def test_a_case_appears_by_itself_and_keys_decide_it(
    group: Group, many: Market, browser: Browser, consoles: list[Console], tmp_path: Path
) -> None:
    worker = Worker(group)
    wait(worker.ready, 60, "the worker did not start")
    console = _console(
        group, consoles, tmp_path, "ana", VOLTEFACE_CONSOLE_METRICS_URLS=f"http://127.0.0.1:{worker.port}/metrics"
    )
    with open_page(browser, console.url) as page:
        page.goto("/?subject_type=seller")
        expect(page.locator(".empty")).to_be_visible()
        group.command("feed", "--input", str(many.events))
        expect(page.locator(".row").first).to_be_visible(timeout=60_000)
        worker.wait_for(many.total)
        page.reload()
        expect(page.locator(".health")).to_contain_text("0 events wait", timeout=30_000)
        expect(page.locator(".health a").first).to_have_attribute("href", "http://grafana/d/volteface-operations")
        page.keyboard.press("n")
        page.wait_for_url("**/cases/*")
        case_id = page.url.rpartition("/")[2]
        page.keyboard.press("3")
        page.keyboard.press("Enter")
        expect(page.locator("#message")).to_contain_text("Recorded and applied", timeout=30_000)
        expect(page.locator("p.state")).to_contain_text("decided")
        page.fill("form[action$=appeal] [name=note]", "We repaired the product.")
        page.locator("button", has_text="Record an appeal").click()
        expect(page.locator("p.state")).to_contain_text("appealed", timeout=30_000)
        # The one who gave the contested verdict cannot answer the appeal.
        expect(page.locator("#decide-head")).to_contain_text("Another analyst answers the appeal")
        expect(page.locator("#verdict-form")).to_be_hidden()
    found = [event for event in _events(group) if event.case_id == case_id]
    kinds = [str(event.__struct_config__.tag) for event in found]
    assert kinds == ["case.assigned", "verdict.recorded", "case.appealed"]
    assert json.loads(group.command("cases", "--json", "--state", "appealed"))["case_id"] == case_id


@pytest.mark.long
def test_two_analysts_on_two_consoles_take_different_cases(
    group: Group, many: Market, browser: Browser, consoles: list[Console], tmp_path: Path
) -> None:
    worker = Worker(group)
    group.command("feed", "--input", str(many.events))
    worker.wait_for(many.total)
    both = [_console(group, consoles, tmp_path, user) for user in ("ana", "ben")]
    with open_page(browser, both[0].url) as first, open_page(browser, both[1].url) as second:
        pages = first, second
        wait(lambda: len(_cases(first)) == len(_cases(second)) >= 2, 30, "there are no two cases")
        taken: dict[str, str] = {}
        for page in pages:  # at the same moment: neither answer is waited for before both are asked
            page.evaluate("document.querySelector('form.next').requestSubmit()")
        for name, page in zip(("ana", "ben"), pages, strict=True):
            page.wait_for_url("**/cases/*", timeout=30_000)
            taken[name] = page.url.rpartition("/")[2]
        assert len(set(taken.values())) == 2
        for name, page in zip(("ana", "ben"), pages, strict=True):
            expect(page.locator("p.state")).to_contain_text(f"{name} has it", timeout=30_000)

        def assignees() -> dict[str, Any]:
            lines = map(json.loads, group.command("cases", "--json").splitlines())
            return {line["assignee"]: line["case_id"] for line in lines if line["assignee"]}

        wait(lambda: assignees() == taken, 30, "the worker does not agree")


def test_a_verdict_amid_a_killed_console_is_written_once_or_not_at_all_and_the_page_says_which(
    group: Group, many: Market, browser: Browser, consoles: list[Console], tmp_path: Path
) -> None:
    worker = Worker(group)
    group.command("feed", "--input", str(many.events))
    worker.wait_for(many.total)
    console = _console(group, consoles, tmp_path, "ana")
    with open_page(browser, console.url) as page:
        wait(lambda: len(_cases(page, "?subject_type=seller")) >= 1, 30, "there is no case")
        address = _cases(page, "?subject_type=seller")[0]
        page.goto(address)
        console.kill()
        page.keyboard.press("3")
        page.keyboard.press("Enter")
        expect(page.locator("#message")).to_contain_text("Looking whether your decision was recorded")
        again = _console(group, consoles, tmp_path, "ana", VOLTEFACE_CONSOLE_PORT=str(console.port))
        expect(page.locator("#message")).to_contain_text("was not recorded", timeout=60_000)
        assert _events(group) == []
        page.locator("button.primary", has_text="Record").click()
        expect(page.locator("#message")).to_contain_text("Recorded", timeout=30_000)
        wait(lambda: len(_events(group)) == 1, 10, "the verdict is not on the topic")
        # The same form once more: the answer of the first time was lost.
        event_id = page.url.rpartition("done=")[2]
        page.goto(address)
        form = page.locator("form[action$=verdict]")
        form.evaluate("(form, id) => { form.elements.event_id.value = id; form.dataset.event = id; }", event_id)
        page.keyboard.press("3")
        page.keyboard.press("Enter")
        page.wait_for_url("**done=*")
        assert len(_events(group)) == 1
        again.kill()
