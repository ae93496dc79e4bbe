"""A real Kafka Connect (distributed, one worker) with Debezium's PostgreSQL connector, for tests.

Invariant: on 127.0.0.1 only. Connectors and their positions are in Kafka, so they survive `kill`. It needs Java 17 and
Maven, which fetches it once into the development broker's cache.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from stream.ops.broker import _die_with_parent, free_port
from stream.ops.kafka_distribution import VERSION, _java, _maven, cached_folder, run

_POM: Final = Path(__file__).parent / "pom.xml"
_START_SECONDS: Final = 90
_RUNNING_SECONDS: Final = 60

_PROPERTIES: Final = """\
bootstrap.servers={bootstrap_servers}
group.id={group}
listeners=http://127.0.0.1:{port}
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.storage.topic={group}.configs
config.storage.replication.factor=1
offset.storage.topic={group}.offsets
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.topic={group}.status
status.storage.replication.factor=1
status.storage.partitions=1
# All plugins are on the class path and name themselves there; looking into each class takes seconds.
plugin.discovery=service_load
# After kill -9 the next worker joins only when the old one's session has run out; the broker allows no less.
session.timeout.ms=6000
heartbeat.interval.ms=2000
scheduled.rebalance.max.delay.ms=0
"""


def connect_jars() -> Path:
    """Return the folder with Kafka Connect and Debezium's connector."""
    pom = hashlib.blake2b(_POM.read_bytes(), digest_size=4).hexdigest()
    return cached_folder(f"-{pom}", _fetch, f"connect-{VERSION}")


class ConnectError(Exception):
    """Kafka Connect cannot be used, or a connector failed; the message has the trace or the end of the log."""


class KafkaConnect:
    """A worker; `start` and `kill` can be called repeatedly, and its connectors go on.

    Args:
        bootstrap_servers: Of the Kafka that has its connectors, their positions and their topics.
        name: Its group, and the start of the names of its own topics.
    """

    def __init__(self, bootstrap_servers: str, name: str = "connect") -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="volteface-connect-"))
        self._properties = _PROPERTIES.format(bootstrap_servers=bootstrap_servers, port=self.port, group=name)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers; raise ConnectError if it does not."""
        jars = connect_jars()
        properties = self._folder / "connect.properties"
        properties.write_text(self._properties, encoding="utf-8")
        options = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN"]
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        with (self._folder / "connect.log").open("ab") as log:
            self._process = subprocess.Popen(
                [_java(), *options, "-cp", f"{jars}/*", main, str(properties)],
                stdout=log, stderr=log, cwd=self._folder, start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # one prctl call; no lock is taken in the child
            )  # fmt: skip
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self.running:
            try:
                self._request("GET", "connectors")
            except (OSError, ConnectError):  # it listens before it has read its topics
                time.sleep(0.1)
            else:
                return
        self.kill()
        raise ConnectError(f"Kafka Connect did not answer on port {self.port}; the end of its log:\n{self.log()}")

    def kill(self) -> None:
        """kill -9."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def log(self) -> str:
        """Return the end of its log."""
        return (self._folder / "connect.log").read_text(errors="replace")[-4000:]

    def create(self, name: str, config: Mapping[str, str]) -> None:
        """Create a connector, or change it, and wait until it runs."""
        self._request("PUT", f"connectors/{name}/config", config)
        self.wait_until_running(name)

    def wait_until_running(self, name: str) -> None:
        """Wait until the connector and its task run; raise ConnectError with its trace if one of them failed.

        The states are in Kafka: for some seconds after a start they may be those that a killed worker left.
        """
        until = time.monotonic() + _RUNNING_SECONDS
        states: dict[str, Any] = {}
        while time.monotonic() < until:
            states = self.status(name)
            parts = [states["connector"], *states["tasks"]] if states else []
            failed = [part["trace"] for part in parts if part["state"] == "FAILED"]
            if failed:
                raise ConnectError(f"The connector {name} failed:\n{failed[0]}")
            if len(parts) > 1 and all(part["state"] == "RUNNING" for part in parts):
                return
            time.sleep(0.1)
        raise ConnectError(f"The connector {name} does not run: {states}; the end of the log:\n{self.log()}")

    def status(self, name: str) -> dict[str, Any]:
        """Return the states of a connector and its task; nothing while Connect does not know them yet."""
        try:
            return dict(self._request("GET", f"connectors/{name}/status"))
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return {}

    def restart(self, name: str) -> None:
        """Restart what failed of a connector, as an operator does."""
        self._request("POST", f"connectors/{name}/restart?includeTasks=true&onlyFailed=true")

    def delete(self, name: str) -> None:
        """End a connector and forget it."""
        self._request("DELETE", f"connectors/{name}")

    def _request(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer of the REST API; wait while workers divide the connectors among themselves."""
        data = None if body is None else json.dumps(body).encode()
        url, headers = f"http://127.0.0.1:{self.port}/{path}", {"Content-Type": "application/json"}
        until = time.monotonic() + _RUNNING_SECONDS
        while True:
            try:
                with urllib.request.urlopen(
                    urllib.request.Request(url, data, headers, method=method), timeout=30
                ) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                if error.code == 409 and time.monotonic() < until:
                    time.sleep(0.1)
                    continue
                if error.code == 404:
                    raise
                raise ConnectError(f"{method} {path}: {error.code} {error.read().decode()[:2000]}") from error

    def __enter__(self) -> KafkaConnect:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it and delete its log."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _fetch(folder: Path) -> None:
    options = [f"-Dkafka.version={VERSION}", f"-DoutputDirectory={folder}"]
    run([_maven(), "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", *options])
