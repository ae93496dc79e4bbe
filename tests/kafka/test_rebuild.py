"""`volteface state rebuild` changes nothing unless it can do all of it, and says what is in its way."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, TopicPartition

from stream.market import simulate
from stream.ops.client import connection
from tests.kafka.group import PARTITIONS, Group, Worker, argv, wait

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return [line.rstrip(b"\n") for line in simulate.simulate("bribes", 1, 10, 60).lines]


def _refusal(group: Group, *arguments: str) -> str:
    done = subprocess.run(
        argv(*arguments), env=group.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


def _offsets(group: Group) -> dict[TopicPartition, int]:
    with closing(KafkaAdminClient(**connection(group.kafka))) as admin:
        found = admin.list_group_offsets([group.settings.app_id])[group.settings.app_id]
    return {tp: entry.offset for tp, entry in found.items()}


def test_a_rebuild_without_its_state_topic_changes_nothing(group: Group, lines: list[bytes]) -> None:
    (group.folder / "events.jsonl").write_bytes(b"\n".join(lines[:300]))
    group.command("feed", "--input", str(group.folder / "events.jsonl"))
    worker = Worker(group)
    worker.wait_for(300)
    assert worker.stop() == 0
    before = _offsets(group)
    assert sum(before.values()) >= 300
    with closing(KafkaAdminClient(**connection(group.kafka))) as admin:
        admin.delete_topics([group.settings.state_topic])
    create = f"volteface topics create --partitions {PARTITIONS}"
    expected = f"topic {group.settings.state_topic} does not exist: run `{create}`"
    wait(lambda: expected in _refusal(group, "state", "rebuild"), 30, "the refusal does not name the topic")
    assert _offsets(group) == before


def test_a_killed_worker_counts_until_its_session_ends(group: Group) -> None:
    worker = Worker(group)
    wait(worker.ready, 60, "the worker is not ready")
    worker.kill()
    stderr = _refusal(group, "state", "rebuild")
    assert f"Kafka counts 1 worker of group {group.settings.app_id}: stop all workers first." in stderr
    assert "VOLTEFACE_SESSION_TIMEOUT_SECONDS" in stderr
    seconds = group.settings.session_timeout_seconds

    def rebuilt() -> bool:
        done = subprocess.run(
            argv("state", "rebuild"), env=group.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode == 0 and json.loads(done.stdout)["partitions"] == PARTITIONS

    wait(rebuilt, seconds + 20, "the session does not end")
