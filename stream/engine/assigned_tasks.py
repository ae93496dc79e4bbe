"""Which tasks a worker can run with the partitions that the group has assigned to it.

Invariant: pure. A task needs its partition of every topic that it reads: without one of them its state would differ
from a replay's for good.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

#: Partition numbers by topic.
ByTopic = Mapping[str, Sequence[int]]


class AssignedTasks(NamedTuple):
    """The tasks of an assignment.

    Attributes:
        whole: The partition numbers that are assigned in all topics.
        incomplete: Those that are assigned in some topics only.
        missing: The partitions that the incomplete tasks lack.
    """

    whole: set[int]
    incomplete: set[int]
    missing: ByTopic


def assigned_tasks(assigned: Iterable[tuple[str, int]], topics: Sequence[str], count: int) -> AssignedTasks:
    """Return the tasks of an assignment.

    Args:
        assigned: Topics and partition numbers.
        topics: The topics that each task reads.
        count: The number of partitions that all topics have; higher numbers are no tasks.
    """
    found: dict[int, set[str]] = defaultdict(set)
    for topic, partition in assigned:
        if topic in topics and partition < count:
            found[partition].add(topic)
    incomplete = {partition for partition, its in found.items() if len(its) < len(topics)}
    missing = {topic: sorted(number for number in incomplete if topic not in found[number]) for topic in topics}
    return AssignedTasks(
        found.keys() - incomplete, incomplete, {topic: numbers for topic, numbers in missing.items() if numbers}
    )
