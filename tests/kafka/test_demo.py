"""`make run`, with the Kafka that it starts itself: its first lines, its console, its alerts, its end."""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Final

import pytest

from stream.ops.broker import free_port
from tests.kafka.group import wait

pytestmark = pytest.mark.kafka

_MARK: Final = "VOLTEFACE_TEST_OF_MAKE_RUN"
_END_SECONDS: Final = 40


class Run:
    """A running demonstration whose output goes to a pipe.

    Attributes:
        lines: What it has written, with the time of each line.
    """

    def __init__(self, **more: str) -> None:
        self._id = uuid.uuid4().hex
        environment = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP_SERVERS"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stream.demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment | {_MARK: self._id} | more,
        )  # fmt: skip
        self.lines: list[tuple[float, str]] = []
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.decode().rstrip("\n")))

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)

    def stop(self, number: signal.Signals) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Wait until it has ended, and return the exit code."""
        code = self.process.wait(_END_SECONDS)
        self._reader.join(_END_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def processes(self) -> list[str]:
        """Return the command lines of its processes: all inherit its environment."""
        mark, found = f"{_MARK}={self._id}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:  # it has ended
                continue
        return found


@contextmanager
def _run(**more: str) -> Iterator[Run]:
    run = Run(**more)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.stop(signal.SIGTERM)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_console_comes_first_then_the_alerts_and_nothing_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with _run(VOLTEFACE_CONSOLE_PORT=str(port), VOLTEFACE_WEB_PORT=str(free_port())) as run:
            wait(lambda: len(run.lines) >= 3, 30, "the first lines do not come")
            what, link, other, *_ = (line for _, line in run.lines)
            assert what.startswith("Volteface finds sellers and staff")
            address = re.search(r"http://127\.0\.0\.1:\d+/", link)
            assert address
            assert "Ctrl-C" in link
            assert re.fullmatch(rf"Port {port} is taken, so the console uses \d+\.", other)
            wait(lambda: _answers(address[0]), 60, "the console does not answer")
            wait(lambda: "Next: open" in run.text, 180, "the market does not end")
            assert _answers(address[0])
            with urllib.request.urlopen(address[0], timeout=5) as answer:
                assert b"seller-0000" in answer.read()
            commands = " ".join(run.processes())
            assert all(name in commands for name in ("stream.app worker", "stream.cli console", "kafka.Kafka"))
            assert run.stop(signal.SIGTERM) == 0
            assert run.processes() == []
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x9b]", run.text)
    assert "3 of 4 cheating sellers accused, 0 others." in run.text
    assert "10 alerts, 4 cases wait: " in run.text
    for found in ("of a contact", "of a look-up by staff", "Staff member staff-"):
        assert any(line.startswith("ALERT") and found in line for _, line in run.lines), found
    assert run.lines[-1][1] == "stopping"
    times = [at for at, line in run.lines if line.startswith("events ")]
    assert all(later - earlier > 9 for earlier, later in itertools.pairwise(times))


def test_ctrl_c_while_kafka_starts_ends_everything() -> None:
    with _run(VOLTEFACE_CONSOLE_PORT=str(free_port())) as run:
        wait(lambda: any("kafka.Kafka" in command for command in run.processes()), 60, "Kafka does not start")
        assert run.stop(signal.SIGINT) == 0
        assert run.processes() == []
    assert run.lines[-1][1] == "stopping"


@pytest.mark.long
def test_the_mock_is_enough_for_a_first_look(tmp_path: Path) -> None:
    ports = {"VOLTEFACE_CONSOLE_PORT": str(free_port()), "VOLTEFACE_WEB_PORT": str(free_port())}
    with _run(PATH=str(tmp_path), **ports) as run:
        wait(lambda: "Next: open" in run.text or run.process.poll() is not None, 120, "the market does not end")
        assert run.stop(signal.SIGTERM) == 0, run.text
        assert run.processes() == []
    assert "a mock of Kafka, for a first look only" in run.text
    assert re.search("[1-3] of 4 cheating sellers accused, 0 others", run.text), run.text


def test_a_wrong_setting_is_one_line() -> None:
    with _run(VOLTEFACE_CONSOLE_AUTH="oidc") as run:
        assert run.end() == 1
    assert "VOLTEFACE_CONSOLE_OIDC_ISSUER" in run.text
    assert len(run.lines) == 1
    assert run.processes() == []
