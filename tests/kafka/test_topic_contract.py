"""Topics that differ from their contract, on a real Kafka: found before a worker starts, and while it runs."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Sequence

import pytest

from stream.ops.topics import TopicProblem
from stream.topic_watch import TopicWatch
from tests.kafka.group import Group, Worker, argv, configure, fatal_errors, wait

pytestmark = pytest.mark.kafka


def _check(group: Group) -> tuple[int, list[str]]:
    """Return exit code and lines of `topics check`."""
    done = subprocess.run(
        argv("topics", "check"), env=group.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def test_what_create_makes_is_as_it_should_be_and_warnings_stop_nothing(group: Group) -> None:
    assert _check(group) == (0, ["all topics are as they should be"])
    configure(group.kafka, group.settings.outreach_topic, retention_ms="604800000")
    code, (line,) = _check(group)
    assert code == 0
    assert line.startswith(f"warning: topic {group.settings.outreach_topic} has retention.ms=604800000: ")
    configure(group.kafka, group.settings.state_topic, unclean_leader_election_enable="true")
    code, (_, line) = _check(group)
    assert code == 0
    assert line.startswith(f"warning: topic {group.settings.state_topic} has unclean.leader.election.enable=true: ")
    configure(group.kafka, group.settings.state_topic, unclean_leader_election_enable="false")
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
    configure(group.kafka, group.settings.lifecycle_topic, cleanup_policy="compact")
    configure(group.kafka, group.settings.alerts_topic, min_insync_replicas="2")
    code, lines = _check(group)
    assert code == 1
    assert lines[0].startswith(f"error: topic {group.settings.lifecycle_topic} has cleanup.policy=compact: ")
    assert lines[1].startswith(f"error: topic {group.settings.alerts_topic} has min.insync.replicas=2 but 1 replicas")
    done = subprocess.run(
        argv("worker"), env=group.environment, capture_output=True, text=True, timeout=60, check=False
    )
    problems = "; ".join(line.removeprefix("error: ") for line in lines)
    assert (done.returncode, fatal_errors(done.stderr)) == (1, [f"TopicsError: {problems}"])


def test_a_change_under_a_running_worker_is_reported_once_and_until_it_is_undone(
    group: Group, capsys: pytest.CaptureFixture[str]
) -> None:
    reports: list[list[TopicProblem]] = []

    def report(problems: Sequence[TopicProblem]) -> None:
        reports.append(list(problems))

    watch = TopicWatch(group.settings, group.kafka, report)
    watch.start()
    topic = group.settings.access_topic
    configure(group.kafka, topic, cleanup_policy="compact")
    asyncio.run(watch.check())
    asyncio.run(watch.check())
    configure(group.kafka, topic, cleanup_policy="delete")
    asyncio.run(watch.check())
    assert [[problem.topic for problem in problems] for problems in reports] == [[], [topic], [topic], []]
    logged = capsys.readouterr().out
    assert logged.count("topic_problem ") == 1
    assert logged.count("topic_problem_solved") == 1
