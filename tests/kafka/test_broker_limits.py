"""Brokers with stricter limits than Kafka's defaults: settings fit them, and errors name the setting and the limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.config import KafkaSettings
from stream.ops.broker import Broker
from tests.kafka.group import Group, Worker, fatal_errors, wait

pytestmark = pytest.mark.kafka


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    limits = "transaction.max.timeout.ms=10000\ngroup.min.session.timeout.ms=30000\n"
    with Broker(more=limits) as broker:
        group = Group("limits", KafkaSettings(bootstrap_servers=broker.bootstrap_servers), tmp_path, partitions=1)
        yield group
        for worker in group.workers:
            worker.kill()


@pytest.mark.long
def test_a_limit_is_named_and_a_setting_fits_it(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group.folder / "worker.log"
    assert Worker(group).process.wait(60) == 1
    assert _errors(log) == [
        "SettingsError: VOLTEFACE_SESSION_TIMEOUT_SECONDS=10 is refused: it is not between the brokers' "
        "group.min.session.timeout.ms and group.max.session.timeout.ms"
    ]
    monkeypatch.setenv("VOLTEFACE_SESSION_TIMEOUT_SECONDS", "30")
    assert Worker(group).process.wait(60) == 1
    assert _errors(log)[1:] == [
        "SettingsError: VOLTEFACE_TRANSACTION_TIMEOUT_SECONDS=15 is refused: the brokers' transaction.max.timeout.ms "
        "is smaller"
    ]
    monkeypatch.setenv("VOLTEFACE_TRANSACTION_TIMEOUT_SECONDS", "10")
    worker = Worker(group)
    wait(worker.ready, 60, "the worker did not start")
    assert worker.stop() == 0
    assert len(_errors(log)) == 2


def _errors(log: Path) -> list[str]:
    """Return the errors that ended workers."""
    return fatal_errors(log.read_text())
