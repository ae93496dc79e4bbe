"""Upper bounds of the rate: a loop that only fetches, decodes, merges and applies, and one that only calls the core.

The first shows the cost of the engine, the second the cost of replay.
"""

from __future__ import annotations

import asyncio
import math
import time
from operator import itemgetter
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.config import KafkaSettings, Settings
from stream.contract.events import STREAMS, AnyEvent, Event
from stream.core.detector import Detector
from stream.core.merge import Merge
from stream.engine.kafka_auth import connection
from stream.intake.intake import Intake
from stream.offline.local_bus import LocalTasks
from stream.ops.memory import collect_less_often
from tests.bench.rate import Rate


class _Task:
    """One partition, processed as in `engine.task`, without positions, dead letters and rows."""

    def __init__(self, partition: int, partitions: int, settings: Settings) -> None:
        self.partition = partition
        self.intake = Intake(settings, partitions)
        self.detector = Detector(settings.alert_budget, settings.config_digest, partition, partitions)
        self.merge: Merge[object, Event] = Merge(len(STREAMS), settings.allowed_lateness_seconds, self._read)

    def _read(self, stream: int, record: object) -> tuple[float, int, Event]:
        key, value, offset = record.key, record.value, record.offset  # type: ignore[attr-defined]  # aiokafka's
        at, event = self.intake.decode(stream, self.partition, key, value, time.time())
        return at, offset, event

    def step(self, idle: bool) -> int:
        # Tasks do not wait for each other and exchange no messages about staff.
        taken = self.merge.take(lambda _: idle, 100_000, math.inf)
        for at, _, _, event, late in taken:
            self.detector.apply(event, at, late)
        self.merge.finish(taken)
        self.detector.take_outbox()
        return len(taken)


async def _loop(settings: Settings, kafka: KafkaSettings, total: int, partitions: int) -> float:
    tasks = [_Task(partition, partitions, settings) for partition in range(partitions)]
    streams = {topic: stream for stream, topic in enumerate(settings.input_topics)}
    consumer = AIOKafkaConsumer(**connection(kafka), enable_auto_commit=False)  # fetches as large as the worker's
    await consumer.start()
    rate, done = Rate(total), 0
    try:
        consumer.assign([TopicPartition(topic, task.partition) for topic in streams for task in tasks])
        await consumer.seek_to_beginning()
        while not rate.done:
            fetched = await consumer.getmany(timeout_ms=200, max_records=5000)
            for tp, records in fetched.items():
                tasks[tp.partition].merge.streams[streams[tp.topic]].inbox.extend(records)
            done += sum(task.step(idle=not fetched) for task in tasks)
            rate.add_sample(done)
    finally:
        await consumer.stop()
    return rate.per_second


def run(settings: Settings, kafka: KafkaSettings, total: int, partitions: int) -> float:
    """Return the rate in events/s."""
    collect_less_often()
    return asyncio.run(_loop(settings, kafka, total, partitions))


def core_only(settings: Settings, source: Path, partitions: int) -> float:
    """Return the rate in events/s; all events are decoded and sorted before the measurement starts."""
    collect_less_often()
    decode = msgspec.json.Decoder(AnyEvent).decode
    with source.open("rb") as lines:
        events = [(event.occurred_at.timestamp(), event) for event in map(decode, lines)]
    events.sort(key=itemgetter(0))
    tasks = LocalTasks(settings.alert_budget, settings.config_digest, partitions)
    started = time.perf_counter()
    for at, event in events:
        tasks.apply(event, at)
    return len(events) / (time.perf_counter() - started)
