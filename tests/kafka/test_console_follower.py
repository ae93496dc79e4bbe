"""What the console reads from a real Kafka: cases, tombstones, foreign records, topics that are created again."""

from __future__ import annotations

import datetime as dt
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaProducer

from stream.console.source.follower import Follower
from stream.console.source.read_model import ReadModel
from stream.contract.cases import Case
from stream.ops import topics
from stream.ops.client import connection
from tests.kafka.group import Group, wait
from tests.sample_cases import seller_case

pytestmark = pytest.mark.kafka


@contextmanager
def _follower(group: Group, model: ReadModel, changed: list[str]) -> Iterator[Follower]:
    follower = Follower(group.settings, group.kafka, model, changed.extend)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def _send(group: Group, *records: tuple[str, Case | bytes | None]) -> None:
    producer = KafkaProducer(**connection(group.kafka), acks="all")
    for key, value in records:
        content = msgspec.json.encode(value) if isinstance(value, Case) else value
        producer.send(group.settings.cases_topic, key=key.encode(), value=content)
    producer.flush()
    producer.close()


def _case(number: int) -> Case:
    return msgspec.structs.replace(seller_case(f"s{number}"), case_id=f"{number:032x}")


def test_cases_tombstones_and_foreign_records(group: Group, tmp_path: Path) -> None:
    one, two = _case(1), _case(2)
    _send(
        group, (one.case_id, one), ("x", b"no case"), (two.case_id, one), (two.case_id, two), (one.case_id, None),
        ("y", b"\xff\xfe"), ("z", b"[" * 100_000),
    )  # fmt: skip
    model, changed = ReadModel(tmp_path / "cases.sqlite"), list[str]()
    with _follower(group, model, changed) as follower:
        wait(lambda: model.case(two.case_id) is not None, 30, "the case was not read")
        wait(lambda: follower.problem is None, 10, "the follower is not complete")
        assert model.case(one.case_id) is None
        assert follower.refused == 4
        assert {one.case_id, two.case_id} <= set(changed)
        three = _case(3)
        _send(group, (three.case_id, three))
        wait(lambda: model.case(three.case_id) is not None, 10, "the new case was not read")
    # Another process reads no record twice.
    changed.clear()
    with _follower(group, ReadModel(tmp_path / "cases.sqlite"), changed) as follower:
        wait(lambda: follower.problem is None, 30, "the follower is not complete")
        assert changed == []


def test_a_topic_that_was_created_again_is_read_anew(
    group: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.console.source.follower._IDS_SECONDS", 1.0)
    one, two = _case(1), _case(2)
    _send(group, (one.case_id, one), (two.case_id, two))
    model = ReadModel(tmp_path / "cases.sqlite")
    with _follower(group, model, []) as follower:
        wait(lambda: model.case(two.case_id) is not None, 30, "the case was not read")
        with KafkaAdminClient(**connection(group.kafka)) as admin:
            admin.delete_topics([group.settings.cases_topic])
        wait(lambda: "does not exist" in (follower.problem or ""), 30, "nobody says that the topic is missing")
        topics.create(group.settings, group.kafka, 4, 1)
        _send(group, (two.case_id, two))
        wait(lambda: model.case(one.case_id) is None, 30, "a case of the deleted topic is still there")
        wait(lambda: model.case(two.case_id) is not None and follower.problem is None, 30, "the topic was not read")


def test_a_damaged_file_is_built_again(group: Group, tmp_path: Path) -> None:
    one, two = _case(1), _case(2)
    _send(group, (one.case_id, one))
    model = ReadModel(tmp_path / "cases.sqlite")
    with _follower(group, model, []) as follower:
        wait(lambda: model.case(one.case_id) is not None, 30, "the case was not read")
        for name in ("cases.sqlite", "cases.sqlite-wal"):
            path = tmp_path / name
            path.write_bytes(b"\xff" * path.stat().st_size)
        _send(group, (two.case_id, two))

        def healed() -> bool:
            try:
                return model.case(one.case_id) is not None and model.case(two.case_id) is not None
            except sqlite3.DatabaseError:
                return False

        wait(healed, 30, "the file was not built again")
        wait(lambda: follower.problem is None, 30, "the follower still has a problem")


def test_whether_everything_is_read_is_known_from_the_ends(group: Group, tmp_path: Path) -> None:
    model = ReadModel(tmp_path / "cases.sqlite")
    with _follower(group, model, []) as follower:
        at = time.monotonic()
        assert not follower.complete_since(at)
        wait(lambda: follower.complete_since(at), 15, "it is never known")
        assert abs(follower.market_now() - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)
