"""What a round's Kafka and group are like: drawn once at its start.

Invariant: none of these conditions may change the round's result.
"""

from __future__ import annotations

from contextlib import closing
from random import Random
from typing import Final

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from stream.config import KafkaSettings
from stream.ops.client import connection
from tests.faults.kafka_troubles import LOSSES
from tests.faults.round_inputs import CODECS
from tests.kafka.group import PARTITIONS, Group

#: More workers than partitions.
SPARE_WORKERS: Final = PARTITIONS + 2
_SMALL_LETTER_BYTES: Final = "6000"
#: Kafka's cleaner then works all the time, also while the state is read.
_COMPACTED_AT_ONCE: Final = {
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "2000",
}


class Conditions:
    """The conditions of a round; each is there in half of the rounds.

    Attributes:
        names: The conditions, for the summary.
        loss: The trouble that loses records; None in half of the rounds.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        kinds = ("producers' codecs", "topics' codecs", "small dead-letter topics", "state compacted while it is read")
        self.names = [name for name in (*kinds, "spare workers", "odd headers") if chance.random() < 0.5]
        self.loss = chance.choice(LOSSES) if chance.random() < 0.5 else None

    @property
    def max_workers(self) -> int:
        """The most workers that run at a time."""
        return SPARE_WORKERS if "spare workers" in self.names else 3

    @property
    def first_workers(self) -> int:
        """How many workers start together."""
        return SPARE_WORKERS if "spare workers" in self.names else 1

    @property
    def odd_headers(self) -> bool:
        """Whether some records have odd headers."""
        return "odd headers" in self.names

    def draw_codec(self) -> str | None:
        """Return the codec of the next producer."""
        return self._chance.choice(CODECS) if "producers' codecs" in self.names else None

    def apply(self, group: Group, administrator: KafkaSettings) -> None:
        """Configure the topics of a new group."""
        settings = group.settings
        letters = [settings.dead_letter_topic(topic) for topic in settings.read_topics]
        own = [settings.state_topic, settings.evidence_topic, settings.alerts_topic, *letters]
        wanted: dict[str, dict[str, str]] = {topic: {} for topic in (*own, *settings.input_topics)}
        if "topics' codecs" in self.names:
            for configs in wanted.values():
                configs["compression.type"] = self._chance.choice(CODECS) or "producer"
        if "small dead-letter topics" in self.names:
            for topic in letters:
                wanted[topic]["max.message.bytes"] = _SMALL_LETTER_BYTES
        if "state compacted while it is read" in self.names:
            wanted[settings.state_topic] |= _COMPACTED_AT_ONCE
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)
            for topic, configs in wanted.items()
            if configs
        ]
        if resources:
            with closing(KafkaAdminClient(**connection(administrator))) as admin:
                admin.alter_configs(resources)
