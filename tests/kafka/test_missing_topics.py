"""A topic that is deleted while a worker runs: one line names it and the way out, and nothing else is lost."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient

from stream.feed import feed
from stream.market import simulate
from stream.ops import topics
from stream.ops.client import connection
from tests.kafka.group import PARTITIONS, Group, Worker, alert_ids, replay, wait

pytestmark = pytest.mark.kafka

#: A missing topic is looked for every 30 seconds, and the answer may be 20 seconds old.
_NOTICED_SECONDS = 60
#: The client gives up after 40 seconds.
_GIVEN_UP_SECONDS = 45
#: The most lines of that time: a client repeated its own line ten times a second.
_MOST_LINES = 60


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return simulate.simulate("bribes", 1, 25, 120).lines


def _feed(group: Group, lines: list[bytes], folder: Path) -> None:
    source = folder / "part.jsonl"
    source.write_bytes(b"\n".join(lines) + b"\n")
    feed(group.settings, group.kafka, str(source), None, lambda count: None)


def _log(group: Group) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (group.folder / "worker.log").read_text().splitlines()]


def _delete(group: Group, topic: str) -> None:
    with closing(KafkaAdminClient(**connection(group.kafka))) as admin:
        admin.delete_topics([topic])
        wait(lambda: topic not in admin.list_topics(), 30, f"{topic} was not deleted")


def _wait_until_named(group: Group, topic: str, before: int) -> None:
    """Wait for the worker's line about a missing topic; it repeats itself seldom, and so do the client's lines."""

    def named() -> list[dict[str, Any]]:
        return [line for line in _log(group)[before:] if line["event"] == "topic_problem" and line["topic"] == topic]

    since = time.monotonic()
    wait(lambda: bool(named()), _NOTICED_SECONDS, "the missing topic was not named")
    time.sleep(max(0.0, _GIVEN_UP_SECONDS - (time.monotonic() - since)))
    (line,) = named()
    assert line["problem"] == f"topic {topic} is missing: run `volteface topics create --partitions {PARTITIONS}`"
    written = _log(group)[before:]
    assert len(written) <= _MOST_LINES, [line["event"] for line in written]
    assert not any("exception" in line for line in written), "a missing topic needs no stack trace"


@pytest.mark.parametrize("kind", ["alerts", pytest.param("dead letters", marks=pytest.mark.long)])
def test_results_wait_for_their_deleted_topic(kind: str, group: Group, lines: list[bytes], tmp_path: Path) -> None:
    refused = b'{"type": "review.created"}'
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join([*lines, refused]) + b"\n")
    _, ids = replay(events, tmp_path)
    half = len(lines) // 2
    _feed(group, lines[:half], tmp_path)
    worker = Worker(group)
    worker.wait_for(half)
    wait(lambda: worker.lag() == 0, 30, "not all records were applied")
    time.sleep(2)  # a checkpoint of all of them
    earlier = alert_ids(group.command("alerts", "--json"))
    settings = group.settings
    topic = settings.alerts_topic if kind == "alerts" else settings.dead_letter_topic(settings.lifecycle_topic)
    before = len(_log(group))
    _delete(group, topic)
    _feed(group, lines[half:], tmp_path)
    _feed(group, [lines[-1], refused], tmp_path)
    _wait_until_named(group, topic, before)
    assert 'volteface_topic_problems{severity="error"} 1.0' in worker.page("/metrics")
    errors = {line["error"] for line in _log(group)[before:] if line["event"] == "topic_missing"}
    advice = "run `volteface topics create`, and the task goes on from its last checkpoint"
    assert errors == {f"topic {topic} is missing: {advice}"}
    if kind == "dead letters":  # one that is started again goes on as well
        worker.kill()
    topics.create(settings, group.kafka, PARTITIONS, 1)
    if kind == "dead letters":
        worker = Worker(group)
    wait(worker.ready, 60, "the tasks did not go on")
    wait(lambda: worker.lag() == 0, 60, "not all records were applied")
    time.sleep(2)
    assert worker.stop() == 0
    (letter,) = group.command("dlq", "list").splitlines()
    assert json.loads(letter)["value"] == refused.decode()
    later = alert_ids(group.command("alerts", "--json"))
    assert sorted([*later, *earlier] if kind == "alerts" else later) == ids
    assert ids


@pytest.mark.long
def test_a_deleted_evidence_topic_is_named_and_floods_no_log(group: Group, lines: list[bytes], tmp_path: Path) -> None:
    _feed(group, lines[:500], tmp_path)
    worker = Worker(group)
    worker.wait_for(500)
    topic, before = group.settings.evidence_topic, len(_log(group))
    _delete(group, topic)
    _feed(group, lines[500:], tmp_path)
    _wait_until_named(group, topic, before)
    assert 'volteface_topic_problems{severity="error"} 1.0' in worker.page("/metrics")
    unknown = next(line for line in _log(group)[before:] if line["event"] == "partitions_unknown")
    assert topic in unknown["topics"]
