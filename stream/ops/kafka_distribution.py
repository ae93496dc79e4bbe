"""The programs of the development broker: Java, Kafka's jar files, and a formatted log folder.

Invariant: a cached folder is complete or absent, even when two processes create it at the same time.
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
# Not 4.3.0 to 4.4.0: their transaction coordinator mistakes a partition without a leader for a deleted one and leaves
# out its commit marker. Readers of committed records then wait forever (KAFKA-20734; see docs/faults.md).
VERSION: Final = "4.2.2"
INSTALL: Final = "install Java 17 and Maven (Debian: apt-get install openjdk-17-jre-headless maven)"
_JAVA: Final = 17


class BrokerError(Exception):
    """The broker cannot be started; the message says what is missing or where to look."""


def check_tools() -> None:
    """Raise BrokerError if Java is missing, or Maven while the jar files are not cached; fetch nothing."""
    _java()
    if not cached().is_dir():
        _maven()


def kafka(version: str = VERSION) -> list[str]:
    """Return the command that runs one of Kafka's classes, without the class's name; fetch the jar files if needed."""
    folder = cached_folder("", lambda new: _fetch(new, version), version)
    # Without the second compiler a broker takes half the processor time to start, and for the next million records.
    return [_java(), "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN", "-cp", f"{folder}/*"]


def cached_folder(name: str, fill: Callable[[Path], None], version: str = VERSION) -> Path:
    """Return a folder of the cache; at its first use `fill` creates it."""
    folder = cached(name, version)
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


def cached(name: str = "", version: str = VERSION) -> Path:
    """Return the path of a folder of the cache, which may not exist: of the jar files, or with a suffix another one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "volteface"
    # The folder's name depends on the pom, so that files of an earlier pom are not used.
    return cache / f"kafka-{version}-{hashlib.blake2b(POM.read_bytes(), digest_size=4).hexdigest()}{name}"


def _fetch(folder: Path, version: str) -> None:
    options = [f"-Dkafka.version={version}", f"-DoutputDirectory={folder}"]
    run([_maven(), "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", *options])


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
        raise BrokerError(f"`java -version` prints no version: {INSTALL}; its output: {answer[:200]}")
    if int(found[1]) < _JAVA:
        raise BrokerError(f"Java is too old for Kafka {VERSION}, {java} has {found[0]}: {INSTALL}")
    return java


def run(command: list[str]) -> None:
    """Run a program to its end; raise BrokerError with its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerError(f"{command[0]} failed ({done.returncode}): {(done.stderr or done.stdout)[-2000:]}")
