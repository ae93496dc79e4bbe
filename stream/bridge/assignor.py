"""How the members of the bridge's group share the topics out.

Invariant: one member owns a partition number of all topics, whatever their numbers of partitions are: the number is a
task with one transactional producer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata


class NumberAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka ships no types
    """Assigns ranges of partition numbers."""

    name = "volteface-number"
    version = 0

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return what a member sends when it joins."""
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Do nothing: an assignment is not remembered."""

    @classmethod
    def assign(
        cls, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return the partitions of each member.

        Members with fewer topics than others get none: while a mapping with another topic is rolled out, two members
        must not own one number.
        """
        most = max((frozenset(each.subscription) for each in members.values()), key=lambda each: (len(each), min(each)))
        owners = sorted(name for name, each in members.items() if frozenset(each.subscription) == most)
        numbers = {topic: sorted(cluster.partitions_for_topic(topic) or ()) for topic in sorted(most)}
        count = max((its[-1] + 1 for its in numbers.values() if its), default=0)
        shares: dict[str, dict[str, list[int]]] = {name: {} for name in members}
        for topic, its in numbers.items():
            for number in its:
                shares[owners[number * len(owners) // count]].setdefault(topic, []).append(number)
        return {
            name: ConsumerProtocolMemberAssignment(cls.version, sorted(share.items()), b"")
            for name, share in shares.items()
        }
