"""Deduplication: the identities of the latest events, so that a producer's second delivery is dropped and counted.

An event is identified by its type, its id, its seller and its review or link, or its subject and its case; a second
delivery has the same time, too. An event with a known identity and another time is another event, whose producer has
used an id again.

Invariant: the window is bounded, and its rows are a function of the events alone. Full segments never change; only the
segment that is being filled is written again.
"""

from __future__ import annotations

import enum
import hashlib
from typing import Any, Final

from stream.contract.events import STREAMS, Event, SellerLinked
from stream.core.model.encoding import decode, encode

#: Ids of a segment. Few, because the segment that is being filled is written again at every checkpoint.
SEGMENT_IDS: Final = 256
#: Segments that are kept.
MAX_SEGMENTS: Final = 512
#: Two of 131,072 events have the same digest of this size with a probability of 1e-14.
_DIGEST_BYTES: Final = 10

_TAGS: Final[dict[type[Event], str]] = {
    kind: str(kind.__struct_config__.tag) for kinds in STREAMS.values() for kind in kinds
}
_CASE_EVENTS: Final = frozenset(STREAMS["verdicts"])


class DeduplicationResult(enum.Enum):
    """What an event is beside the events of the window."""

    NEW = "new"
    REPEATED = "repeated"
    ID_USED_AGAIN = "id used again"


class Deduplicator:
    """The latest events of a task: between SEGMENT_IDS * (MAX_SEGMENTS - 1) and SEGMENT_IDS * MAX_SEGMENTS.

    Attributes:
        count: All events that were ever added.
    """

    def __init__(self) -> None:
        self.count = 0
        #: The time of each event (epoch seconds), by identity.
        self._times: dict[bytes, float] = {}
        self._segments: list[list[bytes]] = [[] for _ in range(MAX_SEGMENTS)]
        self._open_segment, self._slot = self._segments[0], "0"
        #: Names of the rows that have changed since they were last written.
        self.changed: set[str] = set()

    def add(self, event: Event, at: float) -> DeduplicationResult:
        """Add an event that occurred `at` (epoch seconds), unless its identity is in the window."""
        identity = _identity(event)
        earlier = self._times.get(identity)
        if earlier is not None:
            return DeduplicationResult.REPEATED if earlier == at else DeduplicationResult.ID_USED_AGAIN
        if len(self._open_segment) == SEGMENT_IDS:
            self._begin_segment()
        self._open_segment.append(identity)
        self._times[identity] = at
        self.count += 1
        self.changed.add(self._slot)
        return DeduplicationResult.NEW

    def _begin_segment(self) -> None:
        """Start a new segment in the slot of the oldest one."""
        slot = self.count // SEGMENT_IDS % MAX_SEGMENTS
        for identity in self._segments[slot]:
            del self._times[identity]
        self._open_segment = self._segments[slot] = []
        self._slot = str(slot)

    def finish_load(self, count: int) -> None:
        """Continue after the last row was loaded; `count` events had been added in all."""
        self.count = count
        slot = max(count - 1, 0) // SEGMENT_IDS % MAX_SEGMENTS
        self._open_segment, self._slot = self._segments[slot], str(slot)

    def names(self) -> list[str]:
        """Return the names of the existing rows."""
        return [str(slot) for slot, ids in enumerate(self._segments) if ids]

    def row(self, name: str) -> bytes:
        """Encode a segment."""
        return encode([(identity, self._times[identity]) for identity in self._segments[int(name)]])

    def load(self, name: str, value: bytes) -> None:
        """Restore a segment from its row."""
        segment = decode(value, list[tuple[bytes, float]])
        self._segments[int(name)] = [identity for identity, _ in segment]
        self._times.update(segment)


def _identity(event: Any) -> bytes:
    """Return the identity of an event as a digest, so that rows are short and hold no id of a person.

    A producer may use one id for all reviews of a batch, or for all reviewers of a campaign without reviews. Ids hold
    no spaces, so different events give different texts.
    """
    kind = type(event)
    if kind in _CASE_EVENTS:
        subject, about = event.subject.id, event.case_id
    elif kind is SellerLinked:
        subject, about = event.seller_id, event.link_id
    else:
        subject, about = event.seller_id, event.review_id
        if about is None:
            about = f"reviewer {event.reviewer_id}"
    text = f"{_TAGS[kind]} {event.event_id} {subject} {about}"
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()
