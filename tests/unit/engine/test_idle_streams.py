"""Streams without records, with a clock and answers of Kafka that the tests set."""

from __future__ import annotations

import pytest

from stream.engine import idle_streams
from stream.engine.idle_streams import GIVE_UP_FACTOR, IdleStreams, Tail

#: The streams of a task: reviews, outreach, and messages of other tasks, which are not merged.
_STREAMS = ("reviews", "outreach", "messages")
_MAX_IDLE_SECONDS = 1.0


class Kafka:
    """A clock, and what the client knows of the outreach stream; the answers for the others come at each look."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.outreach = Tail(5, 5, 0, None)
        self.streams = IdleStreams(_STREAMS, _STREAMS[:2], self._tail, _MAX_IDLE_SECONDS)

    def _tail(self, stream: str) -> Tail:
        return self.outreach if stream == "outreach" else Tail(9, 9, 0, int(self.seconds * 1000))

    def monotonic(self) -> float:
        return self.seconds

    def time(self) -> float:
        return 1.7e9 + self.seconds

    def turn(self, seconds: float, answer: bool = False, **changes: int) -> bool:
        """Let time pass in one turn of the loop; return whether the outreach stream is idle then."""
        self.seconds += seconds
        if answer:
            changes["answered_ms"] = int(self.time() * 1000)
        self.outreach = self.outreach._replace(**changes)
        self.streams.turn()
        return self.streams.is_idle("outreach")

    def answers(self, seconds: float, **changes: int) -> bool:
        """Let Kafka answer five times a second; return whether the outreach stream is idle in the end."""
        for _ in range(round(seconds * 5)):
            found = self.turn(0.2, answer=True, **changes)
        return found


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    found = Kafka.__new__(Kafka)
    monkeypatch.setattr(idle_streams, "time", found)
    found.__init__()  # type: ignore[misc]  # it reads the clock
    return found


def test_a_stream_at_its_end_is_waited_for_and_then_idle(kafka: Kafka) -> None:
    assert not kafka.answers(1.0)
    assert kafka.answers(0.6)
    assert kafka.turn(0.0), "it stays idle"


def test_a_stream_for_which_kafka_does_not_answer_is_waited_for(kafka: Kafka) -> None:
    """What the client knew before says nothing about the time since."""
    assert not kafka.answers(0.4)
    assert not any(kafka.turn(0.5) for _ in range(200))
    assert kafka.streams.given_up_after_seconds("outreach") is None
    assert kafka.answers(0.4)


def test_an_answer_that_lay_in_a_frozen_process_does_not_count(kafka: Kafka) -> None:
    """Records may have come to Kafka meanwhile; the next answer brings them."""
    assert kafka.answers(2.0)
    kafka.streams.received("reviews", 10)
    kafka.turn(0.1)
    assert not kafka.turn(60.0, answer=True), "the request was sent before"
    assert not kafka.turn(0.2, answer=True, end=8)
    kafka.streams.received("outreach", 8)


def test_a_frozen_process_or_an_outage_gives_no_stream_up(kafka: Kafka) -> None:
    """Of a long turn only `max_idle_seconds` count: no stream could bring records."""
    assert not kafka.answers(0.4, end=8)
    for _ in range(4):
        assert not kafka.turn(600.0, answer=True)
        assert kafka.streams.given_up_after_seconds("outreach") is None


def test_records_that_are_on_their_way_to_the_task_are_waited_for(kafka: Kafka) -> None:
    assert kafka.answers(2.0)
    kafka.turn(0.1, answer=True, end=8)
    assert not kafka.turn(0.0, position=8), "the client has given them, the task does not have them"
    assert not kafka.turn(0.2, answer=True, taken=8)
    assert kafka.streams.position("outreach") is None
    kafka.streams.received("outreach", 8)
    assert kafka.streams.position("outreach") == 8
    assert not kafka.answers(1.0)
    assert kafka.answers(0.6)


def test_records_of_one_stream_announce_records_of_the_others(kafka: Kafka) -> None:
    assert kafka.answers(3.0)
    kafka.streams.received("reviews", 10)
    assert not kafka.turn(0.2, answer=True)
    assert kafka.streams.is_idle("outreach", with_others=False)
    kafka.streams.received("reviews", 11)
    assert kafka.answers(1.4), "a stream is waited for once, not for each batch of the others"


def test_messages_of_other_tasks_are_no_input(kafka: Kafka) -> None:
    """Else an input would not be waited for after a pause in which tasks exchanged messages."""
    assert kafka.answers(3.0)
    for offset in range(10, 20):
        kafka.streams.received("messages", offset)
        kafka.answers(0.4)
    kafka.streams.received("reviews", 10)
    assert not kafka.turn(0.2, answer=True)


def test_a_stream_that_has_records_and_brings_none_is_given_up(kafka: Kafka) -> None:
    limit = GIVE_UP_FACTOR * _MAX_IDLE_SECONDS
    assert not kafka.answers(limit, end=8)
    assert kafka.streams.given_up_after_seconds("outreach") is None
    assert not kafka.answers(0.6, end=8)
    waited_seconds = kafka.streams.given_up_after_seconds("outreach")
    assert waited_seconds is not None
    assert limit < waited_seconds < limit + 1
    assert kafka.streams.given_up_after_seconds("reviews") is None, "it is idle"


@pytest.mark.parametrize(("position", "is_empty"), [(0, True), (5, False)])
def test_a_stream_that_never_had_a_record_is_known_before_the_wait_is_over(
    kafka: Kafka, position: int, is_empty: bool
) -> None:
    assert not kafka.turn(0.1, answer=True, position=position, end=position)
    assert not kafka.streams.is_empty("outreach"), "the first answer may be to a request for records"
    kafka.turn(0.1, answer=True)
    assert kafka.streams.is_empty("outreach") is is_empty
    assert not kafka.streams.is_idle("outreach")
