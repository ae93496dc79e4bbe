"""A real schema registry (Apicurio, in memory, with Confluent's API) as a child process, for tests.

Invariant: on 127.0.0.1 only. It needs Java 17 and Maven, which fetches it once into the development broker's cache.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from stream.ops.broker import _die_with_parent, free_port
from stream.ops.kafka_distribution import BrokerError, _java, _maven, cached_folder, run

VERSION: Final = "3.0.9"
_ARTIFACT: Final = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
_START_SECONDS: Final = 60


def _fetch(folder: Path) -> None:
    folder.mkdir()
    run([_maven(), "-q", "-B", "dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={folder}"])
    (packed,) = folder.glob("*.tar.gz")
    with tarfile.open(packed) as files:
        files.extractall(folder, filter="data")
    packed.unlink()


class ApicurioRegistry:
    """A registry; `start` and `kill` can be called repeatedly. What it holds ends with it.

    Args:
        port: Where it listens; by default a free port.
    """

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of Confluent's API."""
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def start(self) -> None:
        """Start it and wait until it answers."""
        folder = cached_folder("", _fetch, f"registry-{VERSION}")
        jar = folder / f"apicurio-registry-app-{VERSION}-runner.jar"
        options = [f"-Dquarkus.http.port={self.port}", "-Dquarkus.http.host=127.0.0.1", "-Dquarkus.log.level=WARN"]
        self._process = subprocess.Popen(
            [_java(), "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *options, "-jar", str(jar)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  # one prctl call; no lock is taken in the child
        )  # fmt: skip
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.request("subjects")
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise BrokerError(f"Apicurio did not answer on port {self.port} in {_START_SECONDS} s")

    def kill(self) -> None:
        """kill -9."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def request(self, path: str, body: object = None) -> Any:
        """Return the answer to a GET, or to a POST with a body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        asked = urllib.request.Request(f"{self.url}/{path}", data, headers)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return json.load(answer)

    def register(self, subject: str, schema: str, kind: str = "AVRO", references: Any = ()) -> int:
        """Register a schema; return its id."""
        body = {"schema": schema, "schemaType": kind, "references": list(references)}
        return int(self.request(f"subjects/{subject}/versions", body)["id"])

    def __enter__(self) -> ApicurioRegistry:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
