"""The ids of topics: only of those that Kafka describes."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from stream.config import KafkaSettings
from stream.ops.topic_ids import TopicIds

_ID = UUID(int=7)


@pytest.mark.parametrize(
    ("topic_id", "error_code", "known"),
    [
        (_ID, 0, {"a": str(_ID)}),
        (str(_ID), 0, {"a": str(_ID)}),
        (None, 29, {}),  # not authorized: no id is no other id
        (_ID, 29, {}),
        (None, 0, {}),
        (UUID(int=0), 0, {}),  # a broker before 2.8
    ],
)
def test_a_topic_that_may_not_be_described_has_no_id(
    topic_id: Any, error_code: int, known: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = TopicIds(KafkaSettings(), ["a"])
    answer = [{"name": "a", "topic_id": topic_id, "error_code": error_code, "partitions": [{}]}]
    monkeypatch.setattr(found, "_read", lambda: answer)
    assert asyncio.run(found.present()) == known
