"""A state belongs to the logs that it was built from: what else a worker finds is an error, a warning or repaired."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import ProducerFenced
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from stream.engine.checkpoint import Checkpoint
from stream.engine.checkpoint_store import KafkaCheckpointStore
from stream.engine.log_check import GroupOffsetsError
from stream.engine.record_limits import RecordLimits
from stream.market import simulate
from stream.ops import topics
from stream.ops.client import connection
from stream.ops.event_files import head, stream_of
from tests.kafka.group import PARTITIONS, Group, Worker, configure, fatal_errors, no_topic_ids, replay, wait

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return simulate.simulate("bribes", 1, 25, 120).lines


@contextmanager
def admin_of(group: Group) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(**connection(group.kafka))) as admin:
        yield admin


def send(group: Group, lines: list[bytes]) -> None:
    with closing(KafkaProducer(**connection(group.kafka), linger_ms=20)) as producer:
        for line in lines:
            found = head(line)
            assert found.seller_id is not None
            topic = group.settings.input_topics[stream_of(found.type)]
            producer.send(topic, value=line, key=found.seller_id.encode())
        producer.flush()


def expired(group: Group) -> list[dict[str, Any]]:
    """Return the lines about expired records that the workers have logged."""
    written = (group.folder / "worker.log").read_text().splitlines()
    return [json.loads(line) for line in written if '"records_expired"' in line]


def applied(group: Group, lines: list[bytes]) -> None:
    """Let a worker apply the lines, and stop it."""
    send(group, lines)
    worker = Worker(group)
    worker.wait_for(len(lines))
    assert worker.stop() == 0


def create_again(group: Group, topic: str) -> None:
    with admin_of(group) as admin:
        admin.delete_topics([topic])
        wait(lambda: topic not in admin.list_topics(), 30, f"{topic} was not deleted")
    time.sleep(1)  # a topic of the same name can be created once its files are gone
    topics.create(group.settings, group.kafka, PARTITIONS, 1)


def refusal(group: Group) -> str:
    """Start a worker, which must end by itself with exit code 1; return its error."""
    worker = Worker(group)
    assert worker.process.wait(60) == 1
    return last_error(group)


def last_error(group: Group) -> str:
    error = fatal_errors((group.folder / "worker.log").read_text())[-1]
    assert error.startswith("LogError: ")
    return error


@pytest.mark.long
def test_an_input_that_was_created_again_is_refused_and_a_rebuild_starts_from_it(
    group: Group, lines: list[bytes], tmp_path: Path
) -> None:
    applied(group, lines)
    create_again(group, group.settings.lifecycle_topic)
    message = refusal(group)
    assert f"topic {group.settings.lifecycle_topic} was deleted and created again" in message
    assert message.endswith("stop all workers and run `volteface state rebuild`")
    assert json.loads(group.command("state", "rebuild"))["rows"] > 0
    # All events again, on the new topic; the other inputs are read from their beginnings.
    reviews = [line for line in lines if stream_of(head(line).type) == 0]
    send(group, reviews)
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(lines) + b"\n")
    expected, ids = replay(events, tmp_path)
    worker = Worker(group)
    group.wait_for_state(expected)
    assert worker.stop() == 0
    assert json.loads(group.command("state", "digest")) == expected["state_digest"]
    found = [json.loads(line)["alert_id"] for line in group.command("alerts", "--json").splitlines()]
    assert set(found) == set(ids), "the rebuilt state raises the same alerts, with the same ids"


def test_an_input_that_is_created_again_under_a_running_worker_ends_it(group: Group, lines: list[bytes]) -> None:
    send(group, lines)
    worker = Worker(group)
    worker.wait_for(len(lines))
    create_again(group, group.settings.lifecycle_topic)
    send(group, lines[:200])
    assert worker.process.wait(90) == 1
    assert "deleted and created again" in last_error(group)


@pytest.mark.parametrize("kind", ["lifecycle_topic", pytest.param("state_topic", marks=pytest.mark.long)])
def test_a_topic_that_was_created_again_and_has_as_many_records_is_refused(
    kind: str, group: Group, lines: list[bytes]
) -> None:
    """Offsets alone do not tell it from the topic that the state was built from."""
    applied(group, lines[:300])
    topic = getattr(group.settings, kind)
    with closing(KafkaConsumer(**connection(group.kafka))) as consumer:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        kept = []
        while any(consumer.position(partition) < end for partition, end in consumer.end_offsets(partitions).items()):
            kept += [record for batch in consumer.poll(500).values() for record in batch]
    create_again(group, topic)
    with closing(KafkaProducer(**connection(group.kafka))) as producer:
        for record in [*kept, *kept]:
            producer.send(topic, value=record.value, key=record.key, partition=record.partition)
        producer.flush()
    worker = Worker(group)
    assert worker.process.wait(60) == 1
    assert f"LogError: topic {topic} was deleted and created again" in (group.folder / "worker.log").read_text()


def test_a_missing_state_is_refused(group: Group, lines: list[bytes]) -> None:
    applied(group, lines)
    create_again(group, group.settings.state_topic)
    message = refusal(group)
    assert f"topic {group.settings.state_topic} has no state of partition" in message
    assert "run `volteface state rebuild`" in message


def _resets(group: Group) -> int:
    return (group.folder / "worker.log").read_text().count('"event": "group_offsets_reset"')


@pytest.mark.parametrize("move", [1_000_000, -100])
@pytest.mark.long
def test_offsets_of_another_consumer_are_replaced_and_reported_in_both_directions(
    move: int, group: Group, lines: list[bytes]
) -> None:
    applied(group, lines[:1000])
    send(group, lines[1000:])
    topic = group.settings.lifecycle_topic
    with closing(KafkaConsumer(**connection(group.kafka), group_id=group.settings.app_id)) as foreign:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        ends = foreign.end_offsets(partitions)
        wanted = {tp: max(0, min(ends[tp], foreign.committed(tp) + move)) for tp in partitions}
        foreign.commit({tp: OffsetAndMetadata(offset, "", -1) for tp, offset in wanted.items()})
    worker = Worker(group)
    worker.wait_for(len(lines))
    resets = _resets(group)
    assert resets > 0
    assert f"volteface_group_offsets_resets_total {float(resets)}" in worker.page("/metrics")
    worker.kill()
    restarted = Worker(group)
    wait(restarted.ready, 60, "the worker is not ready")
    assert restarted.stop() == 0
    assert _resets(group) == resets, "neither a killed worker nor a normal end leaves foreign offsets"


def _check_delivered(group: Group, offset: int, first: int) -> None:
    """Check partition 0 of the reviews: the task continues at `offset`, and `first` is delivered first."""

    async def check() -> None:
        store = KafkaCheckpointStore(0, group.settings, group.kafka, RecordLimits(), no_topic_ids)
        await store.open()
        try:
            await store.check_delivered([offset, 0, 0, 0, 0], {0: first})
        finally:
            await store.close()

    asyncio.run(check())


def test_records_before_the_first_delivered_one_are_found_and_markers_are_not(group: Group) -> None:
    topic, options = group.settings.lifecycle_topic, connection(group.kafka)
    for commit in (True, False, True):  # offsets 0 to 2, 4 to 6 and 8 to 10; a marker after each three
        with closing(KafkaProducer(**options, transactional_id=f"{topic}-producer")) as producer:
            producer.init_transactions()
            producer.begin_transaction()
            for _ in range(3):
                producer.send(topic, value=b"{", partition=0)
            producer.flush()
            _ = producer.commit_transaction() if commit else producer.abort_transaction()
    _check_delivered(group, 3, 8)
    _check_delivered(group, 11, 12)
    for offset, first in ((2, 8), (3, 9), (0, 2)):
        with pytest.raises(GroupOffsetsError, match=f"{offset} instead of {first}"):
            _check_delivered(group, offset, first)
        with closing(KafkaConsumer(**options, group_id=group.settings.app_id)) as consumer:
            assert consumer.committed(TopicPartition(topic, 0)) == offset


def test_a_former_owner_that_was_frozen_amid_its_first_restore_does_not_tell_of_a_lost_state(group: Group) -> None:
    async def restore() -> None:
        former, owner = (
            KafkaCheckpointStore(0, group.settings, group.kafka, RecordLimits(), no_topic_ids) for _ in range(2)
        )
        await former.open()
        assert [rows async for rows in former.read()] == []
        await owner.open()
        await owner.commit(Checkpoint([(b"o", b"a state")], [], [1, 0, 0, 0, 0]))
        try:
            await former.check_logs(None, at_checkpoint=True)
        finally:
            await former.close()
            await owner.close()

    with pytest.raises(ProducerFenced):
        asyncio.run(restore())


def test_expired_records_are_counted_and_named(group: Group, lines: list[bytes]) -> None:
    applied(group, lines[:1000])
    send(group, lines[1000:])
    topic = group.settings.lifecycle_topic
    with closing(KafkaConsumer(**connection(group.kafka))) as consumer, admin_of(group) as admin:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        admin.delete_records(consumer.end_offsets(partitions))
    worker = Worker(group)
    wait(worker.ready, 60, "the worker is not ready")
    gaps = expired(group)
    assert {(gap["topic"], gap["partition"]) for gap in gaps} == {(topic, number) for number in range(PARTITIONS)}
    counted = sum(gap["last"] - gap["first"] for gap in gaps)
    sample = f'volteface_expired_records_total{{topic="{topic}"}} {float(counted)}'
    wait(lambda: sample in worker.page("/metrics"), 30, "the expired records are not counted")
    assert worker.stop() == 0
    restarted = Worker(group)
    wait(restarted.ready, 60, "the worker is not ready")
    send(group, lines[:10])
    assert restarted.stop() == 0


@pytest.mark.parametrize("later", [500, 0], ids=["more", "quiet"])
@pytest.mark.long
def test_records_that_expire_under_a_worker_that_is_behind_are_counted_and_named(
    group: Group, lines: list[bytes], later: int
) -> None:
    """Also if no record follows them: the partitions are quiet, and the lag is 0."""
    topic = group.settings.lifecycle_topic
    send(group, lines[:500])
    worker = Worker(group)
    worker.wait_for(500)
    worker.process.send_signal(signal.SIGSTOP)
    try:
        send(group, lines[500:1500])
        with closing(KafkaConsumer(**connection(group.kafka))) as consumer, admin_of(group) as admin:
            partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            before = consumer.end_offsets(partitions)
            admin.delete_records(before)
    finally:
        worker.process.send_signal(signal.SIGCONT)
    send(group, lines[1500 : 1500 + later])
    counted = f'volteface_expired_records_total{{topic="{topic}"}} 0.0'
    wait(lambda: counted not in worker.page("/metrics"), 45, "the expired records are not counted")
    assert worker.stop() == 0
    gaps = expired(group)
    assert all("expired before" in gap["text"] and gap["last_applied"] for gap in gaps)
    assert any(gap["first_left"] for gap in gaps) == bool(later)
    restarted = Worker(group)  # may report partitions that the first one had not yet come to
    wait(restarted.ready, 60, "the worker is not ready")
    assert restarted.stop() == 0
    found = [(gap["partition"], offset) for gap in expired(group) for offset in range(gap["first"], gap["last"])]
    assert len(found) <= sum(before.values())
    assert len(found) == len(set(found)), "an offset was reported twice"


@pytest.mark.parametrize("way", ["group deleted", "offsets at zero"])
@pytest.mark.long
def test_the_usual_reset_of_a_kafka_application_is_refused_and_a_rebuild_repairs_it(
    way: str, group: Group, lines: list[bytes], tmp_path: Path
) -> None:
    """The reports of staff on the evidence topic would count twice."""
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(lines) + b"\n")
    expected, _ = replay(events, tmp_path)
    applied(group, lines)
    create_again(group, group.settings.state_topic)
    with admin_of(group) as admin:
        if way == "group deleted":
            admin.delete_groups([group.settings.app_id])
        else:
            read = [TopicPartition(topic, n) for topic in group.settings.read_topics for n in range(PARTITIONS)]
            admin.alter_group_offsets(group.settings.app_id, {tp: OffsetAndMetadata(0, "", -1) for tp in read})
    message = refusal(group)
    assert f"topic {group.settings.evidence_topic} holds reports of its task" in message
    assert message.endswith("stop all workers and run `volteface state rebuild`")
    group.command("state", "rebuild")
    worker = Worker(group)
    group.wait_for_state(expected)
    assert worker.stop() == 0


@pytest.mark.long
def test_rows_of_the_state_that_were_deleted_are_noticed(group: Group, lines: list[bytes]) -> None:
    applied(group, lines[:1000])
    tp = TopicPartition(group.settings.state_topic, 1)
    configure(group.kafka, tp.topic, cleanup_policy="compact,delete")
    with admin_of(group) as admin:
        admin.delete_records({tp: 20})
    configure(group.kafka, tp.topic, cleanup_policy="compact")
    message = refusal(group)
    assert f"topic {tp.topic}, partition 1, began at offset 0 and now begins at offset 20: rows of the state" in message
    group.command("state", "rebuild")
    worker = Worker(group)
    worker.wait_for(1000)
    assert worker.stop() == 0, "what was deleted before a rebuild is no loss"
    again = Worker(group)
    wait(again.ready, 60, "the worker is not ready")
    assert again.stop() == 0
