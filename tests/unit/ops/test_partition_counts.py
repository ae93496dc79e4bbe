"""Partition counts that differ have one wording, whoever finds them."""

from __future__ import annotations

import pytest

from stream.ops.partition_counts import difference, repair


def test_equal_counts_are_no_difference() -> None:
    assert difference({}) is None
    assert difference({"a": 4, "b": 4}) is None


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({"a": 4, "b": 1, "c": 4}, "topic b has 1 partitions, and a, c have 4"),
        ({"a": 4, "b": 1}, "topic b has 1 partitions, and a has 4"),
        ({"a": 1, "b": 2, "c": 3, "d": 3}, "topic a has 1 partitions and topic b has 2 partitions, and c, d have 3"),
    ],
)
def test_all_counts_are_named(counts: dict[str, int], text: str) -> None:
    found = difference(counts)
    assert found is not None
    assert found.text == f"partition counts differ: {text}. Inputs, evidence and state need the same number"
    assert counts[found.topic] < max(counts.values())
    assert f"--topic {found.topic} --partitions {max(counts.values())}" in repair(counts)
