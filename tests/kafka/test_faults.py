"""What may go wrong around a worker: it freezes and wakes, Kafka goes away, topics are wrong, the feed still runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kafka import KafkaAdminClient

from stream.config import KafkaSettings
from stream.market import simulate
from stream.ops.broker import Broker
from stream.ops.client import connection
from tests.kafka.group import PARTITIONS, Group, Worker

pytestmark = pytest.mark.kafka


class Market(NamedTuple):
    """A file of events, how many there are, and what a clean run makes of them."""

    events: Path
    total: int
    expected: dict[str, Any]
    alert_ids: list[str]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    folder = tmp_path_factory.mktemp("market")
    events, alerts = folder / "market.jsonl", folder / "alerts.jsonl"
    total = simulate.write("dirty", 1, 100, 240, events, folder / "truth.jsonl")
    command = ["replay", "--input", str(events), "--partitions", str(PARTITIONS), "--alerts", str(alerts)]
    told = subprocess.run([sys.executable, "-m", "stream.cli", *command], capture_output=True, text=True, check=True)
    return Market(events, total, json.loads(told.stdout), _ids(alerts.read_text()))


def _wait(true: Callable[[], bool], seconds: float, why: str) -> float:
    """Until it is true; how long that took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, why
        time.sleep(0.1)
    return time.monotonic() - begun


def _ids(lines: str) -> list[str]:
    return sorted(json.loads(line)["alert_id"] for line in lines.splitlines())


def _assert_equals_replay(group: Group, market: Market) -> None:
    """State and alerts in Kafka are those of a replay, and no alert is there twice."""
    assert json.loads(group.command("state", "digest")) == market.expected["state_digest"]
    found = _ids(group.command("alerts", "--json"))
    assert found == market.alert_ids
    assert len(found) == len(set(found)) > 0


def _fenced(group: Group) -> int:
    """Checkpoints that were refused because the task has another owner."""
    lines = (group.folder / "worker.log").read_text().splitlines()
    return sum('"event": "task_failed"' in line and "ProducerFenced" in line for line in lines)


def test_a_worker_that_froze_and_woke_is_fenced_and_works_on(group: Group, market: Market) -> None:
    events, total = market.events, market.total
    group.command("feed", "--input", str(events))
    sleeper = Worker(group)
    sleeper.wait_for(total // 5)
    sleeper.process.send_signal(signal.SIGSTOP)
    other = Worker(group)
    # The group gives the sleeper's partitions away when its session has run out: 10 s after its last heartbeat, which
    # was up to 2 s before it froze.
    waited = _wait(lambda: other.events() > total // 2, 60, "nobody took the frozen worker's partitions over")
    assert waited > 8
    assert other.events() < total, "the backlog is too small: nothing was left to share when the sleeper woke"
    sleeper.process.send_signal(signal.SIGCONT)
    # Ready alone would say nothing: until its first checkpoint the woken worker takes itself for the owner.
    fenced = _wait(lambda: _fenced(group) > 0, 30, "the woken worker was not fenced")
    shared = _wait(lambda: sleeper.ready() and other.ready(), 60, "the woken worker was given nothing")
    _wait(lambda: sleeper.events() + other.events() == total, 90, "events were lost, or counted twice")
    assert min(sleeper.events(), other.events()) > 0
    print(f"taken over after {waited:.1f} s, fenced {fenced:.1f} s after waking, shared in {shared:.1f} s more")  # noqa: T201
    assert other.stop() == 0
    assert sleeper.stop() == 0
    _assert_equals_replay(group, market)


@pytest.mark.parametrize("how", [Broker.kill, Broker.stop])
def test_a_broker_that_went_away_and_came_back_costs_nothing(
    how: Callable[[Broker], None], market: Market, tmp_path: Path
) -> None:
    events, total = market.events, market.total
    with Broker(data=tmp_path / "kafka") as broker:
        group = Group("outage", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path)
        try:
            group.command("feed", "--input", str(events))
            worker = Worker(group)
            worker.wait_for(total // 4)
            how(broker)
            assert worker.events() < total, "the backlog is too small: it was done before the broker went"
            broker.start()
            begun = time.monotonic()
            worker.wait_for(total, seconds=60)
            print(f"all done {time.monotonic() - begun:.1f} s after the broker was back")  # noqa: T201
            assert worker.events() == total
            assert worker.stop() == 0
            _assert_equals_replay(group, market)
        finally:
            for worker in group.workers:
                worker.kill()


def test_a_worker_can_be_stopped_while_kafka_is_away(market: Market, tmp_path: Path) -> None:
    """Within the 30 s that Kubernetes waits before it kills, also with every task in the midst of a checkpoint."""
    with Broker(data=tmp_path / "kafka") as broker:
        group = Group("away", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path)
        group.command("feed", "--input", str(market.events))
        worker = Worker(group)
        try:
            worker.wait_for(market.total // 4)
            broker.kill()
            _wait(lambda: "Connection refused" in (tmp_path / "worker.log").read_text(), 10, "Kafka was not missed")
            assert worker.stop() == 0  # within 30 s
        finally:
            worker.kill()


def _refused(group: Group, *module: str) -> str:
    """What a worker says that must not start."""
    done = subprocess.run(
        [sys.executable, "-m", *module], env=group.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, (done.returncode, done.stdout + done.stderr)
    return done.stderr


def test_a_worker_does_not_start_without_its_state_topic(group: Group) -> None:
    group.settings = group.settings.model_copy(update={"app_id": "stateless"})
    said = _refused(group, "stream.cli", "worker")
    assert said.split("\n") == ["topic stateless-state is missing: run `volteface topics create`", ""]


def test_a_worker_does_not_start_on_a_state_topic_of_another_size(group: Group) -> None:
    group.settings = group.settings.model_copy(update={"app_id": "narrow"})
    options = {"num_partitions": PARTITIONS - 1, "replication_factor": 1, "configs": {"cleanup.policy": "compact"}}
    with KafkaAdminClient(**connection(group.kafka)) as admin:
        admin.create_topics({group.settings.state_topic: options}, wait_for_metadata=True)
    said = " ".join(_refused(group, "stream.cli", "worker").split())
    assert f"narrow-state has {PARTITIONS - 1}" in said
    assert "the inputs and the state need the same number" in said


def test_a_feed_that_runs_while_the_worker_reads_loses_nothing(group: Group, market: Market) -> None:
    """Only the order between the topics depends on how the feed ran, so the state's digest is not compared."""
    events, total = market.events, market.total
    worker = Worker(group)
    _wait(worker.ready, 60, "the worker did not start")
    group.command("feed", "--input", str(events))
    worker.wait_for(total)
    assert worker.events() == total
    page = worker.page("/metrics").splitlines()
    duplicates = sum(float(line.split()[-1]) for line in page if 'outcome="duplicate"' in line)
    dead = sum(float(line.split()[-1]) for line in page if line.startswith("volteface_dead_letters_total{"))
    assert (duplicates, dead) == (market.expected["duplicates"], market.expected["dead"])
    assert duplicates > 0
    assert worker.stop() == 0
    found = _ids(group.command("alerts", "--json"))
    assert len(found) == len(set(found)) > 0
