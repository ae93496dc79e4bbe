"""The stand-in where Java or Maven is missing: librdkafka's mock cluster, in this process.

Rule of this room: for a first look only, and said so. It begins and ends transactions but hides nothing of one that
is open or aborted, and it drops all but the newest 5 MB of a partition: what is not read in time is lost, and state
cannot be restored from it. confluent-kafka is imported here and nowhere else, and only when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final

from stream.ops.broker import Broker
from stream.ops.jars import BrokerError, check_tools

LIMITS: Final = (
    "no Kafka but a mock of it, for a first look only: it does not fully keep transactions, and of each partition only "
    "the newest 5 MB, so events may be lost and a worker cannot be started again"
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
        # Any client may hold the mock; it lives as long as its holder. Level 3: it would announce itself otherwise.
        self._holder = library.Producer({"test.mock.num.brokers": 1, "log_level": 3})
        brokers = self._holder.list_topics(timeout=10).brokers.values()
        self._servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder = None


def first_there(say: Callable[[str], None], port: int | None = None) -> AbstractContextManager[Broker | MockBroker]:
    """A real Kafka where Java and Maven are there, the mock otherwise, and `say` which."""
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
