"""Foreign records on the topics that commands read, and what `dlq list` prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest

from stream.config import KafkaSettings, Settings
from stream.intake.dead_letters import DeadLetter, outgoing
from stream.ops import topic_reader
from tests.unit.cli.conftest import Invoke
from tests.unit.cli.processes import about, example


class _Record(NamedTuple):
    topic: str
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 1_714_557_600_123  # 2024-05-01T10:00:00.123Z
    partition: int = 3


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[_Record]:
    """The records of all topics."""
    held: list[_Record] = []

    def read(kafka: KafkaSettings, topic: str, *arguments: Any, **options: Any) -> Iterator[_Record]:
        return (record for record in held if record.topic == topic)

    monkeypatch.setattr(topic_reader, "read", read)
    return held


_NEWER = msgspec.json.encode(example()).replace(b"seller.contact_flips", b"seller.of_a_newer_version")


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize(
    "value", [None, b"", b"[red]foreign", b'{"alert_id":"1"}', b'"\xff"', b"[" * 100_000, b"\x00", _NEWER],
    ids=["tombstone", "empty", "text", "another document", "not UTF-8", "too deep", "binary", "newer"],
)  # fmt: skip
def test_a_foreign_record_among_the_alerts_is_named_and_passed_over(
    value: bytes | None, form: tuple[str, ...], invoke: Invoke, records: list[_Record]
) -> None:
    topic = Settings().alerts_topic
    before, after = (msgspec.json.encode(about(subject)) for subject in ("before", "after"))
    records += [_Record(topic, 0, None, before), _Record(topic, 1, None, value), _Record(topic, 2, None, after)]
    done = invoke("alerts", *form)
    assert done.exit_code == 0
    assert "before" in done.stdout and "after" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("integrity.alerts.v1, partition 3, offset 1, is passed over: The record is no alert: ")
    assert not re.search(r"malformed|truncated|codec|enum|Object|Expected|\\$", line), "words of the decoder"


def _letter(key: bytes | None, timestamp: int) -> _Record:
    letter = DeadLetter(
        topic="reviews.lifecycle.v1", partition=1, offset=7, key=key, value=b"\xff[/b]", headers=(("trace", b"1"),),
        reason="undecodable", detail="It is no JSON.",
    )  # fmt: skip
    key, value, headers = outgoing(letter)
    return _Record("dlq.reviews.lifecycle.v1", 0, key, value, headers, timestamp)


def test_a_dead_letter_has_its_key_and_time(invoke: Invoke, records: list[_Record]) -> None:
    records += [_letter(b"[red]shop", 1_714_557_600_123), _letter(None, -1), _letter(b"\xff", 0)]
    done = invoke("dlq", "list")
    assert (done.exit_code, done.stderr) == (0, "")
    first, *others = map(json.loads, done.stdout.splitlines())
    assert first == {
        "topic": "reviews.lifecycle.v1", "partition": 1, "offset": 7, "time": "2024-05-01T10:00:00.123000Z",
        "reason": "undecodable", "detail": "It is no JSON.", "key": "[red]shop", "value": "\ufffd[/b]",
        "sent_again": False,
    }  # fmt: skip
    assert [(each["key"], each["time"]) for each in others] == [(None, None), ("\ufffd", "1970-01-01T00:00:00Z")]


def test_no_dead_letters_is_said(invoke: Invoke, records: list[_Record]) -> None:
    done = invoke("dlq", "list")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no dead letters\n")
    records.append(_Record("dlq.reviews.lifecycle.v1", 5, b"[/k]", b"foreign"))
    foreign, last = invoke("dlq", "list").stderr.splitlines()
    assert foreign.startswith("dlq.reviews.lifecycle.v1, partition 3, offset 5, is passed over: ")
    assert last == "no dead letters"
