"""Duplicates: the ids of the latest events, so that a producer's second delivery is dropped and counted.

Rule of this room: the window is bounded and its rows are a function of the events alone: full segments never change,
only the one being filled is written again.
"""

from __future__ import annotations

from typing import Final

from stream.core.codec import SEEN, decode, encode

SEGMENT: Final = 1024
SEGMENTS: Final = 128


class Seen:
    """The last SEGMENT * (SEGMENTS - 1) to SEGMENT * SEGMENTS event ids, in segments of SEGMENT."""

    def __init__(self) -> None:
        self.count = 0
        self._ids: set[str] = set()
        self._segments: list[list[str]] = [[] for _ in range(SEGMENTS)]
        self._changed: set[int] = set()

    def add(self, event_id: str) -> bool:
        """Whether the id is new; if so it is kept."""
        if event_id in self._ids:
            return False
        slot, place = divmod(self.count % (SEGMENT * SEGMENTS), SEGMENT)
        if place == 0:
            self._ids.difference_update(self._segments[slot])
            self._segments[slot] = []
        self._segments[slot].append(event_id)
        self._ids.add(event_id)
        self._changed.add(slot)
        self.count += 1
        return True

    def changed(self) -> set[bytes]:
        """Keys of the rows that changed since the last call."""
        keys = {SEEN + b"%d" % slot for slot in self._changed}
        self._changed.clear()
        return keys

    def keys(self) -> list[bytes]:
        """Keys of the rows that exist."""
        return [SEEN + b"%d" % slot for slot, ids in enumerate(self._segments) if ids]

    def row(self, slot: int) -> bytes:
        """A segment's row."""
        return encode(self._segments[slot])

    def load(self, slot: int, value: bytes) -> None:
        """Take a row back."""
        self._segments[slot] = decode(value, list[str])
        self._ids.update(self._segments[slot])
