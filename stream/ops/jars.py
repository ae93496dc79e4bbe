"""Where the development broker's programs come from: Java, Kafka's jars, and a folder as Kafka's tool formats it.

Rule of this room: what is fetched or made is kept in a cache folder, whole or not at all, also when two processes want
it at once.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

POM: Final = Path(__file__).parent / "kafka" / "pom.xml"
# Not 4.3.0 to 4.4.0: their transaction coordinator takes a partition whose leader is away for a deleted one and leaves
# out its commit marker, after which readers of committed records wait for ever (KAFKA-20734; see docs/faults.md).
VERSION: Final = "4.2.2"
INSTALL: Final = "install Java 17 and Maven (Debian: apt-get install openjdk-17-jre-headless maven)"
_JAVA: Final = 17


class BrokerError(Exception):
    """The broker cannot be had; the message says what is missing or where to look."""


def check_tools() -> None:
    """Raises BrokerError where Java, or what its jars come with, is missing; fetches nothing."""
    _java()
    if not cached().is_dir():
        _maven()


def kafka() -> list[str]:
    """The command that runs a class of Kafka's, but for its name; Maven fetches the jars once; raises BrokerError."""
    return [_java(), "-Dlog4j2.level=WARN", "-cp", f"{kept('', _fetch)}/*"]


def kept(name: str, fill: Callable[[Path], None]) -> Path:
    """A folder of the cache, made by `fill` at its first use: whole or not at all, also when two processes make it."""
    folder = cached(name)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fill(Path(scratch) / "new")
        try:
            (Path(scratch) / "new").rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


def cached(name: str = "") -> Path:
    """Where a folder of the cache lies, if it is there: that of the jars, or another that was made with them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "volteface"
    # Another pom, another folder: jars of a former one must not be taken for it.
    return cache / f"kafka-{VERSION}-{hashlib.blake2b(POM.read_bytes(), digest_size=4).hexdigest()}{name}"


def _fetch(folder: Path) -> None:
    run([_maven(), "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"])


def _maven() -> str:
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerError(f"Maven is missing: {INSTALL}")
    return maven


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise BrokerError(f"Java is missing: {INSTALL}")
    asked = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    answer = asked.stderr + asked.stdout
    found = re.search(r'version "(?:1\.)?(\d+)[^"]*"', answer)  # Java 8 calls itself 1.8
    if found is None:
        raise BrokerError(f"`java -version` tells no version: {INSTALL}; it said: {answer[:200]}")
    if int(found[1]) < _JAVA:
        raise BrokerError(f"Java is too old for Kafka {VERSION}, {java} has {found[0]}: {INSTALL}")
    return java


def run(command: list[str]) -> None:
    """Run a program to its end; raises BrokerError with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerError(f"{command[0]} failed ({done.returncode}): {(done.stderr or done.stdout)[-2000:]}")
