"""The members of a worker's group: their deciding settings, their partitions, and how a leader shares these out.

Invariant: a worker sends its settings when it joins, so that the group's coordinator tells workers from other consumers
under the group id. A state records its settings, so they matter only for the first start, before there is a state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from stream.config import KafkaSettings
from stream.engine.deciding_settings import topics_of
from stream.engine.kafka_auth import connection

_settings = msgspec.json.Decoder(dict[str, str]).decode


class Member(NamedTuple):
    """A member of the group.

    Attributes:
        client, host: How it names itself, and from where it is connected.
        settings: The deciding settings; None for another consumer and for earlier versions.
        subscribed: The topics that it reads.
        assigned: Its partitions.
    """

    client: str
    host: str
    settings: Mapping[str, str] | None
    subscribed: frozenset[str]
    assigned: frozenset[tuple[str, int]]


class _EqualCounts:
    """A cluster in which the topics of a task have the same number of partitions: those that all of them have."""

    def __init__(self, cluster: Any, topics: Iterable[str]) -> None:
        self._cluster = cluster
        self._topics = frozenset(topics)

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        found: set[int] | None = self._cluster.partitions_for_topic(topic)
        if topic not in self._topics or found is None:
            return found
        return found.intersection(*filter(None, map(self._cluster.partitions_for_topic, self._topics)))


def assignor_of(settings: Mapping[str, str]) -> type[RangePartitionAssignor]:
    """Return the range assignor whose members send these settings as their data.

    If a topic has more partitions than the others, these are not assigned: else equal numbers of partitions would not
    lie with the same worker.
    """
    data = msgspec.json.encode(settings)
    read = topics_of(settings)

    class Assignor(RangePartitionAssignor):  # type: ignore[misc]  # aiokafka ships no types
        @classmethod
        def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
            return ConsumerProtocolMemberMetadata(cls.version, list(topics), data)

        @classmethod
        def assign(
            cls, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
        ) -> dict[str, ConsumerProtocolMemberAssignment]:
            found: dict[str, ConsumerProtocolMemberAssignment] = super().assign(_EqualCounts(cluster, read), members)
            return found

    return Assignor


async def members_of(kafka: KafkaSettings, group: str) -> list[Member]:
    """Return the group's members; none while its assignment changes: Kafka then returns no data of members."""
    if kafka.mock:  # it closes the connection when it is asked for a group
        return []
    client = AIOKafkaAdminClient(**connection(kafka))
    await client.start()
    try:
        (response,) = await client.describe_consumer_groups([group])
    finally:
        await client.close()
    return [_member(*member[1:5]) for described in response.groups for member in described[5] if member[3]]


async def settings_of_members(kafka: KafkaSettings, group: str) -> list[Mapping[str, str]]:
    """Return the settings of each member that has sent them. After each change of the group the tasks start again."""
    return [member.settings for member in await members_of(kafka, group) if member.settings is not None]


def _member(client: str, host: str, metadata: bytes, assignment: bytes) -> Member:
    sent = ConsumerProtocolMemberMetadata.decode(metadata)
    shared = ConsumerProtocolMemberAssignment.decode(assignment).assignment if assignment else []
    return Member(
        client,
        host.removeprefix("/"),
        _settings_sent(sent.user_data),
        frozenset(sent.subscription),
        frozenset((topic, number) for topic, numbers in shared for number in numbers),
    )


def _settings_sent(data: bytes | None) -> Mapping[str, str] | None:
    """Return a worker's settings; other consumers send no data, or data of their own."""
    try:
        return _settings(data) if data else None
    except msgspec.DecodeError:
        return None
