"""Topics that differ from their contract, on a real Kafka: found before a worker starts, and while it runs."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Sequence

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from stream.config import KafkaSettings
from stream.ops import topics
from stream.ops.client import connection
from stream.ops.topics import TopicProblem
from stream.topic_watch import TopicWatch
from tests.kafka.group import Group, Worker, argv, wait

pytestmark = pytest.mark.kafka


def _set(kafka: KafkaSettings, topic: str, **configs: str) -> None:
    """Change a topic's configuration, and wait until Kafka reports it."""
    named = {name.replace("_", "."): value for name, value in configs.items()}
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=named)
    with KafkaAdminClient(**connection(kafka)) as admin:
        admin.alter_configs([resource])
        wait(lambda: named.items() <= topics._configs(admin, [topic])[topic].items(), 10, "the change did not arrive")


def _check(group: Group) -> tuple[int, list[str]]:
    """Return exit code and lines of `topics check`."""
    done = subprocess.run(
        argv("topics", "check"), env=group.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def test_what_create_makes_is_as_it_should_be_and_warnings_stop_nothing(group: Group) -> None:
    assert _check(group) == (0, ["all topics are as they should be"])
    _set(group.kafka, group.settings.outreach_topic, retention_ms="604800000")
    code, (line,) = _check(group)
    assert code == 0
    assert line.startswith(f"warning: topic {group.settings.outreach_topic} has retention.ms=604800000: ")
    worker = Worker(group)
    wait(worker.ready, 60, "the worker did not start")
    assert 'volteface_topic_problems{severity="warning"} 1.0' in worker.page("/metrics")
    assert 'volteface_topic_problems{severity="error"} 0.0' in worker.page("/metrics")
    assert worker.stop() == 0
    logged = [
        json.loads(line) for line in (group.folder / "worker.log").read_text().splitlines() if "topic_pro" in line
    ]
    assert [(entry["level"], entry["topic"]) for entry in logged] == [("warning", group.settings.outreach_topic)]


def test_a_worker_refuses_an_input_that_loses_events(group: Group) -> None:
    _set(group.kafka, group.settings.lifecycle_topic, cleanup_policy="compact")
    _set(group.kafka, group.settings.alerts_topic, min_insync_replicas="2")
    code, lines = _check(group)
    assert code == 1
    assert lines[0].startswith(f"error: topic {group.settings.lifecycle_topic} has cleanup.policy=compact: ")
    assert lines[1].startswith(f"error: topic {group.settings.alerts_topic} has min.insync.replicas=2 but 1 replicas")
    done = subprocess.run(
        argv("worker"), env=group.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.splitlines()) == (1, [line.removeprefix("error: ") for line in lines])


def test_a_change_under_a_running_worker_is_reported_once_and_until_it_is_undone(
    group: Group, capsys: pytest.CaptureFixture[str]
) -> None:
    reports: list[list[TopicProblem]] = []

    def report(problems: Sequence[TopicProblem]) -> None:
        reports.append(list(problems))

    watch = TopicWatch(group.settings, group.kafka, report)
    watch.start()
    topic = group.settings.access_topic
    _set(group.kafka, topic, cleanup_policy="compact")
    asyncio.run(watch.check())
    asyncio.run(watch.check())
    _set(group.kafka, topic, cleanup_policy="delete")
    asyncio.run(watch.check())
    assert [[problem.topic for problem in problems] for problems in reports] == [[], [topic], [topic], []]
    logged = capsys.readouterr().out
    assert logged.count("topic_problem ") == 1
    assert logged.count("topic_problem_solved") == 1
