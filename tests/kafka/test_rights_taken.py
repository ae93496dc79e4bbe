"""A right that is taken from a running worker: the lines name that right, and the worker goes on when it is given."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.feed import feed
from stream.market import simulate
from stream.ops import access_rights, topics
from stream.rights import Right, described
from tests.kafka.authorized import Authorized, authorized_broker
from tests.kafka.group import Group, Worker, alert_ids, replay, wait

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("authorized")]

#: The ids of topics are compared every 30 seconds, and may be 20 seconds old.
_NOTICED_SECONDS = 55


@pytest.fixture(scope="module")
def kafka() -> Iterator[Authorized]:
    with authorized_broker() as broker:
        yield broker


@pytest.fixture
def group(kafka: Authorized, tmp_path: Path) -> Iterator[Group]:
    group = Group("taken", kafka.admin, tmp_path)
    yield group
    for worker in group.workers:
        worker.kill()


def _lines(group: Group) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (group.folder / "worker.log").read_text().splitlines()]


def _feed(group: Group, kafka: Authorized, lines: list[bytes]) -> None:
    source = group.folder / "part.jsonl"
    source.write_bytes(b"\n".join(lines) + b"\n")
    feed(group.settings, kafka.admin, str(source), None, lambda count: None)


def _check(lines: list[dict[str, Any]], expected: str) -> None:
    """Check that these lines name the taken right, once a minute, and nothing that is not so."""
    assert not [line for line in lines if "exception" in line]
    events = Counter(line["event"] for line in lines)
    assert not {"fatal", "write_refused", "task_failed", "topic_missing"} & events.keys(), events
    problems = [line["problem"] for line in lines if line["event"] == "topic_problem"]
    assert not [text for text in problems if "is missing" in text]
    refused = Counter(line["error"] for line in lines if line["event"] == "refused_by_kafka")
    assert refused.pop(expected) <= 1 + _NOTICED_SECONDS // 60
    assert not refused


@pytest.mark.long
def test_a_right_that_is_taken_from_a_running_worker_is_named_and_nothing_else(
    group: Group, kafka: Authorized, tmp_path: Path
) -> None:
    lines = simulate.simulate("bribes", 1, 25, 120).lines
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(lines) + b"\n")
    expected, ids = replay(events, tmp_path)
    assert ids
    group.kafka = kafka.settings("u25")
    kafka.grant("u25", access_rights.needed(group.settings, "worker"))
    # The alerts are raised in the second part.
    first, second = len(lines) * 4 // 10, len(lines) * 9 // 10
    _feed(group, kafka, lines[:first])
    worker = Worker(group)
    worker.wait_for(first)
    for right, since, until in (
        (Right("Write", "topic", group.settings.alerts_topic), first, second),
        (Right("Read", "topic", group.settings.lifecycle_topic), second, len(lines)),
    ):
        before = len(_lines(group))
        kafka.revoke("u25", right)
        wait(lambda: right in access_rights.missing(group.kafka, [right]), 10, "the right is not taken")  # noqa: B023  # called at once
        _feed(group, kafka, lines[since:until])
        time.sleep(_NOTICED_SECONDS)
        assert worker.process.poll() is None, "the worker ended"
        _check(_lines(group)[before:], described(group.kafka, right))
        kafka.grant("u25", [right])
        wait(worker.ready, 60, "the worker did not continue when it was given the right again")
        worker.wait_for(until)
    clear = [line["event"] for line in _lines(group) if " in the clear" in line["event"] or "SASL_SSL" in line["event"]]
    assert [text.partition(":")[0] for text in clear] == ["KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT"]
    group.kafka = kafka.admin
    group.wait_for_state(expected)
    assert alert_ids(group.command("alerts", "--json")) == ids


def test_a_topic_that_may_not_be_described_is_not_called_missing(group: Group, kafka: Authorized) -> None:
    user, audit = kafka.settings("u26"), group.settings.audit_topic
    lacking = Right("Describe", "topic", audit)
    kafka.grant("u26", {*access_rights.needed(group.settings, "worker")} - {lacking})
    needed = access_rights.needed(group.settings, "worker")
    wait(lambda: access_rights.missing(user, needed) == [lacking], 10, "other rights than the taken one are named")
    (problem,) = topics.check(group.settings, user)
    assert (problem.topic, problem.is_error) == (audit, True)
    assert described(user, lacking) in problem.text
    assert "missing" not in problem.text
