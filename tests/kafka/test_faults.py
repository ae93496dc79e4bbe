"""What may go wrong around a worker: it freezes and wakes, Kafka goes away, topics are wrong, the feed still runs."""

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
from stream.ops import mailbox, topics
from stream.ops.broker import Broker, free_port
from stream.ops.client import connection
from stream.ops.lines import head, stream_of
from tests.faults.trouble import stumbling
from tests.kafka.group import PARTITIONS, Group, Market, Worker, alert_ids, wait

pytestmark = pytest.mark.kafka

#: Lines by stream and partition.
Places = partial(defaultdict[tuple[int, int], list[bytes]], list)


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
    waited = wait(lambda: other.events() > total // 2, 60, "nobody took the frozen worker's partitions over")
    assert waited > 8
    assert other.events() < total, "the backlog is too small: nothing was left to share when the sleeper woke"
    sleeper.process.send_signal(signal.SIGCONT)
    # Ready alone would say nothing: until its first checkpoint the woken worker takes itself for the owner.
    fenced = wait(lambda: _fenced(group) > 0, 30, "the woken worker was not fenced")
    shared = wait(lambda: sleeper.ready() and other.ready(), 60, "the woken worker was given nothing")
    wait(lambda: sleeper.events() + other.events() == total, 90, "events were lost, or counted twice")
    assert min(sleeper.events(), other.events()) > 0
    group.settle(market.expected)
    print(f"taken over after {waited:.1f} s, fenced {fenced:.1f} s after waking, shared in {shared:.1f} s more")  # noqa: T201
    assert other.stop() == 0
    assert sleeper.stop() == 0
    group.assert_equals(market.expected, market.alert_ids)


def test_a_worker_killed_within_a_checkpoint_equals_a_replay(group: Group, market: Market) -> None:
    """All offsets told and nothing committed; and all committed with nobody left who knows. `make faults` has more."""
    group.command("feed", "--input", str(market.events))
    for nth, point in ((5, "after offsets"), (3, "after commit")):
        dies = stumbling(group, point, nth)
        assert dies.process.wait(60) == -signal.SIGKILL, point
    worker = Worker(group)
    worker.wait_for(market.total)
    group.settle(market.expected)
    assert worker.stop() == 0
    group.assert_equals(market.expected, market.alert_ids)


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
            worker.wait_for(total // 8)
            how(broker)
            assert worker.events() < total, "the backlog is too small: it was done before the broker went"
            wait(lambda: "volteface_kafka_reachable 0.0" in worker.page("/metrics"), 20, "the outage is not told")
            broker.start()
            begun = time.monotonic()
            worker.wait_for(total, seconds=60)
            print(f"all done {time.monotonic() - begun:.1f} s after the broker was back")  # noqa: T201
            assert worker.events() == total
            assert "volteface_kafka_reachable 1.0" in worker.page("/metrics")
            group.settle(market.expected)
            assert worker.stop() == 0
            group.assert_equals(market.expected, market.alert_ids)
        finally:
            for worker in group.workers:
                worker.kill()


def test_a_feed_during_which_kafka_went_away_brings_each_event_once_and_in_order(
    market: Market, tmp_path: Path
) -> None:
    with Broker(data=tmp_path / "kafka") as broker, ThreadPoolExecutor() as aside:
        group = Group("fed", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path)
        back: list[Future[None]] = []

        def fall() -> None:
            broker.kill()
            broker.start()

        def progress(sent: int) -> None:
            if sent > market.total // 3 and not back:
                back.append(aside.submit(fall))  # beside the feed, so that what was just sent may lack its answer

        fed = feed(group.settings, group.kafka, str(market.events), None, progress)
        back[0].result()
        assert (fed.events, fed.failed) == (market.total, 0)
        sent = Places()
        for line in market.events.read_bytes().splitlines():
            top = head(line)
            key = top.seller_id or ""
            sent[stream_of(top.type), partition_of(key, PARTITIONS)].append(line)
        found = Places()
        for stream, topic in enumerate(group.settings.input_topics):
            for record in mailbox.read(group.kafka, topic):
                found[stream, record.partition].append(record.value)
        assert found == sent


def test_a_worker_can_be_stopped_while_kafka_is_away(market: Market, tmp_path: Path) -> None:
    """Within the 30 s that Kubernetes waits before it kills, also with every task in the midst of a checkpoint."""
    with Broker(data=tmp_path / "kafka") as broker:
        group = Group("away", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path)
        group.command("feed", "--input", str(market.events))
        worker = Worker(group)
        try:
            worker.wait_for(market.total // 4)
            broker.kill()
            wait(lambda: "Unable connect to node" in (tmp_path / "worker.log").read_text(), 10, "Kafka was not missed")
            assert worker.stop() == 0  # within 30 s
        finally:
            worker.kill()


def test_a_worker_waits_for_a_topic_that_kafka_does_not_know(group: Group, market: Market) -> None:
    """So it may be right after Kafka's start, too, but not on demand."""
    worker = Worker(group)
    wait(worker.ready, 60, "the worker did not start")
    with KafkaAdminClient(**connection(group.kafka)) as admin:
        admin.delete_topics([group.settings.outreach_topic])
    log = group.folder / "worker.log"
    wait(lambda: "partitions_unknown" in log.read_text(), 60, "the worker did not miss the topic")
    assert not worker.ready()
    topics.create(group.settings, group.kafka, PARTITIONS, 1)
    wait(worker.ready, 60, "the worker did not begin anew")
    group.command("feed", "--input", str(market.events))
    worker.wait_for(market.total)
    assert worker.events() == market.total
    assert worker.stop() == 0


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


def test_a_plain_faust_worker_does_not_start_without_its_state_topic_either(group: Group) -> None:
    group.settings = group.settings.model_copy(update={"app_id": "stateless-faust"})
    said = _refused(group, "faust", "-A", "stream.app", "worker", "--web-port", str(free_port()))
    assert "topic stateless-faust-state is missing: run `volteface topics create`" in said


def test_what_a_person_can_mend_ends_the_start_with_one_line(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("KAFKA_SSL_CAFILE", "/no/such/file")
    for module in (("stream.cli", "worker"), ("faust", "-A", "stream.app", "worker")):
        assert _refused(group, *module).split("\n") == [
            "SettingsError: KAFKA_SSL_CAFILE='/no/such/file' cannot be used: No such file or directory",
            "",
        ]


def test_a_worker_does_not_start_on_a_state_topic_of_another_size(group: Group) -> None:
    group.settings = group.settings.model_copy(update={"app_id": "narrow"})
    options = {"num_partitions": PARTITIONS - 1, "replication_factor": 1, "configs": {"cleanup.policy": "compact"}}
    with KafkaAdminClient(**connection(group.kafka)) as admin:
        admin.create_topics({group.settings.state_topic: options}, wait_for_metadata=True)
    said = " ".join(_refused(group, "stream.cli", "worker").split())
    assert f"narrow-state has {PARTITIONS - 1}" in said
    assert "inputs, evidence and state need the same number" in said


def test_a_feed_that_runs_while_the_worker_reads_loses_nothing(group: Group, market: Market) -> None:
    """Only the order between the topics depends on how the feed ran, so the state's digest is not compared."""
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
