"""The first connection to Kafka. Real brokers are in tests/kafka/test_security.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from stream.config import KafkaSettings
from stream.engine import preflight
from stream.ops.broker import free_port


def test_a_mock_that_does_not_run_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_TOTAL_SECONDS", 0)
    settings = KafkaSettings.model_validate({"bootstrap_servers": "127.0.0.1:1", "mock": True})
    with pytest.raises(preflight.AccessError, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        preflight.check(settings)


def test_a_worker_without_kafka_says_at_once_what_it_waits_for_and_what_it_does_next() -> None:
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "VOLTEFACE_WEB_PORT": str(free_port()), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "stream.cli", "worker"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        try:
            line = json.loads(worker.stderr.readline())
            assert worker.poll() is None, "the line comes while it waits"
        finally:
            worker.kill()
            worker.stderr.read()
    assert (line["event"], line["level"]) == ("waiting_for_kafka", "warning")
    assert line["text"] == (
        "waiting for Kafka at 127.0.0.1:1, for up to 20 seconds; then this worker ends with exit code 1: start it again"
    )
