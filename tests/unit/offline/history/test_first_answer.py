"""docs/first-answer.md: its commands are run as written and print what the page shows; its tables are the script's."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from stream.ops.broker import free_port
from tests.history_examples import FOLDER, tables

ROOT: Final = Path(__file__).parents[4]
PAGE: Final = (ROOT / "docs" / "first-answer.md").read_text(encoding="utf-8")
#: Commands, and what they print.
STEPS: Final = re.findall(r"^```\n(.*?)^```\n\n?(?:.*?\n)??```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
_WAIT_SECONDS: Final = 60


def test_the_page_fits_two_screens() -> None:
    assert len(PAGE.splitlines()) <= 90
    assert PAGE.count("```\nvolteface") == len(STEPS) == 3


@pytest.mark.parametrize("name", ["reviews", "audit"])
def test_an_example_has_15_lines_of_sql_and_no_long_ones(name: str) -> None:
    lines = (FOLDER / f"{name}.sql").read_text().splitlines()
    assert len([line for line in lines if line and not line.startswith("--")]) <= 15
    assert max(map(len, lines)) <= 120


def test_the_tables_are_what_the_script_makes_and_small() -> None:
    for name, content in tables().items():
        packed = (FOLDER / name).read_bytes()
        assert gzip.decompress(packed) == content, f"{name}: run `python -m tests.history_examples`"
        assert len(packed) < 320_000


@pytest.mark.slow
def test_the_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    port = free_port()
    for commands, shown in STEPS:
        printed = []
        for command in commands.splitlines():
            with _running(command, tmp_path, port) as output:
                printed += output
        _compare(shown.replace("8080", str(port)), printed)


def _compare(shown: str, printed: list[str]) -> None:
    """Check that each line of the page was printed; `...` stands for any text."""
    for line in shown.splitlines():
        pattern = ".*".join(re.escape(part.strip()) for part in line.split("..."))
        assert any(re.fullmatch(pattern, each) for each in printed), f"{line}\nis not in\n" + "\n".join(printed)


@contextmanager
def _running(command: str, folder: Path, port: int) -> Iterator[list[str]]:
    """Run a command of the page to its end, or the console until it has shown the case that the page names."""
    program, *arguments = shlex.split(command)
    assert program == "volteface"
    environment = os.environ | {"VOLTEFACE_CONSOLE_PORT": str(port), "COLUMNS": "300"}
    line = [sys.executable, "-m", "stream.cli", *arguments]
    with subprocess.Popen(
        line, cwd=folder, env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            if arguments[0] == "console":
                _check_console(f"http://127.0.0.1:{port}")
                process.terminate()
            output, _ = process.communicate(timeout=_WAIT_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0, output
    yield output.splitlines()


def _check_console(address: str) -> None:
    seller = re.search(
        r"^Seller (\d+) waits there: (\d+ critical reviews turned).*, ([0-9.]+) were expected", PAGE, re.MULTILINE
    )
    assert seller is not None
    page = _get(address)
    assert f"seller {seller[1]}" in page
    assert f"{seller[2]}, {seller[3]} expected" in page


def _get(address: str) -> str:
    """Return the page's text, once the console answers."""
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                text: str = answer.read().decode()
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < end, "the console does not answer"
            time.sleep(0.2)
            continue
        plain = " ".join(re.sub(r"<[^>]*>", " ", text).split())
        if " critical reviews turned" in plain or time.monotonic() > end:
            return plain
        time.sleep(0.2)
