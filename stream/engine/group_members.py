"""The deciding settings of a group's members, which each member sends to the group's coordinator when it joins.

Invariant: a state records its settings, so this is only for the first start of a group, before there is a state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from stream.config import KafkaSettings
from stream.engine.kafka_auth import connection

_settings = msgspec.json.Decoder(dict[str, str]).decode


def assignor_of(settings: Mapping[str, str]) -> type[RangePartitionAssignor]:
    """Return the range assignor whose members send these settings as their data."""
    data = msgspec.json.encode(settings)

    class Assignor(RangePartitionAssignor):  # type: ignore[misc]  # aiokafka ships no types
        @classmethod
        def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
            return ConsumerProtocolMemberMetadata(cls.version, list(topics), data)

    return Assignor


async def settings_of_members(kafka: KafkaSettings, group: str) -> list[dict[str, str]]:
    """Return the settings of each member that has sent them: earlier versions do not.

    While the group's assignment changes, Kafka returns no data of members; after each change the tasks start again.
    """
    client = AIOKafkaAdminClient(**connection(kafka))
    await client.start()
    try:
        (response,) = await client.describe_consumer_groups([group])
    finally:
        await client.close()
    members = [member for described in response.groups for member in described[5]]
    data = [ConsumerProtocolMemberMetadata.decode(member[3]).user_data for member in members if member[3]]
    return [_settings(each) for each in data if each]
