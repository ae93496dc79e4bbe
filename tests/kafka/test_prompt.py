"""Commands on a real Kafka: foreign records, following into a pipe, empty topics, topics that Kafka made by itself."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaProducer

from stream.config import Settings
from stream.contract.alerts import Alert, Subject
from stream.intake.dead_letters import DeadLetter, outgoing
from stream.ops import topics
from stream.ops.client import connection
from tests.kafka.group import PARTITIONS, Group, argv

pytestmark = pytest.mark.kafka
_ALERTS = Path(__file__).parent.parent.parent / "schemas" / "examples" / "alert.v1.jsonl"


def _run(group: Group, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = group.environment | {"COLUMNS": "80"}
    return subprocess.run(argv(*arguments), env=environment, capture_output=True, text=True, timeout=60, check=False)


def _send(group: Group, *values: bytes) -> None:
    with KafkaProducer(**connection(group.kafka)) as producer:
        for value in values:
            producer.send(group.settings.alerts_topic, value=value, partition=0).get(30)


def _about(seller_id: str) -> bytes:
    example = msgspec.json.decode(_ALERTS.read_bytes().splitlines()[0], type=Alert)
    return msgspec.json.encode(msgspec.structs.replace(example, subject=Subject("seller", seller_id)))


def test_hostile_ids_and_foreign_records_hide_no_alert(group: Group) -> None:
    _send(group, _about("[/acme]"), b"foreign", _about("[red]shop"), b"\xff", _about(":boom:"))
    for form in ((), ("--json",)):
        done = _run(group, "alerts", *form)
        assert done.returncode == 0
        assert all(subject in done.stdout for subject in ("[/acme]", "[red]shop", ":boom:"))
        names = [line.split(", is passed over")[0] for line in done.stderr.splitlines()]
        topic = group.settings.alerts_topic
        assert names == [f"{topic}, partition 0, offset {offset}" for offset in (1, 3)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_alerts_are_followed_into_a_pipe(number: signal.Signals, group: Group) -> None:
    _send(group, _about("first"))
    environment = {name: value for name, value in group.environment.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        argv("alerts", "--follow", "--json"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["subject"]["id"] == "first"
        _send(group, _about("[/second]"))
        sent = time.monotonic()
        assert json.loads(process.stdout.readline())["subject"]["id"] == "[/second]"
        assert time.monotonic() - sent < 5
        process.send_signal(number)
        assert (process.wait(10), process.stdout.read(), process.stderr.read()) == (130, "", "")


def test_a_limit_ends_following(group: Group) -> None:
    _send(group, *map(_about, ("a", "b", "c")))
    done = _run(group, "alerts", "--follow", "--json", "--limit", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["subject"]["id"] for line in done.stdout.splitlines()] == ["a", "b"]


def test_empty_results_are_said(group: Group) -> None:
    for arguments, message in (
        (("alerts",), f"no alerts in {group.settings.alerts_topic}\n"),
        (("alerts", "--json"), f"no alerts in {group.settings.alerts_topic}\n"),
        (("dlq", "list"), "no dead letters\n"),
        (("watchlist",), "nobody is on the watch list\n"),
        (("watchlist", "--json"), "nobody is on the watch list\n"),
    ):
        done = _run(group, *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", message)


def test_dead_letters_are_listed_with_key_and_time(group: Group) -> None:
    letter = DeadLetter(
        topic=group.settings.lifecycle_topic, partition=0, offset=4, key=b"[/acme]", value=b"x", headers=(),
        reason="undecodable", detail="It is no JSON.",
    )  # fmt: skip
    key, value, headers = outgoing(letter)
    with KafkaProducer(**connection(group.kafka)) as producer:
        topic = group.settings.dead_letter_topic(letter.topic)
        producer.send(topic, value=value, key=key, headers=list(headers), timestamp_ms=1_714_557_600_000).get(30)
    (line,) = _run(group, "dlq", "list").stdout.splitlines()
    assert (json.loads(line)["key"], json.loads(line)["time"]) == ("[/acme]", "2024-05-01T10:00:00Z")


def _new_topics(group: Group, name: str, **partitions: int) -> Settings:
    """Return settings for topics that do not exist yet, except these."""
    streams = ("lifecycle", "outreach", "access", "evidence", "alerts", "audit")
    settings = Settings.model_validate(
        {"app_id": name, "dead_letter_prefix": f"{name}.dlq."} | {f"{each}_topic": f"{name}.{each}" for each in streams}
    )
    with KafkaAdminClient(**connection(group.kafka)) as admin:
        options = {f"{name}.{each}": {"num_partitions": count, "replication_factor": 1}
                   for each, count in partitions.items()}  # fmt: skip
        admin.create_topics(options, wait_for_metadata=True)
    group.settings = settings
    return settings


def _existing(group: Group) -> set[str]:
    with KafkaAdminClient(**connection(group.kafka)) as admin:
        return set(admin.list_topics())


def test_topics_of_unequal_size_are_not_completed(group: Group) -> None:
    settings = _new_topics(group, "unequal", lifecycle=1, outreach=PARTITIONS)
    before = _existing(group)
    environment = {"VOLTEFACE_DEAD_LETTER_PREFIX": settings.dead_letter_prefix}
    done = subprocess.run(
        argv("topics", "create"), env=group.environment | environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "topic unequal.lifecycle has 1 partitions, and unequal.outreach has 4." in line
    assert "kafka-topics.sh --alter --topic unequal.lifecycle --partitions 4" in line
    assert _existing(group) == before


def test_missing_topics_get_the_size_of_the_others(group: Group) -> None:
    """A topic that Kafka created by itself at the first event has one partition."""
    settings = _new_topics(group, "automatic", lifecycle=1)
    before = _existing(group)
    with pytest.raises(
        topics.PartitionsError,
        match=r"with --partitions 4 partition counts differ: topic automatic.lifecycle has 1.*create --partitions 1`",
    ):
        topics.create(settings, group.kafka, PARTITIONS, 1)
    assert _existing(group) == before
    topics.create(settings, group.kafka, 1, 1)
    # Kafka's defaults keep events for a week only, which is a warning.
    assert not any(problem.is_error for problem in topics.check(settings, group.kafka))
    # Nothing is missing any more, so the number does not matter.
    assert topics.create(settings, group.kafka, PARTITIONS, 1).made == []
