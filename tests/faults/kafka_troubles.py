"""Troubles of an ordinary Kafka during a round: rights, foreign commits, retention, topics that are created again.

Invariant: a round has at most one trouble that loses records; the others must not change its result.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from stream.contract.events import STREAMS
from stream.ops import topics
from stream.ops.client import connection
from tests.faults.fault_schedule import running_workers, stop_all
from tests.faults.restricted import RestrictedBroker, rights
from tests.faults.round_inputs import RoundInputs
from tests.kafka.group import PARTITIONS, Group, Worker, wait

#: The troubles that lose records, and that a round has at most one of.
LOSSES: Final = (
    "unread records expire, workers stopped",
    "unread records expire, worker frozen",
    "topic created again, workers stopped",
    "topic created again, workers running",
)
_DENIED_SECONDS: Final = (2.0, 15.0)
_FROZEN_SECONDS: Final = 5.0
_REFUSAL_SECONDS: Final = 120.0
_EMPTY_GROUP_SECONDS: Final = 60.0


class KafkaTroubles:
    """The troubles of one round.

    Args:
        group, inputs: The round's group and its input topics.
        broker: The broker, for its administrator.
        chance: Chooses.

    Attributes:
        written_since: By topic and partition, where alerts and dead letters begin that belong to the present state.
    """

    def __init__(self, group: Group, inputs: RoundInputs, broker: RestrictedBroker, chance: Random) -> None:
        self._group = group
        self._inputs = inputs
        self._broker = broker
        self._chance = chance
        self.written_since: dict[str, dict[int, int]] = {}
        self.kinds: dict[str, Callable[[], None]] = {
            "a right taken, and given back": self._take_right,
            "offsets committed by another consumer": self._commit_foreign_offsets,
        }
        self._losses: dict[str, Callable[[], None]] = dict(
            zip(
                LOSSES,
                (self._expire_stopped, self._expire_frozen, self._again_stopped, self._again_running),
                strict=True,
            )
        )

    def lose(self, name: str) -> None:
        """Inject one of LOSSES."""
        self._losses[name]()

    def _admin(self) -> Any:
        return closing(KafkaAdminClient(**connection(self._broker.administrator)))

    def _take_right(self) -> None:
        right = self._chance.choice(rights(self._group.settings))
        self._broker.take(*right)
        time.sleep(self._chance.uniform(*_DENIED_SECONDS))
        self._broker.give_back(*right)

    def _commit_foreign_offsets(self) -> None:
        """Kafka takes such a commit only while the group has no members."""
        stop_all(self._group)
        self._wait_for_empty_group()
        settings = self._group.settings
        options = {"group_id": settings.app_id, "enable_auto_commit": False}
        with closing(KafkaConsumer(**connection(self._broker.administrator) | options)) as foreign:
            partitions = [TopicPartition(topic, n) for topic in settings.input_topics for n in range(PARTITIONS)]
            begun = [tp for tp in partitions if foreign.committed(tp)]  # a task without a state refuses foreign ones
            ends = foreign.end_offsets(begun)
            offsets = {tp: OffsetAndMetadata(self._chance.randint(0, end), "", -1) for tp, end in ends.items()}
            if offsets:
                foreign.commit(offsets)

    def _wait_for_empty_group(self) -> None:
        def empty() -> bool:
            group_id = self._group.settings.app_id
            try:
                with self._admin() as admin:
                    return not admin.describe_groups([group_id])[group_id]["members"]
            except KafkaError:  # a coordinator that has just started does not know its groups yet
                return False

        wait(empty, _EMPTY_GROUP_SECONDS, "the group keeps members although no worker runs")

    def _expire_stopped(self) -> None:
        """What one worker reports at its start is counted exactly: the log, the metric and the records agree."""
        stop_all(self._group)
        before = len(reported_gaps(self._group))
        self._delete_records()
        worker = Worker(self._group)
        wait(worker.ready, 90, "the worker is not ready after records have expired")
        reported = sum(gap["last"] - gap["first"] for gap in reported_gaps(self._group)[before:])
        wait(lambda: expired_records(worker) >= reported, 30, "the expired records are not counted")

    def _expire_frozen(self) -> None:
        """The worker resumes within its session and finds that its next record has expired."""
        running = running_workers(self._group)
        for worker in running[1:]:
            worker.kill()
        for worker in running[:1]:
            worker.process.send_signal(signal.SIGSTOP)
        self._delete_records()
        time.sleep(self._chance.uniform(0, _FROZEN_SECONDS))
        for worker in running[:1]:
            worker.process.send_signal(signal.SIGCONT)

    def _delete_records(self) -> None:
        """Let records of one input expire: in each partition up to an offset after the group's."""
        stream = self._chance.randrange(len(STREAMS))
        topic = self._group.settings.input_topics[stream]
        with self._admin() as admin:
            group_id = self._group.settings.app_id
            committed = admin.list_group_offsets(group_id)[group_id]
            upto: dict[TopicPartition, int] = {}
            for number in range(PARTITIONS):
                tp = TopicPartition(topic, number)
                if tp in committed:  # without a state nothing is known to have expired
                    first = max(0, committed[tp].offset)
                    upto[tp] = first + round((self._inputs.count(stream, number) - first) * self._chance.random())
            admin.delete_records(upto)

    def _again_stopped(self) -> None:
        stop_all(self._group)
        self._create_again()
        worker = Worker(self._group)
        wait(lambda: worker.process.poll() is not None, _REFUSAL_SECONDS, "the worker goes on with another topic")
        self._rebuild()

    def _again_running(self) -> None:
        if not running_workers(self._group):
            Worker(self._group)
        self._create_again()
        wait(lambda: refusals(self._group) > 0, _REFUSAL_SECONDS, "no worker notices that a topic is another one")
        self._rebuild()

    def _create_again(self) -> None:
        settings = self._group.settings
        topic = self._chance.choice((*settings.read_topics, settings.state_topic))
        with self._admin() as admin:
            admin.delete_topics([topic])
            wait(lambda: topic not in admin.list_topics(), 30, f"{topic} was not deleted")
        time.sleep(1)  # a topic of the same name can be created once its files are gone
        topics.create(settings, self._broker.administrator, PARTITIONS, 1)
        if topic in settings.input_topics:
            stream = settings.input_topics.index(topic)
            self._inputs.created_again(stream, self._chance.choice((0.0, 0.5, 1.0)))

    def _rebuild(self) -> None:
        """Do what the refusal advises."""
        assert refusals(self._group), "a worker ended without a LogError"
        for worker in running_workers(self._group):
            worker.kill()
        self._wait_for_empty_group()
        self._group.command("state", "rebuild")
        settings = self._group.settings
        written = [settings.alerts_topic, settings.cases_topic, *map(settings.dead_letter_topic, settings.read_topics)]
        with closing(KafkaConsumer(**connection(self._broker.administrator))) as consumer:
            for topic in written:
                partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
                ends = consumer.end_offsets(partitions)
                self.written_since[topic] = {tp.partition: end for tp, end in ends.items()}


def log_lines(group: Group) -> list[str]:
    """Return the lines of all workers of a group."""
    return (group.folder / "worker.log").read_text(errors="replace").splitlines()


def refusals(group: Group) -> int:
    """Return how many workers ended because their state does not belong to the topics."""
    return sum('"error": "LogError: ' in line and '"event": "fatal"' in line for line in log_lines(group))


def reported_gaps(group: Group) -> list[dict[str, Any]]:
    """Return what workers logged about expired records, in order."""
    return [json.loads(line) for line in log_lines(group) if '"records_expired"' in line]


def expired_records(worker: Worker) -> float:
    """Return `volteface_expired_records_total` of a worker."""
    lines = worker.page("/metrics").splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("volteface_expired_records_total{"))
