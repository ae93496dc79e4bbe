"""Troubles of an ordinary Kafka: compaction, retention, foreign commits, small topics, topics that are created again.

Invariant: where no record is lost, the result must equal a clean run's. Records that expire unread must be reported.
After a topic was created again the workers must refuse to continue, until the state is built again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiokafka import TopicPartition

from stream.engine.task import TaskPhase
from tests.simulation.cluster import Cluster
from tests.simulation.input_markets import SETTINGS

#: All troubles; those in which records may be lost are the last two.
TROUBLES: Final = (
    "compaction",
    "read records expire",
    "foreign commit",
    "small dead-letter topics",
    "unread records expire",
    "topic created again",
)
#: The share of the runs in which records may be lost: by retention, and by topics that are created again.
_RETENTION_SHARE: Final = 0.2
_CREATED_AGAIN_SHARE: Final = 0.2
#: Dead letters of records with the feed's large header do not fit into a topic of this size; all fit without parts.
_SMALL_TOPIC_BYTES: Final = 3000


class KafkaTroubles:
    """Injects troubles into a cluster; a run has only some of the kinds."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._chance = cluster.chance
        self._kinds: dict[str, Callable[[], None]] = {
            "compaction": self._compact,
            "read records expire": self._expire_read,
            "foreign commit": self._commit_foreign_offsets,
            "small dead-letter topics": self._limit_letters,
            "unread records expire": self._expire_unread,
            "topic created again": self._create_again,
        }
        self._names = self._draw() if cluster.variant.trouble is None else [cluster.variant.trouble]

    def _draw(self) -> list[str]:
        share = self._chance.random()
        if share < _RETENTION_SHARE:
            return [name for name in TROUBLES if name != "topic created again"]
        if share < _RETENTION_SHARE + _CREATED_AGAIN_SHARE:
            return [name for name in TROUBLES if name != "unread records expire"]
        return list(TROUBLES[:4])

    def inject(self) -> None:
        """Inject one trouble."""
        self._kinds[self._chance.choice(self._names)]()

    def _partition(self) -> int:
        return self._chance.randrange(self._cluster.market.partition_count)

    def _compact(self) -> None:
        """Compact the cases topic, and the state topic also while it is read.

        No reader is slower than `delete.retention.ms`.
        """
        number = self._partition()
        reading = any(
            runner.task.partition == number and runner.task.phase is TaskPhase.RESTORING
            for worker in self._cluster.workers
            for runner in worker.runners
        )
        self._cluster.log.partitions[TopicPartition(SETTINGS.state_topic, number)].compact(not reading)
        self._cluster.log.partitions[TopicPartition(SETTINGS.cases_topic, number)].compact()
        self._cluster.count("compaction while the state is read" if reading else "compaction")

    def _expire_read(self) -> None:
        """Let records expire that the state has done: the group's offsets may be foreign ones."""
        log, tp = self._cluster.log, TopicPartition(self._chance.choice(SETTINGS.read_topics), self._partition())
        offsets = self._cluster.state_offsets(tp.partition)
        if offsets is not None and not self._cluster.created_again:
            log.partitions[tp].expire(offsets[SETTINGS.read_topics.index(tp.topic)])
            self._cluster.count("read records expired")

    def _expire_unread(self) -> None:
        """Let some input records expire after the group's offset, or that a running task has not fetched yet."""
        log, number = self._cluster.log, self._partition()
        topics = [TopicPartition(topic, number) for topic in SETTINGS.input_topics]
        behind = [
            (tp, runner.position(stream))
            for worker in self._cluster.workers
            for runner in worker.runners
            for stream, tp in enumerate(topics)
            if runner.task.partition == number and 0 < runner.position(stream) < log.partitions[tp].last_stable_offset
        ]
        tp, after = self._chance.choice(behind or [(tp, log.group_offsets.get(tp, 0)) for tp in topics])
        partition = log.partitions[tp]
        reach = self._chance.randint(0, max(20, len(partition.records) // 4))
        partition.expire(max(after, partition.beginning) + reach)
        self._cluster.count("unread records expired")

    def _commit_foreign_offsets(self) -> None:
        """Another consumer with the group's id commits its offsets of a task that has a state."""
        log, number = self._cluster.log, self._partition()
        if self._cluster.state_offsets(number) is not None:
            for topic in SETTINGS.read_topics:
                partition = log.partitions[TopicPartition(topic, number)]
                offset = self._chance.randint(partition.beginning, partition.last_stable_offset)
                log.group_offsets[TopicPartition(topic, number)] = offset
            self._cluster.count("foreign commit")

    def _limit_letters(self) -> None:
        """Give a dead-letter topic a small limit, or compact it."""
        topic = SETTINGS.dead_letter_topic(self._chance.choice(SETTINGS.read_topics))
        if self._chance.random() < 0.5:
            self._cluster.log.max_bytes[topic] = _SMALL_TOPIC_BYTES
            self._cluster.count("small dead-letter topic")
        else:
            self._cluster.log.keyed.add(topic)
            self._cluster.count("compacted dead-letter topic")

    def _create_again(self) -> None:
        """Delete a topic and create it again; the producers of an input may send its records again."""
        cluster = self._cluster
        topic = self._chance.choice((*SETTINGS.read_topics, SETTINGS.state_topic))
        cluster.create_again(topic)
        if topic == SETTINGS.evidence_topic:  # no worker refuses it that has not read it yet
            cluster.feed.add_foreign_messages()
        if topic in SETTINGS.input_topics and self._chance.random() < 0.5:
            cluster.feed.send_again(SETTINGS.input_topics.index(topic))
