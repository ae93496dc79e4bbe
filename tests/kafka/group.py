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

from pydantic import SecretStr

from stream.cli_groups import committed_tasks
from stream.config import KafkaSettings, Settings, variable
from stream.events import STREAMS
from stream.ops import topics
from stream.ops.broker import free_port

PARTITIONS = 4


class Market(NamedTuple):
    """A file of events, how many there are, who cheats in it, and what a clean run makes of it."""

    events: Path
    total: int
    cheats: dict[str, int]
    """Paid flips by seller."""
    expected: dict[str, Any]
    alert_ids: list[str]


def alert_ids(lines: str) -> list[str]:
    """The ids of alerts, one JSON document a line, in order."""
    return sorted(json.loads(line)["alert_id"] for line in lines.splitlines())


def wait(true: Callable[[], bool], seconds: float, why: str) -> float:
    """Until it is true; how long that took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, why
        time.sleep(0.25)  # a page of metrics costs a worker 20 ms
    return time.monotonic() - begun


def environment_of(kafka: KafkaSettings) -> dict[str, str]:
    """The variables that give a process these settings; only those that were given."""
    given = {variable(KafkaSettings, field): getattr(kafka, field) for field in kafka.model_fields_set}
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value) for name, value in given.items()
    }


def argv(*arguments: str) -> list[str]:
    """The command line of a `volteface` command."""
    return [sys.executable, "-m", "stream.cli", *arguments]


def command(environment: Mapping[str, str], *arguments: str) -> str:
    """What a command prints on standard output; it must succeed."""
    done = subprocess.run(
        argv(*arguments),
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def replay(events: Path, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What `volteface replay` says of a file, and the ids of its alerts."""
    alerts = folder / "alerts.jsonl"
    options = ("--partitions", str(PARTITIONS), "--alerts", str(alerts))
    told = command(os.environ, "replay", "--input", str(events), *options)
    return json.loads(told), alert_ids(alerts.read_text())


class Group:
    """A consumer group with topics of its own, so that tests do not see each other, or with the `inputs` of another."""

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
        given = {field: getattr(inputs, field) for field in own} if inputs else own
        made = {f"{kind}_topic": f"{name}.{kind}" for kind in ("alerts", "evidence", "audit")}
        self.settings = Settings.model_validate({"app_id": name, **made, **given})
        self.folder = folder
        self.workers: list[Worker] = []
        topics.create(self.settings, kafka, partitions, 1)

    @property
    def environment(self) -> dict[str, str]:
        topics_of = ("lifecycle", "outreach", "access", "alerts", "evidence", "audit")
        names = ("app_id", *(f"{one}_topic" for one in topics_of))
        own = {f"VOLTEFACE_{name.upper()}": getattr(self.settings, name) for name in names}
        return os.environ | own | environment_of(self.kafka)

    def command(self, *arguments: str) -> str:
        """A command with the group's settings; see `command`."""
        return command(self.environment, *arguments)

    def settle(self, expected: dict[str, Any]) -> None:
        """Wait until the tasks have told each other all that a replay's tell; their workers must be running."""
        alive = [worker for worker in self.workers if worker.process.poll() is None]
        wait(lambda: all(worker.lag() == 0 for worker in alive), 90, "not all records were applied")
        time.sleep(2)  # a digest costs seconds, in which the workers would have to share their cores
        wait(lambda: self._digests() == expected["state_digest"], 60, "the state is not that of a replay")

    def _digests(self) -> dict[str, str]:
        """What `state digest` prints, without a process of its own."""
        tasks = committed_tasks(self.settings, self.kafka)
        return {str(partition): task.digest() for partition, task in tasks.items()}

    def assert_equals(self, expected: dict[str, Any], ids: list[str]) -> None:
        """State and alerts in Kafka are those of a replay, and no alert is there twice."""
        assert json.loads(self.command("state", "digest")) == expected["state_digest"]
        found = alert_ids(self.command("alerts", "--json"))
        assert found == ids
        assert len(found) == len(set(found)) > 0


class Worker:
    """A real worker process; `program` where it is not to be `volteface worker`."""

    def __init__(self, group: Group, port: int | None = None, program: list[str] | None = None) -> None:
        self.port = port or free_port()
        log = (group.folder / "worker.log").open("ab")
        environment = group.environment | {"VOLTEFACE_WEB_PORT": str(self.port)}
        self.process = subprocess.Popen(program or argv("worker"), env=environment, stdout=log, stderr=log)
        log.close()
        group.workers.append(self)

    def page(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def answers(self) -> bool:
        """Whether its web port is open: by then it has long listened to signals."""
        try:
            self.page("/health/live")
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def ready(self) -> bool:
        """Whether it has partitions, all restored."""
        try:
            return '"ready":true' in self.page("/health/ready").replace(" ", "")
        except OSError:
            return False

    def events(self) -> float:
        """Events applied or dropped as duplicates, and dead letters, as /metrics tells them."""
        try:
            lines = self.page("/metrics").splitlines()
        except OSError:
            return 0
        names = ('volteface_events_total{outcome="applied"', 'volteface_events_total{outcome="duplicate"')
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith((*names, "volteface_dead_letters_total{"))
        )

    def lag(self) -> float:
        """Records of its partitions that are not applied yet, as /metrics tells them; infinite while none is told."""
        try:
            lines = self.page("/metrics").splitlines()
        except OSError:
            return math.inf
        told = [float(line.split()[-1]) for line in lines if line.startswith("volteface_lag_records{")]
        return sum(told) if told else math.inf

    def has(self, events: int) -> bool:
        """Whether it has done so many events; it must not have ended."""
        assert self.process.poll() is None, "the worker ended by itself"
        return self.events() >= events

    def wait_for(self, events: int, seconds: float = 90) -> None:
        wait(lambda: self.has(events), seconds, f"{events} events were not done")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)
