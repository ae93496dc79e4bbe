"""Real console processes, and a real Chromium that looks at them.

Needs Debian's `chromium`, and npm for axe-core; tests fail with that hint if one is missing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from stream.ops.broker import free_port

expect.set_options(timeout=20_000)  # other tests run at the same time

_AXE: Final = "4.14.1"
_START_SECONDS: Final = 60


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium."""
    path = shutil.which("chromium")
    assert path, "chromium is missing: install Debian's package `chromium`"
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def axe(cache: Path) -> str:
    """Return the source of axe-core, which npm fetches once into a cache folder."""
    found = cache / f"axe-core-{_AXE}.js"
    if not found.exists():
        assert shutil.which("npm"), "npm is missing: it fetches axe-core"
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "pack", "--silent", f"axe-core@{_AXE}"], cwd=cache, check=True, stdout=subprocess.DEVNULL
        )
        with tarfile.open(cache / f"axe-core-{_AXE}.tgz") as package:
            member = package.extractfile("package/axe.min.js")
            assert member is not None
            found.write_bytes(member.read())
    return found.read_text()


def violations(page: Page, source: str) -> list[str]:
    """Return what axe-core finds on a page by the rules of WCAG 2.2 AA and its own best practices."""
    page.evaluate(source)
    answer: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
        for one in answer["violations"]
    ]


class Console:
    """A console process.

    Args:
        folder: Where its log goes.
        environment: Environment variables beside those of this process.
        arguments: Of `volteface console`.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
        self.port = int(environment.get("VOLTEFACE_CONSOLE_PORT", 0)) or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"console-{self.port}.log"
        own = {"VOLTEFACE_CONSOLE_PORT": str(self.port)}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stream.cli", "console", *arguments],
                env={**os.environ, "VOLTEFACE_CONSOLE_USER": "ana", **environment, **own},
                stdout=out, stderr=out,
            )  # fmt: skip

    def wait(self) -> None:
        """Wait until it is ready."""
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()
            try:
                urllib.request.urlopen(f"{self.url}/health/ready", timeout=5).close()
            except urllib.error.URLError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(f"the console is not ready: {self.log.read_text()}")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@contextmanager
def open_page(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """Open a page in a context of its own; an error of a script, and a breach of the page's policy, fails the test."""
    context: BrowserContext = browser.new_context(base_url=url, **options)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # htmx and the browser also write here about answers that are errors, which tests provoke.
    page.on(
        "console", lambda message: errors.append(message.text) if "Content Security Policy" in message.text else None
    )
    yield page
    context.close()
    assert not errors, f"errors of the page: {errors}"
