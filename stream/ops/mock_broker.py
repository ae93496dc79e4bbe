"""The mock broker for machines without Java or Maven: librdkafka's mock cluster, in this process.

Invariant: for a first look only, and every start says so. The mock accepts transactions but does not hide the records
of open or aborted ones. It keeps only the newest 5 MB of a partition: events that are not read in time are lost, and
state cannot be restored. confluent-kafka is imported only here, and only when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final

from stream.ops.broker import Broker
from stream.ops.kafka_distribution import BrokerError, check_tools

LIMITS: Final = (
    "a mock of Kafka, for a first look only: it does not fully support transactions and keeps only the newest 5 MB of "
    "a partition, so events may be lost and a worker cannot be started a second time"
)


class MockBroker:
    """A mock cluster of one broker; it chooses its port."""

    def __init__(self) -> None:
        self._holder: Any = None
        self._servers = ""

    @property
    def bootstrap_servers(self) -> str:
        """Where it listens."""
        return self._servers

    def __enter__(self) -> MockBroker:
        library = _library()
        # The mock runs as long as the client that started it. Log level 3, because it logs its start otherwise.
        self._holder = library.Producer({"test.mock.num.brokers": 1, "log_level": 3})
        brokers = self._holder.list_topics(timeout=10).brokers.values()
        self._servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder = None


def first_there(say: Callable[[str], None], port: int | None = None) -> AbstractContextManager[Broker | MockBroker]:
    """Return a real Kafka if Java and Maven are installed, else the mock; call `say` with which one it is."""
    try:
        check_tools()
    except BrokerError as missing:
        _library(because=f"{missing}; ")
        say(f"{missing}. Until then: {LIMITS}")
        return MockBroker()
    say("starting a development Kafka (the first time, Maven fetches it)...")
    return Broker(port)


def _library(because: str = "") -> Any:
    try:
        import confluent_kafka  # noqa: PLC0415  # optional: most never need it
    except ImportError:
        raise BrokerError(
            f"{because}the mock broker, for a first look without them, needs confluent-kafka: "
            "`.venv/bin/uv sync --inexact --group mock-broker`"
        ) from None
    return confluent_kafka
