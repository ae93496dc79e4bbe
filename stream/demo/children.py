"""The demonstration's child processes: `volteface` commands.

Invariant: at the end none of them runs.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

from stream.ops.broker import free_port

_STOP_SECONDS: Final = 20


class ChildFailedError(Exception):
    """A child has ended by itself; the message holds the end of its log."""


class Child(NamedTuple):
    """A running command.

    Attributes:
        name: The command's name.
        log: The file of its output.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Children:
    """Starts commands, and stops them all at the end.

    Args:
        folder: Where their logs go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[Child] = []

    def start(self, name: str, *arguments: str) -> Child:
        """Start a `volteface` command."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "stream.cli", name, *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        child = Child(name, process, log)
        self._running.append(child)
        return child

    def check(self) -> None:
        """Check that each child runs, or has ended without an error.

        Raises:
            ChildFailedError: One has failed, or serves and has ended.
        """
        for child in self._running:
            code = child.process.poll()
            if code or (code == 0 and child.name != "feed"):
                end = child.log.read_text(errors="replace")[-2000:]
                raise ChildFailedError(f"the {child.name} ended with exit code {code}; the end of its log:\n{end}")

    def wait_until_ready(self, url: str, seconds: float = 30) -> None:
        """Return when the page answers with 200, or when the time is over.

        Raises:
            ChildFailedError: A child has failed meanwhile.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.check()
            try:
                urllib.request.urlopen(url, timeout=2).close()
            except OSError:
                time.sleep(0.1)
            else:
                return

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._running:  # all at once: each may take seconds
            child.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + _STOP_SECONDS
        for child in self._running:
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


def usable_port(host: str, wanted: int) -> int:
    """Return the wanted port if nothing else uses it, or else a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # as servers do: a connection that has ended does not keep a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            return free_port()
    return wanted
