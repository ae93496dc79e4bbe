"""`make screenshots`: the pictures of the console in README.md and docs/, taken in a real browser.

Invariant: the market is the one of `make run`, so the pictures show what a newcomer sees. Needs Debian's `chromium`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec
from playwright.sync_api import Browser, Page

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.demo.run import MARKET, PARTITIONS
from stream.market import simulate
from stream.offline.replay import replay
from tests.browser import Console, chromium, open_page

FIGURES: Final = Path(__file__).parents[1] / "docs" / "figures"
MAX_BYTES: Final = 240 * 1024
_WIDTH: Final = 1280
#: The highest picture of a case: its claim, its evidence over time and most of its odds.
_MAX_CASE_HEIGHT: Final = 1340


def take(out: Path, browser: Browser) -> list[Path]:
    """Write the pictures into a folder, and return their paths."""
    with tempfile.TemporaryDirectory(prefix="volteface-screenshots-") as folder:
        events, alerts = _replayed(Path(folder))
        console = Console(Path(folder), {}, "--alerts", str(alerts), "--events", str(events))
        try:
            console.wait()
            size = {"width": _WIDTH, "height": 1100}
            with open_page(browser, console.url, color_scheme="light", viewport=size) as page:
                return [_queue(page, out), _case(page, out)]
        finally:
            console.kill()


def _replayed(folder: Path) -> tuple[Path, Path]:
    events, alerts = folder / "market.jsonl", folder / "alerts.jsonl"
    simulate.write(*MARKET, events, folder / "truth.jsonl")
    found: list[Alert] = []
    replay(Settings(), str(events), PARTITIONS, found.append)
    alerts.write_bytes(b"".join(msgspec.json.encode(alert) + b"\n" for alert in found))
    return events, alerts


def _queue(page: Page, out: Path) -> Path:
    page.goto("/")
    page.locator(".row").first.wait_for()
    path = out / "console-queue.png"
    page.screenshot(path=path, animations="disabled", full_page=True)
    return path


def _case(page: Page, out: Path) -> Path:
    """Take the upper part of the most urgent seller's case, down to a heading within its odds."""
    page.goto("/?subject_type=seller")
    page.locator(".row .open").first.click()
    page.locator("#claim").wait_for()
    odds = page.locator("#odds")
    boxes = [each.bounding_box() for each in [odds, *odds.locator("h3").all()]]
    tops = [box["y"] for box in boxes if box is not None]
    ends = [top for top in tops[2:] if top <= _MAX_CASE_HEIGHT]
    assert ends, f"the odds of the first case begin below {_MAX_CASE_HEIGHT} pixels: {tops}"
    height = round(max(ends)) - 8
    path = out / "console-case.png"
    page.screenshot(
        path=path, animations="disabled", full_page=True, clip={"x": 0, "y": 0, "width": _WIDTH, "height": height}
    )
    return path


def main() -> None:
    """Write the pictures to docs/figures."""
    with chromium() as browser:
        paths = take(FIGURES, browser)
    for path in paths:
        if path.stat().st_size > MAX_BYTES:
            sys.exit(
                f"{path} is larger than {MAX_BYTES:,} bytes: take a smaller part of the page in tests/screenshots.py"
            )


if __name__ == "__main__":
    main()
