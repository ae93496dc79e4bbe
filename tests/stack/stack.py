"""The whole stack without containers: Kafka, two workers, a console, a feed, Prometheus, Alertmanager and its webhook.

Invariant: the configuration is that of `docker/`; only addresses and intervals differ. The stack stops every process
that it starts.
"""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import yaml

from stream.config import KafkaSettings
from stream.market import simulate
from stream.ops.broker import Broker, free_port
from tests.browser import Console
from tests.kafka.group import Group, Worker, argv, wait

DOCKER: Final = Path(__file__).parents[2] / "docker"
APP_ID: Final = "volteface"
WORKERS: Final = 2
RUNBOOKS: Final = "https://wiki.example/runbooks"
_DAYS: Final = 240
#: The share of the market that is fed at once; the rest takes `feed_seconds`.
_PAST: Final = 0.62
_INTERVAL: Final = "2s"


def tool(name: str) -> str:
    """Return the path of a program of the Prometheus project."""
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is missing: install Debian's `prometheus` and `prometheus-alertmanager`")
    return found


class Webhook:
    """Keeps the alerts that Alertmanager sends, each as (name, "firing" or "resolved", labels, runbook)."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, dict[str, str], str]] = []
        received = self.received

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received.extend(
                    (
                        alert["labels"]["alertname"],
                        alert["status"],
                        alert["labels"],
                        alert["annotations"]["runbook_url"],
                    )
                    for alert in body["alerts"]
                )
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's name
                """Log nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def has(self, name: str, status: str) -> bool:
        """Return whether an alert with this name and status was received."""
        return any((alert, state) == (name, status) for alert, state, *_ in self.received)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Stack:
    """A context manager; within it all processes run and the feed has started."""

    def __init__(self, feed_seconds: float = 900) -> None:
        self._feed_seconds = feed_seconds
        #: Number of events of the feed.
        self.total = 0
        self._exit = ExitStack()
        self.webhook = Webhook()
        self._exit.callback(self.webhook.close)
        self.folder = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="volteface-stack-")))
        self._prometheus, self._alertmanager = free_port(), free_port()
        self.prometheus_url = f"http://127.0.0.1:{self._prometheus}"
        self.alertmanager_url = f"http://127.0.0.1:{self._alertmanager}"

    def __enter__(self) -> Stack:
        try:
            self._start()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def _start(self) -> None:
        programs = [tool("prometheus"), tool("prometheus-alertmanager")]
        broker = self._exit.enter_context(Broker())
        self.group = Group(APP_ID, KafkaSettings(bootstrap_servers=broker.bootstrap_servers), self.folder)
        self._exit.callback(self._kill_workers)
        self.workers = [Worker(self.group) for _ in range(WORKERS)]
        self.console = Console(self.folder, self.group.environment)
        self._exit.callback(self.console.kill)
        prometheus, alertmanager = self._configure()
        data = self.folder / "data"
        self._run(
            programs[1], f"--config.file={alertmanager}", f"--storage.path={data}/alertmanager",
            f"--web.listen-address=127.0.0.1:{self._alertmanager}", "--cluster.listen-address=",
        )  # fmt: skip
        self._run(
            programs[0], f"--config.file={prometheus}", f"--storage.tsdb.path={data}/prometheus",
            f"--web.listen-address=127.0.0.1:{self._prometheus}", "--enable-feature=exemplar-storage",
        )  # fmt: skip
        wait(lambda: all(worker.ready() for worker in self.workers), 90, "the workers are not ready")
        self.console.wait()
        for url in (self.prometheus_url, self.alertmanager_url):
            wait(partial(_responds, f"{url}/-/ready"), 30, f"{url} does not respond: see the logs in {self.folder}")
        self._feed()

    def _feed(self) -> None:
        """Feed the first months of a market at once, for cheats to find; start a timed feed of the others."""
        events, past, present = (self.folder / f"{name}.jsonl" for name in ("market", "past", "present"))
        self.total = simulate.write("bribes", 1, 300, _DAYS, events, self.folder / "truth.jsonl")
        with events.open("rb") as lines:
            past.write_bytes(b"".join(islice(lines, int(_PAST * self.total))))
            present.write_bytes(lines.read())
        self.group.command("feed", "--input", str(past))
        speed = f"{(1 - _PAST) * _DAYS * 86400 / self._feed_seconds:.0f}x"
        self._run(*argv("feed", "--input", str(present), "--speed", speed), env=self.group.environment)

    def _kill_workers(self) -> None:
        for worker in self.group.workers:
            worker.kill()

    def _configure(self) -> tuple[Path, Path]:
        """Write the configuration of `docker/` with the addresses of this stack; return both files."""
        shutil.copytree(DOCKER / "prometheus", self.folder / "prometheus")
        config = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
        labels = {"runbooks_url": RUNBOOKS}
        config["global"] = {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL, "external_labels": labels}
        config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [f"127.0.0.1:{self._alertmanager}"]}]}]
        ports = {"volteface": [worker.port for worker in self.workers], "volteface-console": [self.console.port]}
        for job in config["scrape_configs"]:
            del job["dns_sd_configs"]
            job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports[job["job_name"]]]}]
        prometheus = self.folder / "prometheus" / "prometheus.yml"
        prometheus.write_text(yaml.safe_dump(config))
        config = yaml.safe_load((DOCKER / "alertmanager" / "alertmanager.yml").read_text())
        for receiver in config["receivers"]:
            receiver["webhook_configs"] = [{"url": self.webhook.url}]  # Debian's version reads no url_file yet
        for route in (config["route"], *config["route"]["routes"]):
            route |= {"group_wait": "1s", "group_interval": "5s"}
        alertmanager = self.folder / "alertmanager.yml"
        alertmanager.write_text(yaml.safe_dump(config))
        return prometheus, alertmanager

    def _run(self, *command: str, env: dict[str, str] | None = None) -> None:
        """Start a process that ends with the stack."""
        log = self._exit.enter_context((self.folder / f"{Path(command[0]).name}.log").open("ab"))
        child = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        self._exit.callback(child.wait, 20)
        self._exit.callback(child.terminate)

    def get(self, path: str, **arguments: str) -> Any:
        """Return the data of a request to Prometheus' API."""
        url = f"{self.prometheus_url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{arguments}: {error.read().decode()}") from None

    def query(self, expression: str) -> list[Any]:
        """Return the result of an instant query; a number counts as a result."""
        data = self.get("query", query=expression)
        return list(data["result"])


def _responds(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False
