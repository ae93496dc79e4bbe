"""Which lines of the libraries a worker writes, and at which level.

Invariant: a line that a healthy worker writes is no warning, and an error that a person can correct is one line without
a stack trace. Both are chosen line by line; all others of the same logger are written as they are.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Sequence
from typing import Final

from stream.ops.rate_limit import RateLimit
from stream.rights import refusal_of

#: A member comes or goes: the worker logs what it is assigned.
_REBALANCE: Final = "Heartbeat failed for group %s because it is rebalancing"
#: What the client tries again. Kafka answers NotEnoughReplicas, too, to the first write of a transaction, while the
#: transaction's coordinator has not confirmed the partition (KIP-890). It has no coordinator before the first group.
_RETRIED: Final = (
    "Got error produce response on topic-partition %s, retrying. Error: %s",
    "Group Coordinator Request failed: %s",
)
#: kafka-python measures its steps by the clock, so a busy machine makes it complain of itself.
_STEPS: Final = "kafka.net.selector"
_SLOW_STEP: Final = re.compile(r"Task .* ran for .* threshold")
#: What is tried again for longer than this is a warning, or an error. The client tries again after a tenth of a second,
#: so a line after a pause belongs to another write: a task writes a transaction a second.
_LASTING_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.5

#: Who writes aiokafka's errors about rights with a stack trace.
_WRITERS_OF_TRACES: Final = ("asyncio", "aiokafka")
#: What the clients write of a login without encryption, and their loggers.
CLEAR_TEXT: Final = (
    "Sending username and password in the clear",
    "Exchanging credentials in the clear during Sasl Authentication",
)
CLEAR_TEXT_LOGGERS: Final = ("aiokafka.conn", "kafka.net.sasl.plain", "kafka.net.sasl.scram")
_CLEAR_TEXT_ADVICE: Final = (
    "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT: the connection to Kafka is not encrypted, so others in its network can "
    "read the login and the events; set it to SASL_SSL"
)
#: What Faust writes while it stops after a crash.
_OF_A_CRASH: Final = ("We experienced a crash!", "Error while stopping child")


class ExpectedLines(logging.Filter):
    """Lowers lines that are expected to INFO: of a rebalance, of what a client repeats with success, of a slow step.

    Args:
        level: The level of the log: lines below it are dropped.
    """

    def __init__(self, level: str) -> None:
        super().__init__()
        self._level = logging.getLevelNamesMapping()[level]
        #: When each line was written first and last, on the monotonic clock; without those that have ended.
        self._written_at: dict[str, tuple[float, float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if self._is_expected(record):
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return record.levelno >= self._level

    def _is_expected(self, record: logging.LogRecord) -> bool:
        if record.name == _STEPS:
            return _SLOW_STEP.match(str(record.msg)) is not None
        if not record.name.startswith("aiokafka."):
            return False
        return record.msg == _REBALANCE or (record.msg in _RETRIED and not self._is_lasting(record.getMessage()))

    def _is_lasting(self, line: str) -> bool:
        now = time.monotonic()
        self._written_at = {
            each: (first, last) for each, (first, last) in self._written_at.items() if now - last < _PAUSE_SECONDS
        }
        first, _ = self._written_at.get(line, (now, now))
        self._written_at[line] = first, now
        return now - first >= _LASTING_SECONDS


class RepeatedLines(logging.Filter):
    """Lets each line of a library through once a minute, by level: of a missing topic the client writes ten a second.

    Args:
        libraries: Names of loggers; those below them belong to them.
    """

    def __init__(self, libraries: Sequence[str]) -> None:
        super().__init__()
        self._libraries = libraries
        self._limit = RateLimit()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if record.name.partition(".")[0] not in self._libraries:
            return True
        return self._limit.is_due(f"{record.levelno} {record.name} {record.msg} {record.args}")


class WithoutTracesOfRefusals(logging.Filter):
    """Drops the client's stack traces about a refused right: the worker names the right in a line of its own.

    aiokafka ends its sender with the refusal, and leaves behind what waited for it: asyncio then writes their errors.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if not record.exc_info or not record.name.startswith(_WRITERS_OF_TRACES):  # asyncio gives False for none
            return True
        error = record.exc_info[1]
        return refusal_of(error) is None and not _is_taken_batch(error)


def _is_taken_batch(error: BaseException | None) -> bool:
    """Return whether the client wanted to repeat a batch that had failed with its transaction."""
    if not isinstance(error, KeyError) or error.__traceback__ is None:
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    return last.name == "reenqueue" and "aiokafka" in last.filename


class OneLineOfClearText(logging.Filter):
    """Turns the clients' warnings of a login without encryption, one for each connection, into one of this process."""

    def __init__(self) -> None:
        super().__init__()
        self._is_written = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if record.msg not in CLEAR_TEXT:
            return True
        record.msg = _CLEAR_TEXT_ADVICE
        is_first, self._is_written = not self._is_written, True
        return is_first


_one_line_of_clear_text: Final = OneLineOfClearText()


def warn_once_of_clear_text() -> None:
    """Let the clients of this process warn once of a login without encryption, and name the setting."""
    for name in CLEAR_TEXT_LOGGERS:
        logging.getLogger(name).addFilter(_one_line_of_clear_text)


class WithoutRepeatedFatal(logging.Filter):
    """Drops Faust's lines about an error that `logs.fatal` has written already, with their stack traces.

    One of them follows from the crash: it ends the client's thread before the consumer does.
    """

    #: The error that ends this process, once it is written.
    fatal: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if self.fatal is None or record.levelno < logging.ERROR:
            return True
        message = record.getMessage()
        if f"Crashed reason={self.fatal!r}" in message or any(text in message for text in _OF_A_CRASH):
            return False
        return not (record.exc_info and record.exc_info[1] is self.fatal)
