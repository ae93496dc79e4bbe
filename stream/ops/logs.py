"""Logs as JSON lines on standard error, those of the libraries and the error that ends a worker included."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog
from kafka.errors import KafkaError

from stream.config import SettingsError
from stream.ops.log_filters import ExpectedLines, RepeatedLines, WithoutRepeatedFatal, WithoutTracesOfRefusals

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


def configure(level: str, quiet: Sequence[str] = ()) -> dict[str, Any]:
    """Set structlog up, and return the mapping for `logging.config.dictConfig`, which Faust calls.

    Args:
        level: The least severe level that is logged.
        quiet: Names of further loggers that write nothing below WARNING.
    """
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
        "filters": {
            "expected": {"()": ExpectedLines, "level": level},
            "repeated": {"()": RepeatedLines, "libraries": _LIBRARIES},
            "traces": {"()": WithoutTracesOfRefusals},
            "fatal": {"()": WithoutRepeatedFatal},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "filters": ["expected", "traces", "repeated", "fatal"],
            }
        },
        "root": {"level": level, "handlers": ["stderr"]},
        # At INFO Faust logs every step of the consumer group; Volteface logs rebalances itself. At DEBUG the clients
        # log every request, including the one with the password.
        "loggers": {name: {"level": "WARNING"} for name in (*_LIBRARIES, *quiet)},
    }


def fatal(error: Exception, logger: str = "stream.app") -> None:
    """Write the one line of an error that ends a service and that a person can correct, without a stack trace.

    Args:
        error: The error.
        logger: The name of the service's logger.
    """
    WithoutRepeatedFatal.fatal = error
    text = "; ".join(str(error).splitlines())
    line = {
        "error": f"{type(error).__name__}: {text}", "event": "fatal", "level": "critical", "logger": logger,
        "timestamp": dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z"),
    }  # fmt: skip
    # Not by logging: an error of a setting comes before it is configured.
    print(json.dumps(line, ensure_ascii=False), file=sys.__stderr__, flush=True)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the start with one line, without a stack trace, for an error that a person can correct."""
    try:
        yield
    except (KeyError, IndexError):  # errors of the program
        raise
    except (SettingsError, KafkaError, LookupError, OSError) as error:
        fatal(error)
        sys.exit(1)
