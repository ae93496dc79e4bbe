"""Deduplication: the ids of the latest events, so that a producer's second delivery is dropped and counted.

Invariant: the window is bounded, and its rows are a function of the events alone. Full segments never change; only the
segment that is being filled is written again.
"""

from __future__ import annotations

from typing import Final

from stream.core.model.encoding import decode, encode

#: Ids of a segment. Few, because the segment that is being filled is written again at every checkpoint.
SEGMENT_IDS: Final = 256
#: Segments that are kept.
MAX_SEGMENTS: Final = 512


class Deduplicator:
    """The latest event ids of a task: between SEGMENT_IDS * (MAX_SEGMENTS - 1) and SEGMENT_IDS * MAX_SEGMENTS.

    Attributes:
        count: All ids that were ever added.
    """

    def __init__(self) -> None:
        self.count = 0
        self._ids: set[str] = set()
        self._segments: list[list[str]] = [[] for _ in range(MAX_SEGMENTS)]
        self._open_segment, self._slot = self._segments[0], "0"
        #: Names of the rows that have changed since they were last written.
        self.changed: set[str] = set()

    def add(self, event_id: str) -> bool:
        """Add an event id and return True, or return False if it is in the window."""
        ids = self._ids
        if event_id in ids:
            return False
        if len(self._open_segment) == SEGMENT_IDS:
            self._begin_segment()
        self._open_segment.append(event_id)
        ids.add(event_id)
        self.count += 1
        self.changed.add(self._slot)
        return True

    def _begin_segment(self) -> None:
        """Start a new segment in the slot of the oldest one."""
        slot = self.count // SEGMENT_IDS % MAX_SEGMENTS
        self._ids.difference_update(self._segments[slot])
        self._open_segment = self._segments[slot] = []
        self._slot = str(slot)

    def finish_load(self, count: int) -> None:
        """Continue after the last row was loaded; `count` ids had been added in all."""
        self.count = count
        slot = max(count - 1, 0) // SEGMENT_IDS % MAX_SEGMENTS
        self._open_segment, self._slot = self._segments[slot], str(slot)

    def names(self) -> list[str]:
        """Return the names of the existing rows."""
        return [str(slot) for slot, ids in enumerate(self._segments) if ids]

    def row(self, name: str) -> bytes:
        """Encode a segment."""
        return encode(self._segments[int(name)])

    def load(self, name: str, value: bytes) -> None:
        """Restore a segment from its row."""
        ids = self._segments[int(name)] = decode(value, list[str])
        self._ids.update(ids)
