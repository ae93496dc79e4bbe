"""What the topics take: the largest batch and whether records need a key, learned from Kafka's refusals.

Invariant: a limit only falls, and by half at least, so a dead letter is refused a bounded number of times. The limits
belong to the worker, because a task that was refused is dropped and another one begins at the last checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from aiokafka import errors

#: The largest row or dead letter; `volteface topics create` sets the topics up for it.
MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
_TOO_LARGE: Final = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)


class InvalidRecordError(errors.BrokerResponseError):  # type: ignore[misc]  # aiokafka ships no types
    """Kafka's INVALID_RECORD, for example of a record without a key in a compacted topic."""

    errno = 87
    message = "INVALID_RECORD"
    description = "the record has no key where the topic is compacted, or its time is out of the topic's range"


#: Answers that are about the batch itself, not about the producer, the topic or Kafka.
REFUSALS: Final = (*_TOO_LARGE, InvalidRecordError)
# aiokafka does not know this code, and would report an unknown error.
errors.kafka_errors.setdefault(InvalidRecordError.errno, InvalidRecordError)


class WriteError(Exception):
    """Kafka did not take a batch of a checkpoint, so nothing of it is committed. The text is one line for a person.

    Attributes:
        topic, partition: Where the batch was sent.
        records, size_bytes: Of the batch.
        cause: The answer of Kafka.
    """

    def __init__(self, topic: str, partition: int, records: int, size_bytes: int, cause: BaseException) -> None:
        self.topic = topic
        self.partition = partition
        self.records = records
        self.size_bytes = size_bytes
        self.cause = cause
        self.advice = ""
        super().__init__(topic, partition, records, size_bytes, cause)

    def __str__(self) -> str:
        found = f"topic {self.topic}, partition {self.partition}, did not take {self.records} records of together "
        return f"{found}{self.size_bytes:,} bytes: {self.cause!r}{self.advice}"


class RecordLimits:
    """The limits of the topics that a worker writes to.

    Args:
        dead_letter_topics: The topics whose records may be cut.
    """

    def __init__(self, dead_letter_topics: Collection[str] = ()) -> None:
        self._dead_letter_topics = frozenset(dead_letter_topics)
        self._max_bytes: dict[str, int] = {}
        self._keyed: set[str] = set()

    def max_bytes(self, topic: str) -> int:
        """Return the size of the largest batch of a topic; a larger row, message or alert is a batch of its own."""
        return self._max_bytes.get(topic, MAX_RECORD_BYTES)

    def needs_keys(self, topic: str) -> bool:
        """Return whether a topic takes no record without a key."""
        return topic in self._keyed

    def learn(self, error: WriteError) -> None:
        """Lower the limits after a refusal, and add to the error what happens next."""
        cut = error.topic in self._dead_letter_topics
        if isinstance(error.cause, _TOO_LARGE):
            if cut or error.records > 1:
                self._max_bytes[error.topic] = min(self.max_bytes(error.topic), error.size_bytes // 2)
                what = "dead letters are cut to" if cut else "batches have at most"
                error.advice = f"; from now on {what} {self._max_bytes[error.topic]:,} bytes"
            else:
                error.advice = f"; set max.message.bytes of topic {error.topic} to at least {error.size_bytes}"
        elif isinstance(error.cause, InvalidRecordError):
            if cut:
                self._keyed.add(error.topic)
                error.advice = "; from now on dead letters without a key get their place as key"
            else:
                error.advice = f"; set cleanup.policy of topic {error.topic} to delete"
