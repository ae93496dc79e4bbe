"""The core, as a program of another framework uses it: it applies an event and returns the row of its review to store.

Invariant: the comparison favours the other frameworks. They store the rows of reviews only (Volteface also stores
sellers, flips, products, staff and models), need no order between topics, and do not wait for other tasks.
"""

from __future__ import annotations

import json
import os
import sys
import time

from stream.config import Settings
from stream.core.detector import Detector
from stream.core.state import codec
from stream.intake.intake import Intake

PARTITIONS = int(os.environ.get("BENCH_PARTITIONS", "8"))
SERVERS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
GROUP = os.environ.get("BENCH_GROUP", "")
SETTINGS = Settings()
TOPICS = list(SETTINGS.input_topics)
_STREAM_OF = {topic: number for number, topic in enumerate(TOPICS)}


class Core:
    """A detector for each partition."""

    def __init__(self) -> None:
        self._intake = Intake(SETTINGS, PARTITIONS)
        self._detectors = [
            Detector(SETTINGS.alert_budget, SETTINGS.config_digest, number, PARTITIONS) for number in range(PARTITIONS)
        ]

    def apply(self, topic: str, partition: int, key: bytes, value: bytes) -> tuple[str, bytes]:
        """Apply an event; return the id of its review, and the review's row to store."""
        at, event = self._intake.decode(_STREAM_OF[topic], partition, key, value, time.time())
        detector = self._detectors[partition]
        detector.apply(event, at)
        detector.take_outbox()
        name = getattr(event, "review_id", None) or ""
        review = detector.state.reviews.get(name)
        return name, b"" if review is None else codec.review_row(review)


class ProgressCounter:
    """Prints the number of events done twice a second, as one JSON number per line."""

    def __init__(self) -> None:
        self._count = 0
        self._printed_at = 0.0

    def add(self, events: int = 1) -> None:
        """Add to the number of events done."""
        self._count += events
        if self._count % 100 < events:
            now = time.monotonic()
            if now - self._printed_at > 0.5:
                self._printed_at = now
                print(
                    json.dumps(self._count), file=sys.__stdout__, flush=True
                )  # Faust redirects sys.stdout to its logger
