"""Logs as JSON lines on standard error, those of the libraries included.

Invariant: a library repeats a line at most once a minute: of a missing topic the client would write ten a second.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Final

import structlog

_REPEAT_SECONDS: Final = 60
_LIBRARIES: Final = ("aiokafka", "faust", "kafka", "mode")


def processors() -> list[Any]:
    """Return the processors that add level, logger and UTC time to every line."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]


def configure(level: str) -> dict[str, Any]:
    """Set structlog up, and return the mapping for `logging.config.dictConfig`, which Faust calls."""
    structlog.configure(
        processors=[*processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": processors(),
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(sort_keys=False, default=str),
        ],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "filters": {"libraries": {"()": LibraryLines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["libraries"]}},
        "root": {"level": level, "handlers": ["stderr"]},
        # At INFO Faust logs every step of the consumer group; Volteface logs rebalances itself. At DEBUG the clients
        # log every request, including the one with the password.
        "loggers": {name: {"level": "WARNING"} for name in _LIBRARIES},
    }


class RateLimit:
    """Lets each message through once in a period.

    Args:
        every_seconds: The period; if it is infinite, messages must be few.
    """

    def __init__(self, every_seconds: float = _REPEAT_SECONDS) -> None:
        self._every_seconds = every_seconds
        self._written_at: dict[str, float] = {}
        self._lock = threading.Lock()  # clients run in threads of their own

    def is_due(self, message: str) -> bool:
        """Return whether a message was not written in the past period, and note that it is written now."""
        now = time.monotonic()
        with self._lock:
            # Forgets the old ones, so that the number of messages is bounded by those of a period.
            self._written_at = {text: at for text, at in self._written_at.items() if now - at < self._every_seconds}
            if message in self._written_at:
                return False
            self._written_at[message] = now
            return True


class LibraryLines(logging.Filter):
    """Lets each line of a library through once a minute, and all lines of Volteface."""

    def __init__(self) -> None:
        super().__init__()
        self._limit = RateLimit()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is written."""
        if record.name.partition(".")[0] not in _LIBRARIES:
            return True
        return self._limit.is_due(f"{record.name} {record.msg} {record.args}")
