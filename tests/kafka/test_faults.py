"""Faults around a worker: it freezes and resumes, Kafka fails, topics are wrong, the feed still runs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from stream.config import KafkaSettings
from stream.feed import feed
from stream.intake.partition import partition_of
from stream.ops import topic_reader, topics
from stream.ops.broker import Broker, free_port
from stream.ops.client import connection
from stream.ops.event_files import head, stream_of
from tests.faults.fault_schedule import self_killing_worker
from tests.kafka.group import PARTITIONS, Group, Market, Worker, alert_ids, fatal_errors, wait

pytestmark = pytest.mark.kafka

#: Lines by stream and partition.
LinesByPartition = partial(defaultdict[tuple[int, int], list[bytes]], list)


def _fenced(group: Group) -> int:
    """Return the number of checkpoints that failed because the task has another owner."""
    lines = (group.folder / "worker.log").read_text().splitlines()
    return sum('"event": "task_failed"' in line and "ProducerFenced" in line for line in lines)


@pytest.mark.long
def test_a_frozen_worker_is_fenced_and_continues(group: Group, market: Market) -> None:
    events, total = market.events, market.total
    group.command("feed", "--input", str(events))
    frozen = Worker(group)
    frozen.wait_for(total // 5)
    frozen.process.send_signal(signal.SIGSTOP)
    other = Worker(group)
    # The group reassigns the frozen worker's partitions when its session times out: 10 s after its last heartbeat,
    # which was up to 2 s before it froze.
    waited = wait(lambda: other.events() > total // 2, 60, "no worker took over the frozen worker's partitions")
    assert waited > 8
    assert other.events() < total, "the backlog is too small: no event was left when the frozen worker resumed"
    frozen.process.send_signal(signal.SIGCONT)
    # Readiness proves nothing: until its first checkpoint the resumed worker still acts as the owner.
    fenced = wait(lambda: _fenced(group) > 0, 30, "the resumed worker was not fenced")
    shared = wait(lambda: frozen.ready() and other.ready(), 60, "the resumed worker received no partitions")
    wait(lambda: frozen.events() + other.events() == total, 90, "events were lost, or counted twice")
    assert min(frozen.events(), other.events()) > 0
    group.wait_for_state(market.expected)
    print(f"taken over after {waited:.1f} s, fenced {fenced:.1f} s after the resumption, shared {shared:.1f} s later")  # noqa: T201
    assert other.stop() == 0
    assert frozen.stop() == 0
    group.assert_equals(market.expected, market.alert_ids)


@pytest.mark.long
def test_a_worker_killed_within_a_checkpoint_equals_a_replay(group: Group, market: Market) -> None:
    """Killed after sending the offsets, before the commit; killed after the commit. `make faults` has more points."""
    group.command("feed", "--input", str(market.events))
    for nth, point in ((5, "after offsets"), (3, "after commit")):
        killed = self_killing_worker(group, point, nth)
        assert killed.process.wait(60) == -signal.SIGKILL, point
    worker = Worker(group)
    worker.wait_for(market.total)
    group.wait_for_state(market.expected)
    assert worker.stop() == 0
    group.assert_equals(market.expected, market.alert_ids)


@pytest.mark.parametrize("end", [Broker.kill, pytest.param(Broker.stop, marks=pytest.mark.long)])
def test_a_broker_outage_loses_no_events(end: Callable[[Broker], None], market: Market, tmp_path: Path) -> None:
    events, total = market.events, market.total
    with Broker(data=tmp_path / "kafka") as broker:
        group = Group("outage", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path)
        try:
            group.command("feed", "--input", str(events))
            worker = Worker(group)
            worker.wait_for(total // 8)
            end(broker)
            assert worker.events() < total, "the backlog is too small: it was done before the outage"
            wait(
                lambda: "volteface_kafka_reachable 0.0" in worker.page("/metrics"),
                20,
                "/metrics does not show the outage",
            )
            broker.start()
            restarted = time.monotonic()
            worker.wait_for(total, seconds=60)
            print(f"all done {time.monotonic() - restarted:.1f} s after the broker's restart")  # noqa: T201
            assert worker.events() == total
            assert "volteface_kafka_reachable 1.0" in worker.page("/metrics")
            group.wait_for_state(market.expected)
            assert worker.stop() == 0
            group.assert_equals(market.expected, market.alert_ids)
        finally:
            for worker in group.workers:
                worker.kill()


@pytest.mark.long
def test_a_feed_during_an_outage_sends_each_event_once_and_in_order(market: Market, tmp_path: Path) -> None:
    with Broker(data=tmp_path / "kafka") as broker, ThreadPoolExecutor() as pool:
        group = Group("fed", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path)
        restart: list[Future[None]] = []

        def restart_broker() -> None:
            broker.kill()
            broker.start()

        def progress(sent: int) -> None:
            if sent > market.total // 3 and not restart:
                # In another thread, so that some sent records have no acknowledgement yet.
                restart.append(pool.submit(restart_broker))

        fed = feed(group.settings, group.kafka, str(market.events), None, progress)
        restart[0].result()
        assert (fed.events, fed.failed) == (market.total, 0)
        sent = LinesByPartition()
        for line in market.events.read_bytes().splitlines():
            event = head(line)
            key = event.seller_id or ""
            sent[stream_of(event.type), partition_of(key, PARTITIONS)].append(line)
        found = LinesByPartition()
        for stream, topic in enumerate(group.settings.input_topics):
            for record in topic_reader.read(group.kafka, topic):
                found[stream, record.partition].append(record.value)
        assert found == sent


@pytest.mark.long
def test_a_worker_can_be_stopped_while_kafka_is_down(market: Market, tmp_path: Path) -> None:
    """It ends within the 30 s after which Kubernetes kills it, also when every task is within a checkpoint."""
    with Broker(data=tmp_path / "kafka") as broker:
        group = Group("down", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path)
        group.command("feed", "--input", str(market.events))
        worker = Worker(group)
        try:
            worker.wait_for(market.total // 4)
            broker.kill()
            wait(
                lambda: "Unable connect to node" in (tmp_path / "worker.log").read_text(),
                10,
                "the worker did not notice the outage",
            )
            assert worker.stop() == 0  # within 30 s
        finally:
            worker.kill()


@pytest.mark.long
def test_a_worker_waits_for_a_topic_that_kafka_does_not_know(group: Group, market: Market) -> None:
    """Right after its start Kafka may report the same; a test cannot cause that."""
    worker = Worker(group)
    wait(worker.ready, 60, "the worker did not start")
    with KafkaAdminClient(**connection(group.kafka)) as admin:
        admin.delete_topics([group.settings.outreach_topic])
    log = group.folder / "worker.log"
    wait(lambda: "partitions_unknown" in log.read_text(), 60, "the worker did not notice the missing topic")
    assert not worker.ready()
    topics.create(group.settings, group.kafka, PARTITIONS, 1)
    wait(worker.ready, 60, "the worker did not start again")
    group.command("feed", "--input", str(market.events))
    worker.wait_for(market.total)
    assert worker.events() == market.total
    assert worker.stop() == 0


def _refused(group: Group, *module: str) -> str:
    """Start a worker that must refuse to start; return its standard error."""
    done = subprocess.run(
        [sys.executable, "-m", *module], env=group.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, (done.returncode, done.stdout + done.stderr)
    return done.stderr


def test_a_worker_does_not_start_without_its_state_topic(group: Group) -> None:
    group.settings = group.settings.model_copy(update={"app_id": "stateless"})
    stderr = _refused(group, "stream.cli", "worker")
    error = "TopicsError: topic stateless-state is missing: run `volteface topics create --partitions 4`"
    assert fatal_errors(stderr) == [error]
    assert len(stderr.splitlines()) == 1


def test_a_plain_faust_worker_does_not_start_without_its_state_topic_either(group: Group) -> None:
    group.settings = group.settings.model_copy(update={"app_id": "stateless-faust"})
    stderr = _refused(group, "faust", "-A", "stream.app", "worker", "--web-port", str(free_port()))
    assert "topic stateless-faust-state is missing: run `volteface topics create --partitions 4`" in stderr


def test_a_wrong_setting_ends_the_start_with_one_line(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("KAFKA_SSL_CAFILE", "/no/such/file")
    for module in (("stream.cli", "worker"), ("faust", "-A", "stream.app", "worker")):
        stderr = _refused(group, *module)
        assert fatal_errors(stderr) == [
            "SettingsError: KAFKA_SSL_CAFILE='/no/such/file' cannot be used: No such file or directory"
        ]
        assert len(stderr.splitlines()) == 1


def test_a_worker_does_not_start_on_a_state_topic_of_another_size(group: Group) -> None:
    group.settings = group.settings.model_copy(update={"app_id": "narrow"})
    options = {"num_partitions": PARTITIONS - 1, "replication_factor": 1, "configs": {"cleanup.policy": "compact"}}
    with KafkaAdminClient(**connection(group.kafka)) as admin:
        admin.create_topics({group.settings.state_topic: options}, wait_for_metadata=True)
    stderr = " ".join(_refused(group, "stream.cli", "worker").split())
    assert f"narrow-state has {PARTITIONS - 1}" in stderr
    assert "Inputs, evidence and state need the same number" in stderr


@pytest.mark.long
def test_a_feed_that_runs_while_the_worker_reads_loses_no_events(group: Group, market: Market) -> None:
    """The order between the topics depends on the feed's timing, so the state's digest is not compared."""
    events, total = market.events, market.total
    worker = Worker(group)
    wait(worker.ready, 60, "the worker did not start")
    group.command("feed", "--input", str(events))
    worker.wait_for(total)
    assert worker.events() == total
    page = worker.page("/metrics").splitlines()
    duplicates = sum(float(line.split()[-1]) for line in page if 'outcome="duplicate"' in line)
    dead = sum(float(line.split()[-1]) for line in page if line.startswith("volteface_dead_letters_total{"))
    assert (duplicates, dead) == (market.expected["duplicates"], market.expected["dead"])
    assert duplicates > 0
    assert worker.stop() == 0
    found = alert_ids(group.command("alerts", "--json"))
    assert len(found) == len(set(found)) > 0
