"""Real processes of the bridge, and topics of a platform for them to read."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

from stream.bridge.changes import Ignored
from stream.bridge.mapping import Mapping as RecordMapping
from stream.bridge.mapping_file import read_mapping
from stream.bridge.source_records import Source
from stream.engine.kafka_auth import connection as async_connection
from stream.intake.refusal import Refused
from stream.intake.schema_cache import SchemaCache
from stream.ops import topics
from stream.ops.broker import free_port
from stream.ops.client import connection, consumer_connection
from tests.kafka.group import Group, argv, wait

#: Key, value and headers.
SentRecord = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


class BridgeProcess:
    """A real bridge.

    Args:
        group: Whose settings it has.
        mapping: Its mapping's file.
        more: Further variables.
        program: In place of `volteface bridge`.
    """

    def __init__(
        self, group: Group, mapping: Path, more: Mapping[str, str] | None = None, program: list[str] | None = None
    ) -> None:
        self.port = free_port()
        self.log = group.folder / "bridge.log"
        environment = bridge_environment(group, mapping) | {"VOLTEFACE_BRIDGE_PORT": str(self.port)} | dict(more or {})
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(program or argv("bridge"), env=environment, stdout=log, stderr=log)

    def page(self, path: str) -> str:
        """Return a page; raise OSError if it is not served, or not good."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            return str(response.read().decode())

    def ready(self) -> bool:
        """Return whether all tasks run."""
        try:
            return '"ready":true' in self.page("/health/ready").replace(" ", "")
        except OSError:
            return False

    def metric(self, name: str) -> float:
        """Return the sum of all series that begin with this text; NaN while no page is served."""
        try:
            lines = self.page("/metrics").splitlines()
        except OSError:
            return math.nan
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def records(self) -> float:
        """Return the number of records that this process has committed; it must still run."""
        assert self.process.poll() is None, "the bridge ended by itself"
        return self.metric("volteface_bridge_records_total")

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def ended(self, seconds: float = 60) -> list[str]:
        """Wait until it ends by itself; return the errors that ended it."""
        self.process.wait(seconds)
        return fatal(self.log)


def bridge_environment(group: Group, mapping: Path) -> dict[str, str]:
    """Return the environment of a bridge and of commands that know its topics."""
    # The least that brokers allow: after a kill the next bridge waits for it.
    own = {"VOLTEFACE_BRIDGE_MAPPING": str(mapping), "VOLTEFACE_SESSION_TIMEOUT_SECONDS": "6"}
    return os.environ | group.environment | own


def fatal(log: Path) -> list[str]:
    """Return the lines of the errors that ended a process."""
    found = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line["error"] for line in found if line["event"] == "fatal"]


def make_topics(group: Group, counts: Mapping[str, int]) -> None:
    """Create topics of a platform, and the topics for their dead letters."""
    with KafkaAdminClient(**connection(group.kafka)) as admin:
        admin.create_topics([NewTopic(name, count, 1) for name, count in counts.items()], wait_for_metadata=True)
    topics.create(group.settings, group.kafka, 4, 1, list(counts))


def delete_topic(group: Group, name: str) -> None:
    """Delete a topic, and wait until it is gone."""
    with KafkaAdminClient(**connection(group.kafka)) as admin:
        admin.delete_topics([name])
        wait(lambda: bool(admin.describe_topics([name])[0]["error_code"]), 30, f"topic {name} stays")


def send(group: Group, topic: str, records: Iterable[tuple[int, SentRecord]]) -> None:
    """Send records to partitions, in order."""

    async def run() -> None:
        async with AIOKafkaProducer(**async_connection(group.kafka), enable_idempotence=True) as producer:
            for partition, (key, value, headers) in records:
                await producer.send(topic, value, key, partition, headers=headers)
            await producer.flush()

    asyncio.run(run())


def read_all(group: Group, names: Sequence[str]) -> list[Any]:
    """Return all committed records of topics, in order of partition and offset."""
    consumer = KafkaConsumer(
        **consumer_connection(group.kafka), isolation_level="read_committed", auto_offset_reset="earliest",
        enable_auto_commit=False,
    )  # fmt: skip
    try:
        partitions = [
            TopicPartition(name, each) for name in names for each in consumer.partitions_for_topic(name) or ()
        ]
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        found: list[Any] = []
        while any(consumer.position(tp) < ends[tp] for tp in partitions):
            for records in consumer.poll(timeout_ms=200).values():
                found += records
        return sorted(found, key=lambda record: (record.topic, record.partition, record.offset))
    finally:
        consumer.close()


def expected_events(group: Group, mapping: Path) -> Counter[tuple[str, bytes, bytes]]:
    """Return what the records that lie in Kafka give: topic, key and value of each event."""
    made_by = RecordMapping(read_mapping(mapping), SchemaCache(), mapping.parent, group.settings.max_event_bytes, 3600)
    found: Counter[tuple[str, bytes, bytes]] = Counter()
    for record in read_all(group, made_by.topics):
        source = Source(
            record.topic, record.partition, record.offset, record.timestamp, record.key, record.value,
            tuple(record.headers),
        )  # fmt: skip
        try:
            for made in made_by.events(source):
                found[group.settings.input_topics[made.stream], made.key.encode(), made.value] += 1
        except (Refused, Ignored):
            continue
    return found


def written_events(group: Group) -> Counter[tuple[str, bytes, bytes]]:
    """Return topic, key and value of each event in the marketplace's topics."""
    return Counter((each.topic, each.key, each.value) for each in read_all(group, group.settings.marketplace_topics))
