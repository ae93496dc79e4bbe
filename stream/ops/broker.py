"""The development broker: a real Apache Kafka (KRaft, one node, no Docker) as a child process.

Invariant: for development and tests only, on 127.0.0.1 only. Its data are deleted at the end unless a data folder is
given. It needs Java 17 and Maven, which fetches its jar files once into a cache folder. Kafka's log (warnings and
worse) is in `kafka.out` of the data folder.
"""

from __future__ import annotations

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from stream.ops.kafka_distribution import VERSION, BrokerError, cached_folder, kafka, run

_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 20
_PR_SET_PDEATHSIG: Final = 1

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}/log
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# After kill -9 the controller takes the node back only when its old session has run out (9 s by default).
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=1000
"""


class Broker:
    """One Kafka node; `start`, `stop` and `kill` can be called repeatedly on the same data.

    Args:
        port: Where it listens; by default a free port.
        data: Its data folder; by default a temporary one.
        more: Further lines for server.properties, with the placeholders of `_PROPERTIES`. Of two lines with one name
            Kafka uses the last.
        version: Of Kafka.
    """

    def __init__(
        self, port: int | None = None, data: Path | None = None, more: str = "", version: str = VERSION
    ) -> None:
        self.port = port or free_port()
        self._controller = free_port()
        self._more = more
        self._version = version
        self._keep = data is not None
        self._data = data or Path(tempfile.mkdtemp(prefix="volteface-kafka-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it answers; raise BrokerError if it does not."""
        if _listens(self.port):  # its answers would look like this broker's
            raise BrokerError(f"port {self.port} is taken: end what listens there, or choose another with --port")
        java = kafka(self._version)
        properties = self._data / "server.properties"
        self._data.mkdir(parents=True, exist_ok=True)
        # Written at every start: a given data folder may be used with another port.
        properties.write_text(
            (_PROPERTIES + self._more).format(port=self.port, controller=self._controller, data=self._data.resolve()),
            encoding="utf-8",
        )
        if not (self._data / "log" / "meta.properties").exists():
            shutil.copytree(_formatted(java, self._version), self._data / "log")
        with (self._data / "kafka.out").open("ab") as out:
            self._process = subprocess.Popen(
                [*java, "-Xmx512m", "-Xms128m", "kafka.Kafka", str(properties)],
                stdout=out, stderr=out, start_new_session=True, preexec_fn=_die_with_parent,  # noqa: PLW1509  # one prctl call; no lock is taken in the child
            )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + _START_SECONDS
        reason = f"did not answer on {self.bootstrap_servers} in {_START_SECONDS} s"
        while time.monotonic() < until:
            if self._process is not None and self._process.poll() is not None:
                reason = f"ended with code {self._process.returncode} before it answered on {self.bootstrap_servers}"
                break
            # A refused connection makes kafka-python back off for up to 30 s, so a plain connection comes first.
            if _listens(self.port) and self._answers():
                return
            time.sleep(0.05)
        tail = (self._data / "kafka.out").read_text(errors="replace")[-2000:]
        self.stop()
        raise BrokerError(f"Kafka {reason}; the end of its log:\n{tail}")

    def _answers(self) -> bool:
        try:
            with KafkaAdminClient(bootstrap_servers=self.bootstrap_servers, bootstrap_timeout_ms=2000) as client:
                client.describe_cluster()
        except (KafkaError, OSError):
            return False
        return True

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Broker:
        try:
            self.start()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self.stop()
        if not self._keep:
            shutil.rmtree(self._data, ignore_errors=True)


def _formatted(java: list[str], version: str) -> Path:
    """Return a formatted log folder, which is cached: Kafka's tool takes two seconds, and only an id differs."""

    def fill(folder: Path) -> None:
        folder.mkdir()
        properties = folder.parent / "server.properties"
        properties.write_text(_PROPERTIES.format(port=9092, controller=9093, data=folder), encoding="utf-8")
        run([*java, "kafka.tools.StorageTool", "format", "-t", "dm9sdGVmYWNlLWRldg", "-c", str(properties)])

    return cached_folder("-formatted", fill, version) / "log"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _die_with_parent() -> None:
    """Let Linux end the broker when its parent process ends, for whatever reason."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
