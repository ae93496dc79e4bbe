"""Puts the present settings into a group's state, in place of those that it was built with.

Invariant: all partitions change in one transaction, and nothing changes while a worker of the group runs.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final, NamedTuple

import msgspec
from kafka import KafkaAdminClient, KafkaProducer

from stream.config import KafkaSettings, Settings
from stream.core.model.encoding import decode, encode
from stream.engine import deciding_settings
from stream.engine.checkpoint import POSITION, PositionRow
from stream.ops import topic_reader
from stream.ops.client import connection
from stream.ops.rebuild import check_stopped
from stream.ops.taken_over import named_takeover

_ACK_SECONDS: Final = 60


class AdoptedSetting(NamedTuple):
    """A setting whose value changes."""

    name: str
    before: str
    now: str


def adopt(settings: Settings, kafka: KafkaSettings) -> list[AdoptedSetting]:
    """Write the present settings into the state; return what changes.

    Raises:
        RebuildError: A worker of the group runs.
        DifferentTopicsError: The state was built from other topics.
        StateError: A row cannot be read.
        TakenOverError: Another command at the same time has ended this one; nothing of this one was written.
    """
    own = deciding_settings.deciding_settings(settings)
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        check_stopped(admin, settings)
    # Fences a second command at the same time, and ends the transaction of one that was killed.
    with (
        named_takeover("state adopt", "nothing of this one was written: run it again"),
        closing(
            KafkaProducer(**connection(kafka), acks="all", transactional_id=f"{settings.app_id}-adopt")
        ) as producer,
    ):
        producer.init_transactions()
        rows = _positions(settings, kafka)
        changes: set[AdoptedSetting] = set()
        for row in rows.values():
            deciding_settings.check_topics(row.settings, own)
            names = deciding_settings.differences(row.settings, own)
            changes |= {AdoptedSetting(name, row.settings[name], own[name]) for name in names}
        producer.begin_transaction()
        for partition, row in rows.items():
            value = encode(msgspec.structs.replace(row, settings=own))
            producer.send(settings.state_topic, key=POSITION, value=value, partition=partition).get(_ACK_SECONDS)
        producer.commit_transaction()
    return sorted(changes)


def _positions(settings: Settings, kafka: KafkaSettings) -> dict[int, PositionRow]:
    found: dict[int, PositionRow] = {}
    for record in topic_reader.read(kafka, settings.state_topic, peers=settings.read_topics):
        if record.key == POSITION:
            found.pop(record.partition, None)
            if record.value is not None:
                found[record.partition] = decode(record.value, PositionRow)
    return found
