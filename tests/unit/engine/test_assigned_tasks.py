"""A task runs only if its partitions of all topics are with one worker, whatever the group assigns."""

from __future__ import annotations

from types import SimpleNamespace

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from stream.config import Settings
from stream.engine.assigned_tasks import assigned_tasks
from stream.engine.deciding_settings import deciding_settings
from stream.engine.group_members import assignor_of

TOPICS = ["reviews", "outreach"]


def test_a_task_that_lacks_a_partition_is_incomplete() -> None:
    tasks = assigned_tasks([("reviews", 0), ("outreach", 0), ("outreach", 1), ("other", 2)], TOPICS, 4)
    assert tasks == ({0}, {1}, {"reviews": [1]})


def test_partitions_that_not_all_topics_have_are_no_tasks() -> None:
    assigned = [("reviews", 0), ("reviews", 1), ("outreach", 0)]
    assert assigned_tasks(assigned, TOPICS, 1) == ({0}, set(), {})
    assert assigned_tasks([], TOPICS, 1) == (set(), set(), {})


def test_workers_keep_equal_partitions_when_one_topic_has_more() -> None:
    settings = Settings()
    counts = dict.fromkeys(settings.read_topics, 2) | {settings.outreach_topic: 4, "foreign": 4}
    cluster = SimpleNamespace(partitions_for_topic=lambda topic: set(range(counts[topic])))
    member = ConsumerProtocolMemberMetadata(0, list(settings.read_topics), b"")
    other = ConsumerProtocolMemberMetadata(0, ["foreign"], b"")
    assignor = assignor_of(deciding_settings(settings))
    shared = assignor.assign(cluster, {"a": member, "b": member, "c": other})
    found = {name: dict(assignment.assignment) for name, assignment in shared.items()}
    assert found["a"] == {topic: [0] for topic in settings.read_topics}
    assert found["b"] == {topic: [1] for topic in settings.read_topics}
    assert found["c"] == {"foreign": [0, 1, 2, 3]}
