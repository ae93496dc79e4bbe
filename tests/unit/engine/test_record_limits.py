"""What a worker learns from a refused batch, and what the error says."""

from __future__ import annotations

import pytest
from aiokafka import errors

from stream.config import Settings
from stream.engine.record_limits import MAX_RECORD_BYTES, InvalidRecordError, RecordLimits, WriteError
from stream.engine.records import dead_letter_record
from stream.intake.dead_letters import DeadLetter

TOO_LARGE = errors.MessageSizeTooLargeError()


def test_a_dead_letter_topic_is_refused_a_bounded_number_of_times() -> None:
    settings = Settings()
    limits = RecordLimits(["dlq.t"])
    letter = DeadLetter(
        topic="t", partition=0, offset=1, key=b"k", value=b"v" * 20_000_000, headers=(), reason="too_large", detail="",
    )  # fmt: skip
    refusals = 0
    while (size := len(dead_letter_record(settings, letter, limits).value or b"") + 1000) > 10_000:
        error = WriteError("dlq.t", 0, 1, size, TOO_LARGE)
        limits.learn(error)
        assert "dlq.t" in str(error)
        assert f"cut to {limits.max_bytes('dlq.t'):,} bytes" in str(error)
        refusals += 1
    assert refusals <= 10
    assert limits.max_bytes("other") == MAX_RECORD_BYTES


def test_a_limit_never_rises() -> None:
    limits = RecordLimits(["dlq.t"])
    for size in (1000, 3000, 800):
        limits.learn(WriteError("dlq.t", 0, 1, size, TOO_LARGE))
    assert limits.max_bytes("dlq.t") == 400


def test_batches_of_other_topics_become_smaller_and_single_records_name_the_setting() -> None:
    limits = RecordLimits(["dlq.t"])
    batch = WriteError("alerts", 2, 30, 900_000, TOO_LARGE)
    limits.learn(batch)
    assert limits.max_bytes("alerts") == 450_000
    assert "topic alerts, partition 2, did not take 30 records of together 900,000 bytes" in str(batch)
    single = WriteError("alerts", 2, 1, 70_000, TOO_LARGE)
    limits.learn(single)
    assert limits.max_bytes("alerts") == 450_000
    assert str(single).endswith("set max.message.bytes of topic alerts to at least 70000")


@pytest.mark.parametrize(
    ("topic", "text"), [("dlq.t", "get their place as key"), ("evidence", "cleanup.policy of topic")]
)
def test_a_record_without_a_key_in_a_compacted_topic_is_named(topic: str, text: str) -> None:
    limits = RecordLimits(["dlq.t"])
    assert errors.for_code(87) is InvalidRecordError, "aiokafka does not know this code"
    error = WriteError(topic, 0, 1, 100, errors.for_code(87)())
    limits.learn(error)
    assert text in str(error)
    assert limits.needs_keys(topic) == (topic == "dlq.t")


def test_another_error_names_the_topic_and_changes_nothing() -> None:
    limits = RecordLimits(["dlq.t"])
    error = WriteError("dlq.t", 0, 5, 100, errors.TopicAuthorizationFailedError("dlq.t"))
    limits.learn(error)
    assert "topic dlq.t" in str(error)
    assert "TopicAuthorizationFailed" in str(error)
    assert limits.max_bytes("dlq.t") == MAX_RECORD_BYTES
    assert not limits.needs_keys("dlq.t")
