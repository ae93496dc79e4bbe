"""Others change the group or its topics under running workers: a foreign consumer joins, a topic gets partitions."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer

from stream.config import KafkaSettings
from stream.feed import feed
from stream.market import simulate
from stream.ops.client import connection
from tests.kafka.group import PARTITIONS, Group, Worker, replay, wait

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return simulate.simulate("bribes", 1, 25, 120).lines


@contextmanager
def _foreign_consumer(group: Group, *topics: str) -> Iterator[None]:
    """A plain subscriber under the group id, which commits its offsets."""
    ended = threading.Event()

    def read() -> None:
        options: dict[str, Any] = {"enable_auto_commit": True, "auto_commit_interval_ms": 300}
        with closing(
            KafkaConsumer(
                *topics,
                **connection(group.kafka) | {"client_id": "dashboard"},
                group_id=group.settings.app_id,
                auto_offset_reset="earliest",
                **options,
            )
        ) as consumer:
            while not ended.is_set():
                consumer.poll(200)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _feed(group: Group, lines: list[bytes], folder: Path) -> None:
    source = folder / "part.jsonl"
    source.write_bytes(b"\n".join(lines) + b"\n")
    feed(group.settings, group.kafka, str(source), None, lambda count: None)


def _logged(group: Group, event: str) -> list[dict[str, Any]]:
    found = (group.folder / "worker.log").read_text().splitlines()
    return [json.loads(line) for line in found if f'"event": "{event}"' in line]


@pytest.mark.long
def test_a_task_without_all_its_partitions_does_not_run_and_goes_on_when_it_has_them_again(
    group: Group, lines: list[bytes], tmp_path: Path
) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(lines) + b"\n")
    expected, ids = replay(events, tmp_path)
    topic, half = group.settings.lifecycle_topic, len(lines) // 2
    _feed(group, lines[:half], tmp_path)
    worker = Worker(group)
    worker.wait_for(half)
    with _foreign_consumer(group, topic):
        wait(lambda: len(_logged(group, "partitions_missing")) > 0, 30, "nothing was logged")
        assert not worker.ready()
        (line,) = _logged(group, "partitions_missing")
        assert list(line["missing"]) == [topic]
        assert line["missing"][topic] == line["tasks"]
        assert (
            f"they lack partitions of {topic}; another member of the group has them: client dashboard"
            in (line["reason"])
        )
        incomplete = f'volteface_tasks{{state="incomplete"}} {float(len(line["tasks"]))}'
        assert incomplete in worker.page("/metrics")
        _feed(group, lines[half:], tmp_path)
        waiting = [f'volteface_lag_records{{task="{task}",topic="{topic}"}}' for task in line["tasks"]]
        wait(lambda: all(_sample(worker, name) > 0 for name in waiting), 40, "what waits has no sample")
        assert _sample(worker, "volteface_foreign_tasks") == len(line["tasks"])
    wait(worker.ready, 60, "the tasks did not go on")
    assert _sample(worker, "volteface_foreign_tasks") == 0
    group.wait_for_state(expected)
    assert worker.stop() == 0
    group.assert_equals(expected, ids)


@pytest.mark.long
def test_a_member_that_takes_whole_tasks_is_named_and_what_waits_for_them_is_counted(
    group: Group, lines: list[bytes], tmp_path: Path
) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(lines) + b"\n")
    expected, ids = replay(events, tmp_path)
    half = len(lines) // 2
    _feed(group, lines[:half], tmp_path)
    worker = Worker(group)
    worker.wait_for(half)
    with _foreign_consumer(group, *group.settings.read_topics):
        wait(lambda: len(_logged(group, "partitions_missing")) > 0, 30, "nothing was logged")
        (line,) = _logged(group, "partitions_missing")
        assert line["level"] == "error"
        assert 0 < len(line["tasks"]) < PARTITIONS
        assert line["missing"] == dict.fromkeys(sorted(group.settings.read_topics), line["tasks"])
        assert "; another member of the group has them: client dashboard on host " in line["reason"]
        assert f"another group id than {group.settings.app_id}" in line["advice"]
        assert _sample(worker, "volteface_foreign_tasks") == len(line["tasks"])
        _feed(group, lines[half:], tmp_path)
        topic = group.settings.lifecycle_topic
        waiting = [f'volteface_lag_records{{task="{task}",topic="{topic}"}}' for task in line["tasks"]]
        wait(lambda: all(_sample(worker, name) > 0 for name in waiting), 40, "what waits has no sample")
    wait(lambda: _sample(worker, "volteface_foreign_tasks") == 0, 60, "the tasks did not come back")
    wait(worker.ready, 60, "the tasks did not go on")
    group.wait_for_state(expected)
    assert worker.stop() == 0
    group.assert_equals(expected, ids)


def test_partitions_added_to_one_topic_are_named_at_once_and_end_no_worker(
    kafka: KafkaSettings, lines: list[bytes], tmp_path: Path
) -> None:
    group = Group("partitions-added", kafka, tmp_path, partitions=2)
    topic = group.settings.outreach_topic
    _feed(group, lines[:500], tmp_path)
    workers = [Worker(group), Worker(group)]
    try:
        wait(lambda: all(worker.ready() for worker in workers), 60, "the workers are not ready")
        with closing(KafkaAdminClient(**connection(kafka))) as admin:
            admin.create_partitions({topic: 4})
        wait(lambda: len(_logged(group, "topic_problem")) == 2, 45, "not both workers have named the topic")
        for line in _logged(group, "topic_problem"):
            assert (line["level"], line["topic"]) == ("error", topic)
            assert f"topic {topic} has 4 partitions, and " in line["problem"]
            assert 'docs/operations.md, "Changing the number of partitions"' in line["problem"]
        assert all('volteface_topic_problems{severity="error"} 1.0' in each.page("/metrics") for each in workers)
        # The next assignment knows the new partitions.
        assert workers[0].stop() == 0
        wait(lambda: _tasks(workers[1]) == {"0": "running", "1": "running"}, 30, "the worker did not take the tasks")
        assert workers[1].stop() == 0
        assert "Traceback" not in (group.folder / "worker.log").read_text()
        assert len(_logged(group, "topic_problem")) == 2
    finally:
        for worker in workers:
            worker.kill()


def _sample(worker: Worker, name: str) -> float:
    """Return a sample's value; not a number if there is none."""
    found = [line for line in worker.page("/metrics").splitlines() if line.startswith(f"{name} ")]
    return float(found[0].split()[-1]) if found else math.nan


def _tasks(worker: Worker) -> dict[str, str]:
    """Return the states of a worker's tasks; none while it is not ready."""
    if not worker.ready():
        return {}
    found: dict[str, str] = json.loads(worker.page("/health/ready"))["tasks"]
    return found
