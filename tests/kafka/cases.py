"""Cases from a replay and from the cases topic, in a form that can be compared.

Invariant: a case's position is left out: it says how far a worker had come, and is no function of the input.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from stream.ops import topic_reader
from tests.kafka.group import Group


def by_id(lines: Iterable[str | bytes]) -> dict[str, Any]:
    """Return cases, given as JSON documents, by their ids."""
    cases = [json.loads(line) for line in lines]
    return {case["case_id"]: {**case, "position": None} for case in cases}


def latest(group: Group, written_since: Mapping[str, dict[int, int]]) -> dict[str, Any]:
    """Return the latest committed record of each case.

    Args:
        group: The group whose cases topic is read.
        written_since: By topic and partition, the offset at which a topic is read from, if not from its beginning.
    """
    topic = group.settings.cases_topic
    records = topic_reader.read(group.kafka, topic, positions=dict(written_since.get(topic, {})))
    values = {record.key: record.value for record in records}
    return by_id(value for value in values.values() if value is not None)
