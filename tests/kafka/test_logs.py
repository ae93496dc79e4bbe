"""What a worker logs: no warning on a healthy Kafka, and one line of JSON for an error that a person can correct."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from stream.config import KafkaSettings
from stream.ops.broker import free_port
from tests.kafka.group import PARTITIONS, Group, Market, Worker, fatal_errors, wait

pytestmark = pytest.mark.kafka


def _lines(group: Group) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (group.folder / "worker.log").read_text().splitlines()]


@pytest.mark.long
def test_workers_that_come_and_go_on_a_healthy_kafka_write_no_warning(group: Group, market: Market) -> None:
    first = Worker(group)
    wait(first.ready, 60, "the first worker is not ready")
    group.command("feed", "--input", str(market.events))
    first.wait_for(market.total)
    second = Worker(group)
    wait(second.ready, 60, "the second worker is not ready")
    assert first.stop() == 0
    time.sleep(5)  # the second worker takes the tasks over
    assert second.stop() == 0
    started = [line for line in _lines(group) if line["event"] == "worker_started"]
    assert [line["settings"] for line in started] == [group.settings.config_digest] * 2
    ready = [line for line in _lines(group) if line["event"] == "task_ready"]
    assert {line["partition"] for line in ready} == set(range(PARTITIONS))
    assert {line["state"] for line in ready} == {"empty", "found"}
    assert max(sum(line["offsets"].values()) for line in ready) > 0
    of_the_market = {"outcome_doubtful"}  # a small market is doubtful
    found = [line for line in _lines(group) if line["level"] != "info" and line["event"] not in of_the_market]
    assert found == []


def test_a_web_port_in_use_ends_a_worker_with_one_line(group: Group) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        assert Worker(group, port).process.wait(60) == 1
    address = f"VOLTEFACE_WEB_PORT={port} cannot be used at VOLTEFACE_WEB_HOST=0.0.0.0"
    assert _errors(group) == [
        f"SettingsError: {address}: Address already in use; set another one: two processes on one machine need "
        "different ports"
    ]


def test_a_worker_that_starts_without_kafka_says_that_it_waits_and_ends(
    group: Group,
) -> None:
    """So does the runbook of VoltefaceKafkaUnreachable."""
    group.kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}")
    begun = time.monotonic()
    assert Worker(group).process.wait(60) == 1
    assert time.monotonic() - begun > 20
    waiting, fatal = _lines(group)
    assert (waiting["event"], waiting["level"]) == ("waiting_for_kafka", "warning")
    assert waiting["text"].startswith(f"waiting for Kafka at {group.kafka.bootstrap_servers}, for up to 20 seconds; ")
    assert fatal["event"] == "fatal"
    assert fatal["error"].startswith(f"AccessError: Kafka at {group.kafka.bootstrap_servers} does not answer")
    runbook = (Path(__file__).parents[2] / "docker/runbooks.md").read_text().split("## VoltefaceKafkaUnreachable")[1]
    assert "tries for 20 s, and ends with exit code 1" in runbook.split("\n## ")[0]


def test_another_budget_ends_a_worker_with_one_line(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Worker(group)
    wait(first.ready, 60, "the worker is not ready")
    time.sleep(3)  # a checkpoint without input: the state has its settings
    assert first.stop() == 0
    monkeypatch.setenv("VOLTEFACE_ALERT_BUDGET", "5")
    assert Worker(group).process.wait(60) == 1
    (error,) = _errors(group)
    assert error.startswith(
        "DifferentSettingsError: the state was built with VOLTEFACE_ALERT_BUDGET=3, and now it is 5"
    )


def _errors(group: Group) -> list[str]:
    """Return the errors that ended workers; nothing else may be an error."""
    severe = [line for line in _lines(group) if line["level"] in {"error", "critical"}]
    assert [line["event"] for line in severe] == ["fatal"] * len(severe)
    assert not any("exception" in line for line in severe)
    return fatal_errors((group.folder / "worker.log").read_text())
