"""No record of a producer stops a partition: what does not fit into a dead-letter topic goes there in part."""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import closing
from typing import NamedTuple

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from stream.engine.checkpoint import Checkpoint
from stream.engine.checkpoint_store import KafkaCheckpointStore
from stream.engine.record_limits import RecordLimits, WriteError
from stream.engine.records import Record
from stream.intake.dead_letters import DeadLetter
from stream.intake.header_names import RawName
from stream.ops import topic_reader
from stream.ops.client import connection
from tests.kafka.group import Group, Worker, no_topic_ids, wait

pytestmark = pytest.mark.kafka

_MB = 1_000_000


class Sent(NamedTuple):
    """A record that no worker can use, and the parts that its dead letter cannot hold."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    left_out: tuple[str, ...] = ()


#: With a dead-letter topic of Kafka's default size.
_RECORDS = [
    Sent(b"a", b"{", []),
    Sent(b"b", b"0" * 6 * _MB, [], ("value",)),
    Sent(b"c", b"1" * 1_040_000, [("trace", b"t" * 9000)], ("value",)),
    Sent(b"d", b"{", [(RawName("\udcff\udcfe"), b"raw"), ("plain", b"")]),
    Sent(None, b"{", [("no key", b"")]),
    Sent(b"f", b"{", [(f"h{number}", b"x" * 600) for number in range(9000)], ("headers",)),
    Sent(b"k" * 5 * _MB, b"{", [], ("key",)),
    Sent(b"h" * _MB, b"v" * _MB, [("h", b"h" * _MB)], ("value", "key", "headers")),
    Sent(None, None, []),
    Sent(b"z", b"{", []),
]


def _configure(group: Group, topic: str, **configs: str) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)
    with closing(KafkaAdminClient(**connection(group.kafka))) as admin:
        admin.alter_configs([resource])

        def applied() -> bool:
            found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])["topic"][topic]
            return all(found[name]["value"] == value for name, value in configs.items())

        wait(applied, 10, f"the configuration of {topic} was not applied")


def _send(group: Group, records: list[Sent]) -> None:
    topic = group.settings.lifecycle_topic
    options = connection(group.kafka) | {"compression_type": "gzip", "max_request_size": 20 * _MB}
    with closing(KafkaProducer(**options)) as producer:
        for key, value, headers, _ in records:
            if key is None and value is None:
                continue  # kafka-python does not send it
            producer.send(topic, value=value, key=key, headers=headers, partition=0).get(30)


@pytest.fixture
def small_group(group: Group) -> Group:
    """A group whose dead-letter topic is as Kafka creates it by default."""
    topic = group.settings.dead_letter_topic(group.settings.lifecycle_topic)
    _configure(group, topic, **{"max.message.bytes": "1048588", "cleanup.policy": "delete"})
    return group


def _letters(group: Group) -> list[DeadLetter]:
    stored = topic_reader.dead_letters(group.settings, group.kafka, group.settings.lifecycle_topic, pytest.fail)
    return [each.letter for each in stored]


def _check(letter: DeadLetter, sent: Sent) -> None:
    for part in ("value", "key"):
        original = getattr(sent, part)
        if part in sent.left_out:
            found = letter.left_out[part]
            assert getattr(letter, part) is None
            assert (found.bytes, found.sha256) == (len(original), hashlib.sha256(original).hexdigest())
        else:
            assert getattr(letter, part) == original
    assert letter.headers == (() if "headers" in sent.left_out else tuple(sent.headers))


def test_what_does_not_fit_is_left_out_and_nothing_stops(small_group: Group) -> None:
    group = small_group
    sent = [record for record in _RECORDS if record.key is not None or record.value is not None]
    _send(group, sent)
    worker = Worker(group)
    wait(lambda: len(_letters(group)) >= len(sent), 60, "the letters did not arrive")
    letters = _letters(group)
    assert [letter.offset for letter in letters] == list(range(len(sent)))
    for letter, record in zip(letters, sent, strict=True):
        _check(letter, record)
    assert {part for letter in letters for part in letter.left_out} == {"value", "key", "headers"}
    log = (group.folder / "worker.log").read_text()
    refused = [json.loads(line) for line in log.splitlines() if '"write_refused"' in line]
    assert {line["topic"] for line in refused} == {group.settings.dead_letter_topic(group.settings.lifecycle_topic)}
    assert len(refused) <= 2, "the limit falls by half"
    assert worker.stop() == 0
    listed = [json.loads(line) for line in group.command("dlq", "list").splitlines()]
    assert listed[1]["value"].startswith("value left out: 6,000,000 bytes, at ")


def test_records_without_a_key_reach_a_compacted_topic(group: Group) -> None:
    topic = group.settings.dead_letter_topic(group.settings.lifecycle_topic)
    worker = Worker(group)  # it would not start with such a topic
    wait(worker.ready, 60, "the worker is not ready")
    _configure(group, topic, **{"cleanup.policy": "compact"})
    _send(group, [Sent(None, b"{", [("h", b"1")]), Sent(None, b"}", [])])
    wait(lambda: len(_letters(group)) == 2, 30, "the letters did not arrive")
    assert [(letter.key, letter.value, letter.headers) for letter in _letters(group)] == [
        (None, b"{", (("h", b"1"),)), (None, b"}", ()),
    ]  # fmt: skip
    assert worker.stop() == 0


def _checkpoint(group: Group, records: list[Record], rows: int = 0, limits: RecordLimits | None = None) -> None:
    """Commit a checkpoint to Kafka, as a new task does."""

    async def commit() -> None:
        store = KafkaCheckpointStore(0, group.settings, group.kafka, limits or RecordLimits(), no_topic_ids)
        await store.open()
        try:
            content: list[tuple[bytes, bytes | None]] = [(b"x/%d" % number, b"v" * 1000) for number in range(rows)]
            await store.commit(Checkpoint(content, records, [0, 0, 0, 0, 0]))
        finally:
            await store.close()

    asyncio.run(commit())


def test_an_alert_that_its_topic_refuses_names_the_topic_and_its_setting(group: Group) -> None:
    topic = group.settings.alerts_topic
    _configure(group, topic, **{"max.message.bytes": "2000"})
    alert = Record(topic, b"s", b"a" * 3000, [])
    text = (
        f"topic {topic}, partition ., did not take 1 records .* set max.message.bytes of topic {topic} to at least 30"
    )
    for _ in range(2):  # it is named each time
        with pytest.raises(WriteError, match=text):
            _checkpoint(group, [alert], rows=3)
    assert not list(topic_reader.read(group.kafka, group.settings.state_topic)), (
        "rows are committed with it or not at all"
    )
    _configure(group, topic, **{"max.message.bytes": "4000"})
    _checkpoint(group, [alert], rows=3)
    assert [record.value for record in topic_reader.read(group.kafka, topic)] == [b"a" * 3000]


def test_batches_become_small_enough_for_their_topic(group: Group) -> None:
    _configure(group, group.settings.state_topic, **{"max.message.bytes": "60000"})
    limits, refusals = RecordLimits(), 0
    while refusals < 10:
        try:
            _checkpoint(group, [], rows=500, limits=limits)
            break
        except WriteError:
            refusals += 1
    assert 1 <= refusals <= 6
    assert len(list(topic_reader.read(group.kafka, group.settings.state_topic))) == 500


def test_a_message_without_a_key_in_a_compacted_topic_is_named(group: Group) -> None:
    _configure(group, group.settings.evidence_topic, **{"cleanup.policy": "compact"})
    message = Record(group.settings.evidence_topic, None, b"{}", [], 0)
    with pytest.raises(WriteError, match=f"InvalidRecord.*cleanup.policy of topic {message.topic} to delete"):
        _checkpoint(group, [message])
