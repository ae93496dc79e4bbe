"""How a command that runs as a service writes: lines of text to a terminal, else JSON lines as a worker does.

Invariant: without a terminal an error that a person can correct is one JSON line, the last one, without a stack trace.
"""

from __future__ import annotations

import logging.config
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
import typer
from kafka.errors import KafkaError

from stream.cli.output import messages, say, warn
from stream.config import SettingsError

#: What a web server and its client write at INFO is a line for each start or each request.
_QUIET: Final = ("uvicorn", "httpx", "httpcore")


class ServiceLog:
    """Writes what a service says.

    Args:
        name: The logger of its lines.
    """

    def __init__(self, name: str) -> None:
        self._name, self._is_text = name, messages.is_terminal

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Write an error that a person can correct, and end with its exit code."""
        if self._is_text:
            yield  # the program writes it
            return
        from stream.ops import logs

        try:
            yield
        except (KeyError, IndexError):  # errors of the program
            raise
        except (SettingsError, KafkaError, LookupError, OSError) as error:
            logs.fatal(error, self._name)
            raise typer.Exit(2 if isinstance(error, SettingsError) else 1) from None

    def begin(self, level: str) -> None:
        """Begin to log lines of this level and above."""
        if not self._is_text:
            from stream.ops import logs

            logging.config.dictConfig(logs.configure(level, _QUIET))

    def say(self, event: str, text: str, **values: Any) -> None:
        """Write what happened: the text to a terminal, else the event with its values."""
        if self._is_text:
            say(text)
        else:
            structlog.get_logger(self._name).info(event, **values)

    def warn(self, text: str) -> None:
        """Write a warning, which is one line."""
        if self._is_text:
            warn(text)
        else:
            structlog.get_logger(self._name).warning("waiting_for_kafka", text=text)
