"""Where the console writes what people decide: the verdicts topic, or a file beside a replay's events.

Invariant: `record` returns once the event is durable.
"""

from __future__ import annotations

from typing import Protocol

from stream.config import KafkaSettings, Settings
from stream.contract.events import CaseEvent
from stream.ops import cases


class Journal(Protocol):
    """Takes events of cases."""

    def record(self, event: CaseEvent) -> None:
        """Write an event.

        Raises:
            UnusableEventError: A worker would refuse the event; nothing was written.
            NotAcknowledgedError: It may be written or not.
        """


class TopicJournal:
    """The verdicts topic."""

    def __init__(self, settings: Settings, kafka: KafkaSettings) -> None:
        self._settings, self._kafka = settings, kafka

    def record(self, event: CaseEvent) -> None:
        """Write an event, and return once Kafka has acknowledged it."""
        cases.record(self._settings, self._kafka, event)
