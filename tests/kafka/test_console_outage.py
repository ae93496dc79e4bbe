"""A console while Kafka does not answer: it says so in its metrics, and ends as fast as else."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.config import KafkaSettings
from stream.ops.broker import Broker
from tests.browser import Console
from tests.kafka.group import Group, wait

pytestmark = pytest.mark.kafka


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker of its own, because it is frozen."""
    with Broker() as broker:
        yield broker


def _metric(console: Console, name: str) -> float:
    with urllib.request.urlopen(f"{console.url}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    (value,) = re.findall(rf"^volteface_console_{name} (\S+)$", page, re.MULTILINE)
    return float(value)


def _problem(console: Console) -> str | None:
    try:
        urllib.request.urlopen(f"{console.url}/health/ready", timeout=5).close()
    except urllib.error.HTTPError as error:
        with error:
            return str(json.load(error)["problem"])
    return None


def test_a_console_without_kafka_says_so_and_still_ends(broker: Broker, tmp_path: Path) -> None:
    group = Group("console-outage", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path, partitions=1)
    console = Console(tmp_path, group.environment)
    process = broker._process
    assert process is not None
    try:
        console.wait()
        wait(lambda: _metric(console, "behind_seconds") < 4, 20, "the read model is not complete")
        assert (_metric(console, "ready"), _metric(console, "lag_records")) == (1, 0)
        page = urllib.request.urlopen(f"{console.url}/live", timeout=30)
        process.send_signal(signal.SIGSTOP)
        wait(lambda: _metric(console, "behind_seconds") > 6, 20, "the outage does not show")
        wait(lambda: _problem(console) is not None, 60, "the console is ready without Kafka")
        assert "Kafka cannot be read" in (_problem(console) or "")
        assert _metric(console, "ready") == 0
        started = time.monotonic()
        assert console.stop() == 0
        assert time.monotonic() - started < 8
        page.close()
    finally:
        process.send_signal(signal.SIGCONT)
        console.kill()
    lines = [json.loads(line) for line in console.log.read_text().splitlines()]
    assert "follower" in {line["logger"].rpartition(".")[2] for line in lines}
    assert lines[-1]["event"] == "console_stopped"
