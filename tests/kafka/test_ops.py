"""The development broker, topics, feed and dead letters on a real Kafka: regression tests."""

from __future__ import annotations

import functools
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaProducer

from stream.cli.connect import committed_tasks
from stream.config import KafkaSettings
from stream.contract.alerts import Alert
from stream.feed import feed
from stream.intake.dead_letters import DeadLetter, outgoing
from stream.offline.watchlist import Watched, rank
from stream.ops import topic_reader, topics
from stream.ops.broker import Broker, free_port
from stream.ops.client import connection
from stream.ops.kafka_distribution import BrokerError
from stream.ops.letter_replay import Choice, replay
from tests.kafka.group import PARTITIONS, Group, Market, Worker, argv, wait

pytestmark = pytest.mark.kafka
_EXAMPLES = Path(__file__).parent.parent.parent / "schemas" / "examples"
_ALERTS = _EXAMPLES / "alert.v1.jsonl"
_EVENT = (_EXAMPLES / "review.created.v1.jsonl").read_bytes().splitlines()[0]


@pytest.mark.long
def test_a_killed_broker_restarts_soon() -> None:
    with Broker() as broker:
        broker.kill()
        started = time.monotonic()
        broker.start()
        assert time.monotonic() - started < 15


@pytest.mark.long
def test_a_named_data_folder_is_reused_on_another_port(tmp_path: Path) -> None:
    with Broker(data=tmp_path / "kept") as first:
        kafka = KafkaSettings(bootstrap_servers=first.bootstrap_servers)
        with KafkaAdminClient(**connection(kafka)) as admin:
            admin.create_topics({"kept": {"num_partitions": 1, "replication_factor": 1}})
    with Broker(data=tmp_path / "kept") as second:
        assert second.port != first.port
        with KafkaAdminClient(**connection(KafkaSettings(bootstrap_servers=second.bootstrap_servers))) as admin:
            assert "kept" in admin.list_topics()


def test_a_broker_that_does_not_start_reports_the_cause(tmp_path: Path) -> None:
    with Broker(data=tmp_path / "kept"):
        pass
    meta = tmp_path / "kept" / "log" / "meta.properties"
    meta.write_text(meta.read_text(encoding="utf-8").replace("node.id=1", "node.id=7"), encoding="utf-8")
    with pytest.raises(BrokerError, match=r"(?s)ended with code 1.*ERROR.*node.?id"), Broker(data=tmp_path / "kept"):
        pass


def test_the_broker_command_reports_to_a_file_when_kafka_listens(tmp_path: Path) -> None:
    stderr, port = tmp_path / "stderr", free_port()
    command = [sys.executable, "-m", "stream.cli", "broker", "--port", str(port)]
    with stderr.open("wb") as file, subprocess.Popen(command, stderr=file) as process:
        deadline = time.monotonic() + 60
        while f"Kafka listens on 127.0.0.1:{port}" not in stderr.read_text(encoding="utf-8"):
            assert process.poll() is None and time.monotonic() < deadline, stderr.read_text(encoding="utf-8")
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_state_topic_that_deletes_records_is_reported(group: Group) -> None:
    for number, policy in enumerate(("delete", "compact,delete")):
        # One topic for each policy: for a moment the broker reports a recreated topic with its old configuration.
        settings = group.settings.model_copy(update={"app_id": f"deletes-{number}"})
        configs = {"cleanup.policy": policy, "min.compaction.lag.ms": "1"}
        options = {"num_partitions": PARTITIONS, "replication_factor": 1, "configs": configs}
        with KafkaAdminClient(**connection(group.kafka)) as admin:
            admin.create_topics({settings.state_topic: options}, wait_for_metadata=True)
        (problem,) = (each for each in topics.check(settings, group.kafka) if each.is_error)
        assert f"cleanup.policy={policy}:" in problem.text


def test_a_line_that_is_too_large_is_counted_and_the_others_are_sent(group: Group, tmp_path: Path) -> None:
    source = tmp_path / "large.jsonl"
    source.write_bytes(b'{"p":"' + b"x" * 2_000_000 + b'"}\n' + _EVENT + b"\n")
    fed = feed(group.settings, group.kafka, str(source), None, lambda count: None)
    assert (fed.events, fed.failed) == (2, 1)
    assert [record.value for record in topic_reader.read(group.kafka, group.settings.lifecycle_topic)] == [_EVENT]


@pytest.mark.parametrize("lines", [2001, 3])
def test_a_file_of_another_format_is_not_sent(lines: int, group: Group, tmp_path: Path) -> None:
    source = tmp_path / "events.csv"
    source.write_text("".join(f"e{number},review.created,1\n" for number in range(lines)))
    done = subprocess.run(
        argv("feed", "--input", str(source)), env=group.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"undecodable: {min(lines, 1000):,} lines; the first is line 1: " in done.stderr
    assert done.stderr.splitlines()[-1].startswith("nothing was sent: ")
    assert list(topic_reader.read(group.kafka, group.settings.lifecycle_topic)) == []


def test_feed_says_what_is_refused_and_late_and_sends_every_line(group: Group, market: Market, tmp_path: Path) -> None:
    lines = [b"a header", *market.events.read_bytes().splitlines()[:2000]]
    source = tmp_path / "shuffled.jsonl"
    source.write_bytes(b"\n".join(random.Random(1).sample(lines, len(lines))))
    for options, is_late in (((), True), (("--sort",), False)):
        done = subprocess.run(
            argv("feed", "--input", str(source), *options),
            env=group.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0
        *_, last = done.stderr.splitlines()
        assert last.startswith("2,000 events acknowledged in ")
        assert "; refused, and so dead letters: 1" in last
        assert last.endswith("; this input cannot be trusted, see above") is is_late
        assert ("behind others" in done.stderr) is is_late
    sent = [record.value for topic in group.settings.input_topics for record in topic_reader.read(group.kafka, topic)]
    assert Counter(sent) == Counter(lines * 2)
    worker = Worker(group)
    wait(lambda: _doubtful_tasks(worker, "late") > 0, 90, "no task is doubtful because of late events")
    assert worker.stop() == 0
    logged = [json.loads(line) for line in (tmp_path / "worker.log").read_text().splitlines()]
    assert "late" in [line["reason"] for line in logged if line["event"] == "outcome_doubtful"]


@pytest.mark.long
def test_feeding_a_file_again_in_order_does_not_repair_a_late_history(
    group: Group, market: Market, tmp_path: Path
) -> None:
    lines = market.events.read_bytes().splitlines()[:2000]
    source = tmp_path / "shuffled.jsonl"
    source.write_bytes(b"\n".join(random.Random(1).sample(lines, len(lines))))
    group.command("feed", "--input", str(source))
    first = Worker(group)
    wait(lambda: _doubtful_tasks(first, "late") == PARTITIONS, 90, "a task is not doubtful because of late events")
    assert first.stop() == 0
    group.command("feed", "--input", str(source), "--sort")
    second = Worker(group)
    wait(lambda: _doubtful_tasks(second, "duplicates") == PARTITIONS, 90, "a task has no doubt because of duplicates")
    assert _doubtful_tasks(second, "late") == PARTITIONS
    third = Worker(group)  # takes tasks of the second one
    wait(third.ready, 60, "the third worker is not ready")
    assert second.stop() == 0
    wait(lambda: _doubtful_tasks(third, "late") == PARTITIONS, 60, "a move of a task took the doubt away")


def _doubtful_tasks(worker: Worker, reason: str) -> int:
    """Return how many tasks /metrics shows as doubtful for a reason."""
    try:
        page = worker.page("/metrics")
    except OSError:
        return 0
    samples = [line for line in page.splitlines() if line.startswith("volteface_trust_doubtful{")]
    return sum(f'reason="{reason}"' in line and line.endswith(" 1.0") for line in samples)


def test_alerts_of_an_aborted_or_open_transaction_are_not_read(group: Group) -> None:
    good, bad = (msgspec.json.decode(line, type=Alert) for line in _ALERTS.read_bytes().splitlines()[:2])
    producer = KafkaProducer(**connection(group.kafka), transactional_id=f"{group.settings.app_id}-writer")
    producer.init_transactions()
    for alert, finish in ((good, producer.commit_transaction), (bad, producer.abort_transaction), (bad, None)):
        producer.begin_transaction()
        producer.send(group.settings.alerts_topic, value=msgspec.json.encode(alert), partition=0).get(30)
        if finish is not None:
            finish()
        assert list(topic_reader.alerts(group.settings, group.kafka)) == [good]
    producer.abort_transaction()
    producer.close()


def _send_dead_letters(group: Group) -> list[DeadLetter]:
    topic = group.settings.lifecycle_topic
    letters = [
        DeadLetter(
            topic=topic, partition=0, offset=number, key=b"k", value=b"\x00\xff%d" % number,
            headers=(("trace", b"1"),), reason="future", detail="because",
        )
        for number in range(3)
    ]  # fmt: skip
    with KafkaProducer(**connection(group.kafka)) as producer:
        producer.send(group.settings.dead_letter_topic(topic), value=b"foreign", key=b"k").get(30)
        for letter in letters:
            key, value, headers = outgoing(letter)
            producer.send(group.settings.dead_letter_topic(topic), value=value, key=key, headers=list(headers)).get(30)
    return letters


def test_dead_letters_are_replayed_once_and_unchanged(group: Group) -> None:
    letters, topic = _send_dead_letters(group), group.settings.lifecycle_topic
    foreign: list[str] = []
    stored = list(topic_reader.dead_letters(group.settings, group.kafka, topic, foreign.append))
    assert [each.letter for each in stored] == letters
    run = functools.partial(replay, group.settings, group.kafka, topic, Choice(), foreign.append, pytest.fail)
    assert run() == (len(letters), 0, 0)
    assert run() == (0, len(letters), 0)
    assert len(foreign) == 3  # reported by each: it precedes the dead letters and stops none
    assert all("offset 0, is passed over: The record has no header" in line for line in foreign)
    replayed = Counter((r.key, r.value, tuple(r.headers)) for r in topic_reader.read(group.kafka, topic))
    assert replayed == Counter((letter.key, letter.value, letter.headers) for letter in letters)


@pytest.mark.long
def test_the_watch_list_is_read_from_the_committed_state(group: Group, market: Market) -> None:
    assert group.command("watchlist", "--json") == ""  # nothing is committed yet
    feed(group.settings, group.kafka, str(market.events), None, lambda count: None)
    worker = Worker(group)
    worker.wait_for(market.total)
    group.wait_for_state(market.expected)
    assert worker.stop() == 0
    lines = group.command("watchlist", "--json", "--count", "5").splitlines()
    tasks = committed_tasks(group.settings, group.kafka)
    assert len(tasks) == PARTITIONS
    assert [msgspec.json.decode(line, type=Watched) for line in lines] == rank(tasks.values(), 3, 5)
    assert 0 < len(lines) <= 5
    table = group.command("watchlist")
    assert all(json.loads(line)["subject"]["id"] in table for line in lines)
