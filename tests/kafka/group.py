"""A consumer group with topics of its own on a real Kafka, and real worker processes in it."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from pydantic import SecretStr

from stream.cli.connect import committed_tasks
from stream.config import KafkaSettings, Settings, variable
from stream.contract.events import STREAMS
from stream.ops import topics
from stream.ops.broker import free_port
from stream.ops.client import connection

PARTITIONS = 4


class Market(NamedTuple):
    """A simulated market and the result of its replay."""

    events: Path
    #: Number of events.
    total: int
    #: Paid flips by seller.
    cheats: dict[str, int]
    #: The output of `volteface replay`.
    expected: dict[str, Any]
    alert_ids: list[str]


def alert_ids(lines: str) -> list[str]:
    """Return the sorted ids of alerts, given as one JSON document a line."""
    return sorted(json.loads(line)["alert_id"] for line in lines.splitlines())


def wait(condition: Callable[[], bool], seconds: float, message: str) -> float:
    """Wait until the condition holds; return the seconds that it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, message
        time.sleep(0.25)  # a page of metrics costs a worker 20 ms
    return time.monotonic() - started


def environment_of(kafka: KafkaSettings) -> dict[str, str]:
    """Return the environment variables for these settings; only for settings that were set explicitly."""
    values = {variable(KafkaSettings, field): getattr(kafka, field) for field in kafka.model_fields_set}
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value) for name, value in values.items()
    }


def argv(*arguments: str) -> list[str]:
    """Return the command line of a `volteface` command."""
    return [sys.executable, "-m", "stream.cli", *arguments]


def command(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command, which must succeed; return its standard output."""
    done = subprocess.run(
        argv(*arguments),
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def configure(kafka: KafkaSettings, topic: str, **configs: str) -> None:
    """Change a topic's configuration, and wait until Kafka reports it."""
    named = {name.replace("_", "."): value for name, value in configs.items()}
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=named)
    with KafkaAdminClient(**connection(kafka)) as admin:
        admin.alter_configs([resource])
        wait(lambda: named.items() <= topics._configs(admin, [topic])[topic].items(), 10, "the change did not arrive")


def replay(events: Path, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Run `volteface replay` on a file; return its output and the ids of its alerts, and write `cases.jsonl`."""
    alerts = folder / "alerts.jsonl"
    options = ("--partitions", str(PARTITIONS), "--alerts", str(alerts), "--cases", str(folder / "cases.jsonl"))
    output = command(os.environ, "replay", "--input", str(events), *options)
    return json.loads(output), alert_ids(alerts.read_text())


def fatal_errors(log: str) -> list[str]:
    """Return the errors that ended workers, from the text of their logs: each is one line."""
    return [line["error"] for line in map(json.loads, log.splitlines()) if line["event"] == "fatal"]


class Group:
    """A consumer group with topics of its own, so that tests do not share records.

    With `inputs`, the group reads the input topics of these settings instead of its own.
    """

    def __init__(
        self,
        name: str,
        kafka: KafkaSettings,
        folder: Path,
        inputs: Settings | None = None,
        partitions: int = PARTITIONS,
    ) -> None:
        self.kafka = kafka
        own = {f"{stream}_topic": f"{name}.{stream}" for stream in STREAMS}
        input_topics = {field: getattr(inputs, field) for field in own} if inputs else own
        output_topics = {f"{kind}_topic": f"{name}.{kind}" for kind in ("alerts", "cases", "evidence", "audit")}
        self.settings = Settings.model_validate({"app_id": name, **output_topics, **input_topics})
        self.folder = folder
        self.workers: list[Worker] = []
        topics.create(self.settings, kafka, partitions, 1)

    @property
    def environment(self) -> dict[str, str]:
        kinds = (*STREAMS, "alerts", "cases", "evidence", "audit")
        names = ("app_id", *(f"{kind}_topic" for kind in kinds))
        own = {f"VOLTEFACE_{name.upper()}": getattr(self.settings, name) for name in names}
        return os.environ | own | environment_of(self.kafka)

    def command(self, *arguments: str) -> str:
        """Run a command with the group's settings; see `command`."""
        return command(self.environment, *arguments)

    def wait_for_state(self, expected: dict[str, Any]) -> None:
        """Wait until the committed state equals a replay's, all messages between tasks included; workers must run."""
        running = [worker for worker in self.workers if worker.process.poll() is None]
        wait(lambda: all(worker.lag() == 0 for worker in running), 90, "not all records were applied")
        time.sleep(2)  # a digest takes seconds of the cores that the workers use
        wait(lambda: self._digests() == expected["state_digest"], 60, "the state is not that of a replay")

    def _digests(self) -> dict[str, str]:
        """Return the output of `state digest`, without a process of its own."""
        tasks = committed_tasks(self.settings, self.kafka)
        return {str(partition): task.rows.digest() for partition, task in tasks.items()}

    def assert_equals(self, expected: dict[str, Any], ids: list[str]) -> None:
        """Check that state and alerts in Kafka equal a replay's, and that no alert occurs twice."""
        assert json.loads(self.command("state", "digest")) == expected["state_digest"]
        found = alert_ids(self.command("alerts", "--json"))
        assert found == ids
        assert len(found) == len(set(found)) > 0


async def no_topic_ids() -> dict[str, str]:
    """Return no ids of topics, for a checkpoint store whose topics stay the same."""
    return {}


class Worker:
    """A real worker process; it runs `program`, or `volteface worker` if None."""

    def __init__(self, group: Group, port: int | None = None, program: list[str] | None = None) -> None:
        self.port = port or free_port()
        log = (group.folder / "worker.log").open("ab")
        environment = group.environment | {"VOLTEFACE_WEB_PORT": str(self.port)}
        self.process = subprocess.Popen(program or argv("worker"), env=environment, stdout=log, stderr=log)
        log.close()
        group.workers.append(self)

    def page(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            return str(response.read().decode())

    def serves_http(self) -> bool:
        """Return whether the web port is open; by then the worker already handles signals."""
        try:
            self.page("/health/live")
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def ready(self) -> bool:
        """Return whether the worker has partitions and all are restored."""
        try:
            return '"ready":true' in self.page("/health/ready").replace(" ", "")
        except OSError:
            return False

    def events(self) -> float:
        """Return the number of events applied, duplicates and dead letters in /metrics."""
        try:
            lines = self.page("/metrics").splitlines()
        except OSError:
            return 0
        names = ('volteface_events_total{outcome="applied"', 'volteface_events_total{outcome="duplicate"')
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith((*names, "volteface_dead_letters_total{"))
        )

    def lag(self) -> float:
        """Return the lag of the worker's partitions in /metrics, in records; infinite while /metrics has no lag."""
        try:
            lines = self.page("/metrics").splitlines()
        except OSError:
            return math.inf
        lags = [float(line.split()[-1]) for line in lines if line.startswith("volteface_lag_records{")]
        return sum(lags) if lags else math.inf

    def has_done(self, events: int) -> bool:
        """Return whether the worker has done this number of events; it must still run."""
        assert self.process.poll() is None, "the worker ended by itself"
        return self.events() >= events

    def wait_for(self, events: int, seconds: float = 90) -> None:
        wait(lambda: self.has_done(events), seconds, f"the worker did not do {events} events")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)
