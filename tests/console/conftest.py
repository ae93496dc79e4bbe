"""A replay's outcome with hostile ids, a console that shows it, and a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser

from stream.config import Settings
from stream.contract.alerts import Alert
from stream.market import simulate
from stream.offline.replay import replay
from tests.browser import Console, axe, chromium

#: A seller's id that is markup, and one that is as long as ids may be and changes the direction of writing.
MARKUP = '"><script>document.title=666</script>'
LONG = "\u202eeviL" + "x" * 123


@pytest.fixture(scope="module")  # Playwright runs an event loop in this thread: other modules need the thread
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def axe_source(pytestconfig: pytest.Config) -> str:
    return axe(Path.home() / ".cache" / "volteface")


@pytest.fixture(scope="session")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the events and the alerts of a small market; two sellers have hostile ids."""
    folder = tmp_path_factory.mktemp("outcome")
    events, truth = folder / "market.jsonl", folder / "truth.jsonl"
    simulate.write("cheats", 7, 80, 200, events, truth)
    found: list[Alert] = []
    replay(Settings(), str(events), 1, found.append)
    accused = sorted({alert.subject.id for alert in found if alert.subject.type == "seller"})
    assert len(accused) >= 2
    text = events.read_text()
    for before, after in zip(accused[:2], (MARKUP, LONG), strict=True):
        text = text.replace(f'"{before}"', json.dumps(after, ensure_ascii=False))
    events.write_text(text)
    found.clear()
    replay(Settings(), str(events), 1, found.append)
    (folder / "alerts.jsonl").write_bytes(b"".join(msgspec.json.encode(alert) + b"\n" for alert in found))
    return folder


@pytest.fixture
def console(outcome: Path, tmp_path: Path) -> Iterator[Console]:
    """A console that shows the replay; each test has decisions of its own."""
    for name in ("market.jsonl", "alerts.jsonl"):
        (tmp_path / name).symlink_to(outcome / name)
    arguments = ("--alerts", str(tmp_path / "alerts.jsonl"), "--events", str(tmp_path / "market.jsonl"))
    console = Console(tmp_path, {"VOLTEFACE_FOUR_EYES": "staff"}, *arguments)
    console.wait()
    yield console
    console.kill()
