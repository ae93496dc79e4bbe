"""Which lines of the libraries are lowered or dropped, and the line of the error that ends a worker."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import sys
import time
from collections.abc import Iterator

import pytest
from aiokafka import TopicPartition, errors
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer import group_coordinator
from aiokafka.producer import sender
from aiokafka.producer.message_accumulator import MessageAccumulator
from kafka.net import selector

from stream.config import SettingsError
from stream.ops import log_filters, logs
from stream.ops.log_filters import ExpectedLines, OneLineOfClearText, WithoutRepeatedFatal, WithoutTracesOfRefusals

_RETRY = "Got error produce response on topic-partition %s, retrying. Error: %s"
_REBALANCE = "Heartbeat failed for group %s because it is rebalancing"


def _record(name: str, level: int, text: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, text, args, sys.exc_info() if sys.exc_info()[1] else None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    yield now


def _level(expected: ExpectedLines, *args: object) -> int:
    record = _record("aiokafka.producer.sender", logging.WARNING, _RETRY, *args)
    assert expected.filter(record)
    return record.levelno


def test_a_retry_is_a_warning_only_if_it_lasts(clock: list[float]) -> None:
    expected = ExpectedLines("INFO")
    levels = {}
    for tenth in range(80):
        clock[0] = 100 + tenth / 10
        levels[tenth] = _level(expected, "topic-0", "NotEnoughReplicas")
    assert {levels[tenth] for tenth in range(49)} == {logging.INFO}
    assert {levels[tenth] for tenth in range(51, 80)} == {logging.WARNING}
    assert _level(expected, "topic-1", "NotEnoughReplicas") == logging.INFO
    clock[0] += 60
    assert _level(expected, "topic-0", "NotEnoughReplicas") == logging.INFO
    assert len(expected._written_at) == 1


def test_a_rebalance_is_no_warning_and_other_lines_stay_as_they_are() -> None:
    expected, name = ExpectedLines("INFO"), "aiokafka.consumer.group_coordinator"
    record = _record(name, logging.WARNING, _REBALANCE, "volteface")
    assert expected.filter(record)
    assert (record.levelno, record.levelname) == (logging.INFO, "INFO")
    other = _record(name, logging.WARNING, "Heartbeat failed for group %s: generation id is not  current.", "volteface")
    assert expected.filter(other)
    assert other.levelno == logging.WARNING
    assert not ExpectedLines("WARNING").filter(_record(name, logging.WARNING, _REBALANCE, "volteface"))


_SLOW = "Task <kafka.net.selector.Task object at 0x7fd93e750990> ran for 0.125s (>0.100s threshold). It is blocking the"


def test_a_slow_step_is_no_warning_but_other_lines_of_that_logger_are() -> None:
    slow = _record("kafka.net.selector", logging.WARNING, _SLOW)
    other = _record("kafka.net.selector", logging.WARNING, "Task %s left RUNNING after step", "a task")
    assert ExpectedLines("INFO").filter(slow)
    assert slow.levelno == logging.INFO
    assert ExpectedLines("INFO").filter(other)
    assert other.levelno == logging.WARNING
    source = inspect.getsource(selector)
    assert "Task %r ran for %.3fs (>%.3fs threshold)" in source


def test_the_lowered_lines_are_those_of_the_installed_client() -> None:
    """Another version of the client may word them anew."""
    texts = [
        inspect.getsource(module).replace('"\n                        "', "") for module in (group_coordinator, sender)
    ]
    for line in (_REBALANCE, *log_filters._RETRIED):
        assert any(line in text for text in texts), line


def _with_trace(error: BaseException, name: str) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, "Error", (), (type(error), error, error.__traceback__))


def test_a_refused_right_leaves_no_stack_trace_of_the_client() -> None:
    filtered = WithoutTracesOfRefusals()
    refused = errors.KafkaError("Unexpected error during batch delivery")
    refused.__cause__ = errors.TopicAuthorizationFailedError()
    assert not filtered.filter(_with_trace(refused, "asyncio"))
    assert not filtered.filter(_with_trace(refused.__cause__, "aiokafka.producer.sender"))
    assert filtered.filter(_with_trace(refused, "stream.engine.task_manager"))
    assert filtered.filter(_with_trace(errors.KafkaError("another"), "asyncio"))
    assert filtered.filter(_with_trace(KeyError("of the program"), "asyncio"))
    without = _record("asyncio", logging.ERROR, "Unclosed connection")
    without.exc_info = False  # type: ignore[assignment]  # as asyncio writes it
    assert filtered.filter(without)


class _Batch:
    tp = TopicPartition("t", 0)


def test_a_batch_that_failed_with_its_transaction_leaves_no_stack_trace() -> None:
    async def repeated() -> KeyError:
        accumulator = MessageAccumulator(ClusterMetadata(), 1, None, 1)
        with pytest.raises(KeyError) as caught:
            accumulator.reenqueue(_Batch())
        return caught.value

    assert not WithoutTracesOfRefusals().filter(_with_trace(asyncio.run(repeated()), "asyncio"))


def test_a_login_without_encryption_is_one_line_that_names_the_setting() -> None:
    filtered = OneLineOfClearText()
    records = [_record("kafka", logging.WARNING, text) for text in log_filters.CLEAR_TEXT * 2]
    assert [filtered.filter(record) for record in records] == [True, False, False, False]
    assert records[0].getMessage().startswith("KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT: ")
    assert filtered.filter(_record("kafka", logging.WARNING, "another line"))


def test_the_clients_still_warn_of_clear_text_in_these_words() -> None:
    modules = [importlib.import_module(name) for name in log_filters.CLEAR_TEXT_LOGGERS]
    for module in modules:
        assert any(text in inspect.getsource(module) for text in log_filters.CLEAR_TEXT), module


def test_a_fatal_error_is_one_line_of_json_and_not_repeated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    monkeypatch.setattr(WithoutRepeatedFatal, "fatal", None)
    error, filtered = SettingsError("one: set it\ntwo: set it"), WithoutRepeatedFatal()
    lines = [
        _record("faust", logging.ERROR, "[^-App]: Crashed reason=%r", error),
        _record("faust", logging.CRITICAL, "[^Worker]: We experienced a crash! Reraising original exception..."),
    ]
    try:
        raise error
    except SettingsError:
        lines.append(_record("faust", logging.ERROR, "[^Worker]: Error: anything"))
    assert all(map(filtered.filter, lines))
    logs.fatal(error)
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found["error"]) == (
        "fatal",
        "critical",
        "SettingsError: one: set it; two: set it",
    )
    assert not any(map(filtered.filter, lines))
    try:
        raise ValueError("an error of the program")
    except ValueError:
        assert filtered.filter(_record("faust", logging.ERROR, "[^-App]: Crashed reason=%r", ValueError("other")))
