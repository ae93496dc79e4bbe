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

import httpx
import msgspec
import pytest
from kafka import KafkaProducer

from stream.config import KafkaSettings
from stream.ops.broker import Broker
from stream.ops.client import connection
from tests.browser import Console
from tests.kafka.group import Group, wait
from tests.sample_cases import seller_case, staff_case

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


@pytest.mark.long
def test_without_kafka_a_verdict_and_a_staff_case_say_what_is_wrong(broker: Broker, tmp_path: Path) -> None:
    group = Group("console-frozen", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path, partitions=1)
    seller, staff = seller_case(), staff_case()
    with KafkaProducer(**connection(group.kafka)) as producer:
        for case in (seller, staff):
            producer.send(group.settings.cases_topic, key=case.case_id.encode(), value=msgspec.json.encode(case)).get(
                10
            )
    console = Console(tmp_path, group.environment)
    process = broker._process
    assert process is not None
    try:
        console.wait()
        with httpx.Client(base_url=console.url, timeout=60, headers={"HX-Request": "true"}) as client:
            page = client.get(f"/cases/{seller.case_id}").text
            (token,) = set(re.findall(r'name="csrf" value="([^"]+)"', page))
            process.send_signal(signal.SIGSTOP)
            form = {"csrf": token, "event_id": "0" * 32, "verdict": "dismissed"}
            answer = client.post(f"/cases/{seller.case_id}/verdict", data=form)
            assert (answer.status_code, "Kafka does not answer" in answer.text) == (503, True), answer.text
            answer = client.get(f"/cases/{staff.case_id}")
            assert (answer.status_code, "cannot be shown now" in answer.text) == (503, True), answer.text
            assert client.get("/").status_code == 200
    finally:
        console.kill()
        process.send_signal(signal.SIGCONT)
