"""The core, as a program of another framework would use it: event in, the row of its review out, to be kept there.

Rule of this room: it favours the peers. They keep the rows of reviews only (Volteface keeps sellers, flips, products,
staff and models as well), need no order between topics, and wait for nobody.
"""

from __future__ import annotations

import json
import os
import sys
import time

from stream.config import Settings
from stream.core import codec
from stream.core.detector import Detector
from stream.intake.decode import Intake

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
        """The review that an event is about, and what there is to keep of it."""
        at, event = self._intake.decode(_STREAM_OF[topic], partition, key, value, time.time())
        detector = self._detectors[partition]
        detector.apply(event, at)
        detector.outbox.clear()
        name = getattr(event, "review_id", None) or ""
        review = detector.reviews.get(name)
        return name, b"" if review is None else codec.review_row(review)


class Tally:
    """Says twice a second how many events are done, one JSON number a line."""

    def __init__(self) -> None:
        self._count = 0
        self._said_at = 0.0

    def add(self, events: int = 1) -> None:
        """So many more."""
        self._count += events
        if self._count % 100 < events:
            now = time.monotonic()
            if now - self._said_at > 0.5:
                self._said_at = now
                print(json.dumps(self._count), file=sys.__stdout__, flush=True)  # Faust makes log lines of sys.stdout
