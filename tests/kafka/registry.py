"""A real schema registry (Apicurio, in memory, with Confluent's API) as a child process, for tests.

Invariant: on 127.0.0.1 only. It needs Java 17 and Maven, which fetches it once into the development broker's cache.
"""

from __future__ import annotations

import json
import select
import socket
import socketserver
import subprocess
import tarfile
import threading
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


class Link:
    """A way to a registry that can be cut and opened again; while it is cut, connections are refused.

    Args:
        registry: The registry.
    """

    def __init__(self, registry: ApicurioRegistry) -> None:
        port = free_port()
        self.url = registry.url.replace(str(registry.port), str(port))
        self._port, self._registry = port, registry
        self._server: socketserver.ThreadingTCPServer | None = None

    def open(self) -> None:
        """Let connections through."""
        target, closed = self._registry.port, threading.Event()
        self._closed = closed

        class Forward(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", target)) as there:
                    other = {self.request: there, there: self.request}
                    while not closed.is_set():
                        for each in select.select([*other], [], [], 0.1)[0]:
                            data = each.recv(65536)
                            if not data:
                                return
                            other[each].sendall(data)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", self._port), Forward)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def cut(self) -> None:
        """End all connections, and refuse others."""
        if self._server is not None:
            self._closed.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None
