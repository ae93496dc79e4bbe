"""Names the streams that a task goes on without although they are not read to their end.

Invariant: one warning for each stall of a stream. A stall ends when the stream brings records or is read to its end.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

log = structlog.get_logger()


class StalledStreams:
    """The stalled streams of one task.

    Args:
        topics: The topic of each stream.
        partition: The task's partition.
    """

    def __init__(self, topics: Sequence[str], partition: int) -> None:
        self._topics = topics
        self._partition = partition
        #: By stream, the seconds for which the task had waited.
        self._stalled: dict[int, float] = {}
        self._named: set[int] = set()

    def add(self, stream: int, seconds: float) -> None:
        """Note that a stream has more records, brings none, and is no longer waited for after so many seconds."""
        self._stalled.setdefault(stream, seconds)

    def end(self, stream: int) -> None:
        """Note that a stream has brought records or is read to its end."""
        self._stalled.pop(stream, None)
        self._named.discard(stream)

    def warn(self) -> None:
        """Log each stall that was not logged yet; called when the task has applied events without these streams."""
        for stream in self._stalled.keys() - self._named:
            self._named.add(stream)
            topic, seconds = self._topics[stream], self._stalled[stream]
            log.warning(
                "stream_stalled",
                topic=topic,
                partition=self._partition,
                waited_seconds=round(seconds, 1),
                text=f"Topic {topic}, partition {self._partition}, has more records but has brought none for "
                f"{seconds:.0f} s: the task goes on without them, and later counts them as late if others are ahead. "
                "The usual cause is an unfinished transaction of another producer: find and end it as "
                "VoltefaceWatermarkStalls in docker/runbooks.md says.",
            )
