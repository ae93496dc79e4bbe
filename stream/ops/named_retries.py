"""Why a producer waits: the client's lines about batches that Kafka does not take yet, as lines for a person.

Invariant: only what a person may have to correct, and each line once a minute. The client sends the batches again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiokafka import TopicPartition, errors

from stream.ops.rate_limit import RateLimit

_SENDER: Final = logging.getLogger("aiokafka.producer.sender")
_IN_SYNC: Final = (
    "NOT_ENOUGH_REPLICAS, fewer of its brokers are in sync than its min.insync.replicas. Start the brokers that are "
    "away, or lower it: see `volteface topics check`"
)
_MEANINGS: Final[dict[Any, str]] = {
    errors.NotEnoughReplicasError: _IN_SYNC,
    errors.NotEnoughReplicasAfterAppendError: _IN_SYNC,
    errors.UnknownTopicOrPartitionError: "UNKNOWN_TOPIC_OR_PARTITION, it was deleted. Run `volteface "
    "topics create`, and feed again what it held",
}


class _Retries(logging.Handler):
    """Receives the client's lines.

    Args:
        report: Called with each line for a person.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._report = report
        self._limit = RateLimit()

    def emit(self, record: logging.LogRecord) -> None:
        match record.args:
            case (TopicPartition(topic=topic), error) if error in _MEANINGS:
                line = (
                    f"Kafka takes no records for topic {topic}: {_MEANINGS[error]}. Waiting to send these records again"
                )
                if self._limit.is_due(line):
                    self._report(line)


@contextmanager
def named_retries(report: Callable[[str], None]) -> Iterator[None]:
    """Report why Kafka does not take the batches of this process's producers yet."""
    handler, level = _Retries(report), _SENDER.level
    _SENDER.addHandler(handler)
    _SENDER.setLevel(logging.WARNING)  # a command may have silenced the client
    try:
        yield
    finally:
        _SENDER.removeHandler(handler)
        _SENDER.setLevel(level)
