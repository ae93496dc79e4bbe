"""The bridge on a real Kafka: each record gives its events once, through kills, and what ends it says why."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import UUID

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import CoordinatorNotAvailableError
from kafka.structs import OffsetAndMetadata

from stream.intake.partition import partition_of
from stream.ops.client import connection
from tests.kafka.bridge import (
    BridgeProcess,
    SentRecord,
    bridge_environment,
    delete_topic,
    expected_events,
    make_topics,
    read_all,
    send,
    written_events,
)
from tests.kafka.group import Group, argv, wait

pytestmark = pytest.mark.kafka

_REVIEWS = 3000
_SELLERS = 30


class Platform:
    """Two tables of a platform as Debezium's topics: reviews in two partitions, messages in one."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.reviews, self.messages = f"{group.settings.app_id}.reviews", f"{group.settings.app_id}.messages"
        self.mapping = group.folder / "mapping.toml"
        self.mapping.write_text(
            f"""
            [[table]]
            topic = "{self.reviews}"
            events = "reviews"
            columns = {{ review_id = "id", reviewer_id = "author", rating = "stars", changed_at = "updated_at" }}
            [[table]]
            topic = "{self.messages}"
            events = "outreach.sent"
            columns = {{ occurred_at = "sent_at" }}
            """
        )
        make_topics(group, {self.reviews: 2, self.messages: 1})
        self.bridges: list[BridgeProcess] = []
        self._lsn = 0

    def bridge(self, **more: str) -> BridgeProcess:
        """Start a bridge; it ends with the test."""
        self.bridges.append(BridgeProcess(self.group, self.mapping, more))
        return self.bridges[-1]

    def change(self, op: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> SentRecord:
        self._lsn += 1
        row = after or before or {}
        body = {
            "op": op,
            "before": before,
            "after": after,
            "source": {"lsn": self._lsn, "ts_us": 1_750_000_000_000_000},
        }
        return json.dumps({"id": row["id"]}).encode(), json.dumps(body).encode(), []

    def send_all(self, seed: int = 1, count: int = _REVIEWS) -> int:
        """Send the changes of reviews and of messages, with bad ones among them; return the number of records."""
        chance = Random(seed)
        reviews: list[tuple[int, SentRecord]] = []
        messages: list[tuple[int, SentRecord]] = []
        for number in range(count):
            at = f"2025-03-{1 + number * 27 // count:02d}T10:00:00Z"
            row = {
                "id": seed * 1_000_000 + number, "seller_id": f"s{chance.randrange(_SELLERS)}", "product_id": "p1",
                "author": f"u{number}", "stars": 1, "created_at": at, "updated_at": at,
            }  # fmt: skip
            partition = number % 2
            reviews.append((partition, self.change("c", None, row)))
            if chance.random() < 0.3:
                later = row | {"stars": 5, "updated_at": at.replace("T10", "T11")}
                reviews.append((partition, self.change("u", row, later)))
            if chance.random() < 0.05:
                reviews.append((partition, self.change("d", {"id": row["id"]}, None)))
                reviews.append((partition, (b'{"id":0}', None, [])))
            if chance.random() < 0.2:
                message = {"id": number, "seller_id": row["seller_id"], "reviewer_id": row["author"], "sent_at": at}
                messages.append((0, self.change("c", None, message | {"channel": "message"})))
        send(self.group, self.reviews, reviews)
        send(self.group, self.messages, messages)
        return len(reviews) + len(messages)


@pytest.fixture
def platform(group: Group) -> Iterator[Platform]:
    platform = Platform(group)
    yield platform
    for bridge in platform.bridges:
        bridge.kill()


def _wait_for_lag(*bridges: BridgeProcess) -> None:
    def done() -> bool:
        assert all(each.process.poll() is None for each in bridges)
        return all(each.ready() and each.metric("volteface_bridge_lag_records") == 0 for each in bridges)

    wait(done, 90, "the bridge does not read to the end")


def _wait_for_records(bridge: BridgeProcess, count: int) -> None:
    """Wait until it has committed more than this number of records; it works on others then."""
    wait(lambda: bridge.records() > count, 60, "the bridge does nothing")


def test_kills_lose_and_repeat_nothing(platform: Platform) -> None:
    for seed in range(3):
        platform.send_all(seed)
        bridge = platform.bridge()
        _wait_for_records(bridge, 0)
        bridge.kill()
    bridge = platform.bridge()
    _wait_for_lag(bridge)
    assert bridge.stop() == 0
    assert written_events(platform.group) == expected_events(platform.group, platform.mapping)
    letters = read_all(platform.group, [platform.group.settings.dead_letter_topic(platform.reviews)])
    refused = [dict(each.headers)["volteface.reason"] for each in letters]
    assert refused
    assert set(refused) == {b"incomplete_row"}


def test_events_are_keyed_and_in_the_order_of_their_rows(platform: Platform) -> None:
    platform.send_all(count=600)
    bridge = platform.bridge()
    _wait_for_lag(bridge)
    bridge.stop()
    topic = platform.group.settings.lifecycle_topic
    written = read_all(platform.group, [topic])
    assert all(each.partition == partition_of(each.key, 4) for each in written)
    kinds: dict[str, list[str]] = {}
    for each in written:
        event = json.loads(each.value)
        assert event["seller_id"].encode() == each.key
        kinds.setdefault(event["review_id"], []).append(event["type"])
    assert {tuple(its) for its in kinds.values()} == {("review.created",), ("review.created", "review.edited")}


def test_bridges_share_the_partitions_and_take_over_from_each_other(platform: Platform) -> None:
    first, second = platform.bridge(), platform.bridge()
    wait(lambda: first.ready() and second.ready(), 60, "the bridges do not start")
    running = "volteface_bridge_task_running"
    wait(lambda: (first.metric(running), second.metric(running)) == (1, 1), 60, "each bridge has one number")
    platform.send_all(seed=1, count=2000)
    wait(lambda: first.records() > 0 and second.records() > 0, 60, "one of them does nothing")
    first.kill()
    platform.send_all(seed=2, count=500)
    wait(lambda: second.metric(running) == 2, 60, "the other one does not take over")
    _wait_for_lag(second)
    assert second.stop() == 0
    assert written_events(platform.group) == expected_events(platform.group, platform.mapping)


@pytest.mark.long
def test_a_topic_that_its_connector_has_not_made_yet_is_found_later(platform: Platform) -> None:
    delete_topic(platform.group, platform.messages)
    bridge = platform.bridge()
    wait(bridge.ready, 60, "the bridge waits for the topic")
    make_topics(platform.group, {platform.messages: 1})
    platform.send_all(count=50)
    outreach = 'volteface_bridge_events_total{topic="' + platform.messages
    wait(lambda: bridge.metric(outreach) > 0, 60, "the topic is not found")
    _wait_for_lag(bridge)
    bridge.stop()
    assert written_events(platform.group) == expected_events(platform.group, platform.mapping)


@pytest.mark.long
def test_a_topic_that_is_created_again_ends_the_bridge_and_is_read_from_its_beginning(platform: Platform) -> None:
    platform.send_all(count=50)
    bridge = platform.bridge()
    _wait_for_lag(bridge)
    before = written_events(platform.group)
    delete_topic(platform.group, platform.messages)
    make_topics(platform.group, {platform.messages: 1})
    platform.send_all(seed=2, count=400)  # more than before: offsets alone would not tell
    (line,) = bridge.ended(120)
    assert f"topic {platform.messages} was deleted and created again" in line
    assert "--delete-offsets --group GROUP --topic TOPIC" in line
    group = f"{platform.group.settings.app_id}-bridge"
    with KafkaAdminClient(**connection(platform.group.kafka)) as admin:
        admin.delete_group_offsets(group, [TopicPartition(platform.messages, 0)])
    bridge = platform.bridge()
    _wait_for_lag(bridge)
    bridge.stop()
    # What the first bridge has read of the new topic is written again, with the same ids: workers drop that.
    expected = expected_events(platform.group, platform.mapping) | before
    assert written_events(platform.group).keys() == expected.keys()


def test_offsets_of_another_topic_of_the_same_name_are_refused_until_they_are_deleted(platform: Platform) -> None:
    """As after a copy of a cluster, which has other ids."""
    platform.send_all(count=50)
    group, tp = f"{platform.group.settings.app_id}-bridge", TopicPartition(platform.messages, 0)
    with KafkaAdminClient(**connection(platform.group.kafka)) as admin:
        admin.alter_group_offsets(group, {tp: OffsetAndMetadata(3, str(UUID(int=7)), -1)})
        (line,) = platform.bridge().ended()
        assert f"topic {platform.messages} was deleted and created again" in line
        admin.alter_group_offsets(group, {tp: OffsetAndMetadata(1000, "", -1)})
        (_, line) = platform.bridge().ended()
        assert f"topic {platform.messages}, partition 0, ends at offset" in line
        admin.delete_group_offsets(group, [tp])
    bridge = platform.bridge()
    _wait_for_lag(bridge)
    bridge.stop()
    assert written_events(platform.group) == expected_events(platform.group, platform.mapping)


@pytest.mark.long
def test_records_that_expired_unread_are_logged_and_counted(platform: Platform) -> None:
    platform.send_all(count=50)
    bridge = platform.bridge()
    _wait_for_lag(bridge)
    bridge.stop()
    platform.send_all(seed=2, count=50)
    with KafkaAdminClient(**connection(platform.group.kafka)) as admin:
        tp = TopicPartition(platform.reviews, 0)
        admin.delete_records({tp: -1})
    bridge = platform.bridge()
    _wait_for_lag(bridge)
    lost = bridge.metric(f'volteface_bridge_expired_records_total{{topic="{platform.reviews}"}}')
    bridge.stop()
    assert lost >= 25
    lines = [json.loads(line) for line in bridge.log.read_text().splitlines()]
    (line,) = [line for line in lines if line["event"] == "records_expired"]
    assert line["last"] - line["first"] == lost
    assert "an ad-hoc snapshot" in line["text"]


@pytest.mark.long
def test_it_stops_at_a_refused_record_if_it_is_told_to(platform: Platform) -> None:
    good = {"id": 1, "seller_id": "s1", "reviewer_id": "u1", "sent_at": "2025-03-01T10:00:00Z", "channel": "message"}
    changes = [good, good | {"id": 2, "channel": "pigeon"}, good | {"id": 3}]
    send(platform.group, platform.messages, [(0, platform.change("c", None, row)) for row in changes])
    (line,) = platform.bridge(VOLTEFACE_BRIDGE_ON_REFUSAL="stop").ended()
    assert f"the record at {platform.messages}/0/1 cannot be mapped (bad_value): channel 'pigeon' is not one of" in line
    assert written_events(platform.group).total() == 1
    bridge = platform.bridge()
    _wait_for_lag(bridge)
    bridge.stop()
    assert written_events(platform.group).total() == 2


@pytest.mark.long
def test_dead_letters_are_listed_and_sent_again_after_the_mapping_is_corrected(platform: Platform) -> None:
    row = {"id": 1, "seller_id": "s1", "reviewer_id": "u1", "sent_at": "2025-03-01T10:00:00Z", "channel": "pigeon"}
    send(platform.group, platform.messages, [(0, platform.change("c", None, row))])
    bridge = platform.bridge()
    _wait_for_lag(bridge)
    bridge.stop()
    environment = bridge_environment(platform.group, platform.mapping)

    def command(*arguments: str) -> str:
        return subprocess.run(argv(*arguments), env=environment, capture_output=True, text=True, check=True).stdout

    (letter,) = [json.loads(line) for line in command("dlq", "list").splitlines()]
    assert (letter["topic"], letter["reason"], letter["sent_again"]) == (platform.messages, "bad_value", False)
    platform.mapping.write_text(platform.mapping.read_text() + '\nvalues = { channel = { pigeon = "message" } }\n')
    command("dlq", "replay", "--topic", platform.messages)
    bridge = platform.bridge()
    _wait_for_lag(bridge)
    bridge.stop()
    ((_, _, event),) = written_events(platform.group)
    assert json.loads(event)["channel"] == "message"


def test_a_dry_run_shows_records_beside_their_events_and_writes_nothing(platform: Platform) -> None:
    platform.send_all(count=200)
    done = subprocess.run(
        argv("bridge", "--dry-run", "--show", "20"),
        env=bridge_environment(platform.group, platform.mapping), capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    by_topic = {
        topic: [line for line in lines if line["topic"] == topic] for topic in (platform.reviews, platform.messages)
    }
    assert [len(its) for its in by_topic.values()] == [20, 20]
    assert all({"events", "refused", "ignored"} & line.keys() for line in lines)
    assert by_topic[platform.messages][0]["events"][0]["type"] == "outreach.sent"
    assert f"{platform.messages}: 20 outreach.sent" in done.stderr
    refused = [line for line in lines if "refused" in line]
    assert done.returncode == bool(refused)
    assert written_events(platform.group).total() == 0
    with KafkaAdminClient(**connection(platform.group.kafka)) as admin:
        group = f"{platform.group.settings.app_id}-bridge"
        wait(lambda: _has_coordinator(admin, group), 60, "Kafka makes no coordinator")
        assert admin.list_group_offsets(group) == {group: {}}


def _has_coordinator(admin: KafkaAdminClient, group: str) -> bool:
    """Return whether Kafka knows where a group is: at its first question it only makes the topic of offsets."""
    try:
        admin.list_group_offsets(group)
    except CoordinatorNotAvailableError:
        return False
    return True


@pytest.mark.long
def test_a_frozen_bridge_that_wakes_up_writes_nothing_twice(platform: Platform) -> None:
    platform.send_all()
    first = platform.bridge()
    _wait_for_records(first, 0)
    first.process.send_signal(19)  # SIGSTOP
    second = platform.bridge()
    _wait_for_lag(second)
    first.process.send_signal(18)  # SIGCONT
    time.sleep(5)
    platform.send_all(seed=2, count=200)
    wait(lambda: first.ready() and second.ready(), 60, "the bridges do not share again")
    _wait_for_lag(first, second)
    assert (first.stop(), second.stop()) == (0, 0)
    assert written_events(platform.group) == expected_events(platform.group, platform.mapping)
