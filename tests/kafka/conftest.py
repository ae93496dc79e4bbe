"""A real Apache Kafka for every test of this folder; where Java or Maven is missing they fail and say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.config import KafkaSettings
from stream.ops.broker import Broker
from tests.kafka.group import Group


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaSettings]:
    with Broker() as broker:
        yield KafkaSettings(bootstrap_servers=broker.bootstrap_servers)


@pytest.fixture
def group(kafka: KafkaSettings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Group]:
    group = Group(request.node.name.replace("_", "-"), kafka, tmp_path)
    yield group
    for worker in group.workers:
        worker.kill()
