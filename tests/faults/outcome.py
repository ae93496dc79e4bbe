"""What a round left in Kafka, compared with a replay.

Invariant: alerts, cases and dead letters from before a rebuild of the state are left out: the rebuilt state writes them
again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stream.ops import topic_reader
from tests.kafka.cases import latest
from tests.kafka.group import Group


def assert_equals(
    group: Group,
    expected: dict[str, Any],
    ids: list[str],
    cases: dict[str, Any],
    written_since: Mapping[str, dict[int, int]],
) -> None:
    """Check that state, alerts, cases and dead letters equal a replay's, and that no alert occurs twice.

    Args:
        group: The group, whose workers are stopped.
        expected: The output of `volteface replay`.
        ids: The ids of the replay's alerts.
        cases: The replay's cases by id.
        written_since: By topic and partition, the offset at which a topic is read from, if not from its beginning.
    """
    settings = group.settings

    def values(topic: str) -> list[bytes]:
        return [
            record.value
            for record in topic_reader.read(group.kafka, topic, positions=dict(written_since.get(topic, {})))
        ]

    assert json.loads(group.command("state", "digest")) == expected["state_digest"]
    found = sorted(json.loads(value)["alert_id"] for value in values(settings.alerts_topic))
    assert found == ids, f"alerts: {len(set(found) - set(ids))} too many, {len(set(ids) - set(found))} missing"
    assert len(found) == len(set(found))
    held = latest(group, written_since)
    different = sorted(name for name in held.keys() | cases if held.get(name) != cases.get(name))
    assert not different, f"cases that differ: {[(held.get(name), cases.get(name)) for name in different[:2]]}"
    letters = sum(len(values(settings.dead_letter_topic(topic))) for topic in settings.input_topics)
    assert letters == expected["dead"], f"{letters} dead letters, a replay has {expected['dead']}"
