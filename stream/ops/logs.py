"""Logs as JSON lines on standard error, ours and the libraries' alike."""

from __future__ import annotations

from typing import Any

import structlog


def processors() -> list[Any]:
    """What every line carries: level, logger, UTC time."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]


def configure(level: str) -> dict[str, Any]:
    """Set structlog up; the returned mapping is for `logging.config.dictConfig`, which Faust calls."""
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
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": level, "handlers": ["stderr"]},
        # Faust announces every consumer group step at INFO; a rebalance is told by our own lines. At DEBUG the clients
        # trace every request, that with the password included.
        "loggers": {
            "aiokafka": {"level": "WARNING"},
            "faust": {"level": "WARNING"},
            "kafka": {"level": "WARNING"},
            "mode": {"level": "WARNING"},
        },
    }
