"""`volteface doctor` on a real Kafka: before there are topics, with a producer's mistakes, and beside a worker."""

from __future__ import annotations

import json
import subprocess
import time
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import UpdateFeatureType

from stream.config import KafkaSettings
from stream.ops.broker import Broker
from stream.ops.client import connection
from tests.kafka.bridge import BridgeProcess, delete_topic, make_topics, send
from tests.kafka.group import PARTITIONS, Group, Worker, argv, wait

pytestmark = pytest.mark.kafka

_EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"


def _doctor(group: Group, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        argv("doctor", "--json"), env=group.environment | environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def _found(results: list[dict[str, Any]], check: str, about: str = "") -> list[tuple[str, str]]:
    return [(each["level"], each["text"]) for each in results if each["check"] == check and about in each["about"]]


def test_no_topics(group: Group) -> None:
    code, results = _doctor(group, VOLTEFACE_LIFECYCLE_TOPIC="nowhere")
    assert code == 1
    assert ("error", "topic nowhere is missing: run `volteface topics create --partitions 4`") in _found(
        results, "topics"
    )


def test_a_producer_with_another_partitioner_and_a_quoted_key(group: Group) -> None:
    created = json.loads((_EXAMPLES / "review.created.v1.jsonl").read_bytes().splitlines()[0])
    settings = group.settings
    with KafkaProducer(**connection(group.kafka)) as producer:
        for number in range(40):
            key = f"seller-{number}".encode()
            value = json.dumps(created | {"event_id": f"e{number}", "seller_id": key.decode()}).encode()
            partition = zlib.crc32(key) % PARTITIONS
            producer.send(settings.lifecycle_topic, key=key, value=value, partition=partition)
            producer.send(settings.outreach_topic, key=b'"%s"' % key, value=value)
    code, results = _doctor(group)
    assert code == 1
    ((level, text),) = _found(results, "records", settings.lifecycle_topic)
    assert level == "error"
    assert "The partitioner is CRC32" in text
    assert [level for level, _ in _found(results, "records", settings.outreach_topic)] == ["error"]
    assert _found(results, "transactions")[0][0] == "ok"
    assert _found(results, "group") == [("warning", f"group {settings.app_id} has no member.")]


def test_a_group_in_order(group: Group) -> None:
    worker = Worker(group)
    wait(worker.ready, 60, "the worker did not start")
    example = (_EXAMPLES / "review.created.v1.jsonl").read_bytes().splitlines(keepends=True)[0]
    source = group.folder / "one.jsonl"
    source.write_bytes(example)
    group.command("feed", "--input", str(source))
    worker.wait_for(1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        code, results = _doctor(group)
        if _found(results, "group") == [("ok", f"group {group.settings.app_id} has 1 member; 0 records wait.")]:
            break
    else:
        pytest.fail(f"{results}")
    assert code == 0
    assert _found(results, "records", group.settings.lifecycle_topic)[0][0] == "ok"
    assert worker.stop() == 0


@pytest.mark.long
def test_the_bridge_is_looked_at_if_there_is_a_mapping(group: Group) -> None:
    one, two, none = (f"{group.settings.app_id}.{name}" for name in ("one", "two", "none"))
    mapping = group.folder / "mapping.toml"
    mapping.write_text("".join(f"[[table]]\ntopic = '{name}'\nevents = 'reviews'\n" for name in (one, two, none)))
    assert not [each for each in _doctor(group)[1] if each["check"] in {"source_topics", "bridge"}]
    code, results = _doctor(group, VOLTEFACE_BRIDGE_MAPPING=str(mapping))
    assert code == 1
    letters = f"dlq.{one}"
    assert _found(results, "topics", letters)[0][1].startswith(f"topic {letters} is missing")
    make_topics(group, {one: 1, two: 2})
    make_topics(group, {none: 1})
    delete_topic(group, none)
    bridge = BridgeProcess(group, mapping)
    try:
        wait(bridge.ready, 60, "the bridge did not start")
        send(group, one, [(0, (b"1", b"no change", []))])
        wait(lambda: bridge.records() == 1, 60, "the bridge did not read")
        code, results = _doctor(group, VOLTEFACE_BRIDGE_MAPPING=str(mapping))
        assert code == 0
        assert _found(results, "source_topics", one) == [("ok", f"source topic {one} is there, with one partition.")]
        ((level, text),) = _found(results, "source_topics", two)
        assert (level, text[: text.index(":")]) == ("warning", f"source topic {two} has 2 partitions")
        assert _found(results, "source_topics", none) == [
            ("warning", f"source topic {none} does not exist, so the bridge reads nothing from it.")
        ]
        name = f"{group.settings.app_id}-bridge"
        assert _found(results, "bridge") == [("ok", f"group {name} has 1 member; 0 records wait.")]
        ((level, text),) = _found(results, "dead_letters")
        assert level == "warning"
        assert text.endswith("1 are dead letters that were not sent again (undecodable 1).")
        assert bridge.stop() == 0
    finally:
        bridge.kill()
    _, results = _doctor(group, VOLTEFACE_BRIDGE_MAPPING=str(mapping))
    assert _found(results, "bridge") == [("warning", f"group {name} has no member.")]


def test_a_broker_without_protected_transactions(tmp_path: Path) -> None:
    with Broker(data=tmp_path / "kafka") as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        group = Group("old", kafka, tmp_path)
        with closing(KafkaAdminClient(**connection(kafka))) as admin:
            admin.update_features({"transaction.version": (UpdateFeatureType.SAFE_DOWNGRADE, 1)})
        ((level, text),) = _found(_doctor(group)[1], "transactions")
        assert level == "warning"
        assert "transaction.version 1" in text
