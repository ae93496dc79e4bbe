"""Duplicates: the ids of the latest events, so that a producer's second delivery is dropped and counted.

Rule of this room: the window is bounded and its rows are a function of the events alone: full segments never change,
only the one being filled is written again.
"""

from __future__ import annotations

from typing import Final

from stream.core.codec import decode, encode

#: Small, because the one being filled is written again at every checkpoint.
SEGMENT: Final = 256
SEGMENTS: Final = 512


class Seen:
    """The last SEGMENT * (SEGMENTS - 1) to SEGMENT * SEGMENTS event ids, in segments of SEGMENT."""

    def __init__(self) -> None:
        self.count = 0
        self._ids: set[str] = set()
        self._segments: list[list[str]] = [[] for _ in range(SEGMENTS)]
        self._filling, self._slot = self._segments[0], "0"
        #: Names of the rows that differ since they were last written.
        self.changed: set[str] = set()

    def add(self, event_id: str) -> bool:
        """Whether the id is new; if so it is kept."""
        ids = self._ids
        if event_id in ids:
            return False
        if len(self._filling) == SEGMENT:
            self._begin_segment()
        self._filling.append(event_id)
        ids.add(event_id)
        self.count += 1
        self.changed.add(self._slot)
        return True

    def _begin_segment(self) -> None:
        """The oldest segment makes room."""
        slot = self.count // SEGMENT % SEGMENTS
        self._ids.difference_update(self._segments[slot])
        self._filling = self._segments[slot] = []
        self._slot = str(slot)

    def loaded(self, count: int) -> None:
        """All rows are back, and so many ids were kept in all: go on where they end."""
        self.count = count
        slot = max(count - 1, 0) // SEGMENT % SEGMENTS
        self._filling, self._slot = self._segments[slot], str(slot)

    def names(self) -> list[str]:
        """Names of the rows that exist."""
        return [str(slot) for slot, ids in enumerate(self._segments) if ids]

    def row(self, name: str) -> bytes:
        """A segment's row."""
        return encode(self._segments[int(name)])

    def load(self, name: str, value: bytes) -> None:
        """Take a row back."""
        ids = self._segments[int(name)] = decode(value, list[str])
        self._ids.update(ids)
