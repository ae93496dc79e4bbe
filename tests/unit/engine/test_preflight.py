"""The first connection to Kafka. Real brokers are in tests/kafka/test_security.py."""

from __future__ import annotations

import pytest

from stream.config import KafkaSettings
from stream.engine import preflight


def test_a_mock_that_does_not_run_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_TOTAL_SECONDS", 0)
    settings = KafkaSettings.model_validate({"bootstrap_servers": "127.0.0.1:1", "mock": True})
    with pytest.raises(preflight.AccessError, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        preflight.check(settings)
