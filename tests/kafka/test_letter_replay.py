"""`dlq replay` sends each letter once, whatever happens meanwhile, and no letter stops another one."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, errors

from stream.intake.dead_letters import DeadLetter, LeftOut, outgoing
from stream.ops import topic_reader
from stream.ops.client import connection
from stream.ops.letter_replay import Choice, Replayed, replay
from stream.ops.taken_over import TakenOverError
from tests.kafka.group import Group, argv

pytestmark = pytest.mark.kafka

Run = Callable[..., Replayed]


def _letter(group: Group, number: int, reason: str = "bad_value", value: bytes = b"") -> DeadLetter:
    return DeadLetter(
        topic=group.settings.lifecycle_topic, partition=0, offset=number, key=b"k", value=b"%d" % number + value,
        headers=(("\udcff", b"1"),), reason=reason, detail="because",
    )  # fmt: skip


def _store(group: Group, letters: list[DeadLetter]) -> None:
    topic = group.settings.dead_letter_topic(group.settings.lifecycle_topic)
    with closing(KafkaProducer(**connection(group.kafka), max_request_size=1 << 23)) as producer:
        for letter in letters:
            key, value, headers = outgoing(letter)
            producer.send(topic, value=value, key=key, headers=list(headers))
        producer.flush(30)


def _sent(group: Group) -> list[bytes]:
    return [record.value for record in topic_reader.read(group.kafka, group.settings.lifecycle_topic)]


@pytest.fixture
def unsendable() -> list[str]:
    return []


@pytest.fixture
def run(group: Group, unsendable: list[str]) -> Run:
    settings, kafka = group.settings, group.kafka

    def run(choice: Choice | None = None) -> Replayed:
        return replay(settings, kafka, settings.lifecycle_topic, choice or Choice(), pytest.fail, unsendable.append)

    return run


def test_a_letter_that_cannot_be_sent_stops_no_other(group: Group, run: Run, unsendable: list[str]) -> None:
    incompressible = random.Random(1).randbytes(1_200_000)
    left = DeadLetter(
        topic=group.settings.lifecycle_topic, partition=0, offset=3, key=b"k", value=None, headers=(),
        reason="too_large", detail="", left_out={"value": LeftOut(6_291_456, "0" * 64)},
    )  # fmt: skip
    # A value that gzip makes small enough for its topic is sent, as it came.
    letters = [_letter(group, 0), _letter(group, 1, value=incompressible), _letter(group, 2, value=b" " * 2_000_000)]
    _store(group, [*letters, left, _letter(group, 4)])
    assert run() == (3, 0, 2)
    assert sorted(_sent(group)) == [b"0", b"2" + b" " * 2_000_000, b"4"]
    place = f"{group.settings.lifecycle_topic}/0"
    assert f"the letter of {place}/3 cannot be sent: its value (6,291,456 bytes) did not fit into it" in unsendable[0]
    assert f"the letter of {place}/1 cannot be sent: Kafka answers MessageSizeTooLargeError" in unsendable[1]
    assert run() == (0, 3, 2)
    assert len(_sent(group)) == 3


def test_only_the_chosen_letters_are_sent_and_the_others_later(group: Group, run: Run) -> None:
    _store(group, [_letter(group, number, "future" if number % 3 == 0 else "bad_value") for number in range(1500)])
    assert run(Choice("future", 2)) == (2, 0, 0)
    assert _sent(group) == [b"0", b"3"]
    assert run(Choice("future")) == (498, 2, 0)
    assert run(Choice(limit=700)).sent == 700
    assert run().sent == 300
    assert sorted(map(int, _sent(group))) == list(range(1500))


def test_it_warns_once_before_it_sends_events_that_come_late(group: Group) -> None:
    assert "come late" not in _replay_command(group)
    _store(group, [_letter(group, number) for number in range(3)])
    (line,) = [line for line in _replay_command(group).splitlines() if "come late" in line]
    lateness = group.settings.allowed_lateness_seconds
    assert f"events more than {lateness:g} s of event time behind others come late (the first letter is of 20" in line
    assert "come late" not in _replay_command(group), "all were sent before"


def _replay_command(group: Group) -> str:
    """Return what `dlq replay` writes beside its results."""
    done = subprocess.run(
        argv("dlq", "replay"), env=group.environment | {"COLUMNS": "1000"}, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    return done.stderr


def test_a_run_that_is_interrupted_sends_nothing_twice(group: Group, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _store(group, [_letter(group, number) for number in range(1200)])
    commit, calls = KafkaProducer.commit_transaction, iter(range(10))

    def interrupted(producer: KafkaProducer) -> None:
        if next(calls) == 1:
            raise errors.KafkaTimeoutError("Kafka is away")
        commit(producer)

    with monkeypatch.context() as patched:
        patched.setattr(KafkaProducer, "commit_transaction", interrupted)
        with pytest.raises(errors.KafkaTimeoutError):
            run()
    assert run() == (700, 500, 0)
    assert sorted(map(int, _sent(group))) == list(range(1200))


@pytest.mark.parametrize("step", ["begin_transaction", "send", "commit_transaction"])
def test_a_run_that_another_one_takes_over_says_so(
    step: str, group: Group, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    _store(group, [_letter(group, number) for number in range(3)])
    original = getattr(KafkaProducer, step)
    others: list[Replayed] = []

    def taken_over(producer: KafkaProducer, *arguments: Any, **named: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(KafkaProducer, step, original)
            others.append(run())
        monkeypatch.setattr(KafkaProducer, step, original)
        return original(producer, *arguments, **named)

    monkeypatch.setattr(KafkaProducer, step, taken_over)
    with pytest.raises(TakenOverError) as taken:
        run()
    assert str(taken.value) == (
        "another `volteface dlq replay` of this group took over while this one ran; no letter was sent twice: run it "
        "again"
    )
    assert others == [(3, 0, 0)]
    assert sorted(_sent(group)) == [b"0", b"1", b"2"]


def test_what_was_sent_is_known_without_a_group(group: Group, run: Run) -> None:
    """The offsets of a consumer group expire a week after its last use; an earlier version relied on them."""
    _store(group, [_letter(group, number) for number in range(3)])
    assert run() == (3, 0, 0)
    with closing(KafkaAdminClient(**connection(group.kafka))) as admin:
        assert not [each for each in admin.list_groups() if "dlq-replay" in str(each)]
    assert run() == (0, 3, 0)
    lines = group.command("dlq", "list").splitlines()
    assert len(lines) == 3
    assert all('"sent_again":true' in line for line in lines)


def test_the_command_takes_reason_topic_and_limit(group: Group) -> None:
    _store(group, [_letter(group, number, "future") for number in range(3)])
    topic = group.settings.lifecycle_topic
    group.command("dlq", "replay", "--reason", "bad_value", "--topic", topic)
    assert _sent(group) == []
    group.command("dlq", "replay", "--reason", "future", "--topic", topic, "--limit", "2")
    assert _sent(group) == [b"0", b"1"]
    (record, _) = topic_reader.read(group.kafka, topic)
    assert record.headers == [("\udcff", b"1")]
