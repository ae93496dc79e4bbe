"""Partition counts of topics that need the same, in words.

Invariant: pure. One wording says how counts differ, of topics that exist and of those that would be made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple


class CountDifference(NamedTuple):
    """Unequal partition counts: a topic that has not the usual one, and all counts in words."""

    topic: str
    text: str


def difference(counts: Mapping[str, int]) -> CountDifference | None:
    """Return how partition counts differ; None if they are equal."""
    if len(set(counts.values())) <= 1:
        return None
    topics_by_count = Counter(counts.values())
    usual = max(topics_by_count, key=lambda count: (topics_by_count[count], count))
    odd = [name for name, count in sorted(counts.items()) if count != usual]
    found = " and ".join(f"topic {name} has {counts[name]} partitions" for name in odd)
    others = ", ".join(name for name, count in sorted(counts.items()) if count == usual)
    return CountDifference(
        odd[0],
        f"partition counts differ: {found}, and {others} {'have' if ',' in others else 'has'} {usual}. Inputs, "
        "evidence and state need the same number",
    )


def repair(counts: Mapping[str, int]) -> str:
    """Return what follows from different counts of existing topics, and what to do."""
    most = max(counts.values())
    small = [name for name, count in sorted(counts.items()) if count < most]
    grow = " and ".join(f"kafka-topics.sh --alter --topic {name} --partitions {most}" for name in small)
    return (
        "Workers read only the partitions that all have. A topic that Kafka created by itself has the broker's "
        f"default. While {' and '.join(small)} hold no records, run {grow}. Kafka takes no partitions away, so with "
        "records in them make new topics and feed the events again: see docs/operations.md, "
        '"Changing the number of partitions"'
    )
