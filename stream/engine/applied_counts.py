"""How many events of each input stream a task has applied, and how many of them came late or have unknown fields.

Invariant: a second delivery counts nowhere. So a share of these counts tells how the state was built, and feeding the
same events again does not change it.
"""

from __future__ import annotations

from stream.contract.events import STREAMS


class AppliedCounts:
    """Counts the applied events of a task.

    Attributes:
        applied: Applied events by number of the input stream.
        late: Those of them that came later than the allowed lateness, in the same order.
        unknown_fields: Applied events with fields unknown to the contract.
    """

    def __init__(self) -> None:
        self.applied = [0] * len(STREAMS)
        self.late = [0] * len(STREAMS)
        self.unknown_fields = 0
        #: Stream and offset of the events with unknown fields that were read and not applied yet.
        self._unapplied: set[tuple[int, int]] = set()

    def restore(self, applied: list[int], late: list[int]) -> None:
        """Continue the counts of a state; empty lists are from before they were written."""
        self.applied, self.late = (list(counts) or [0] * len(STREAMS) for counts in (applied, late))

    def note_unknown_fields(self, stream: int, offset: int) -> None:
        """Note that the event at an offset has unknown fields; it counts once it is applied."""
        self._unapplied.add((stream, offset))

    def add(self, stream: int, offset: int, late: bool) -> None:
        """Count an applied event.

        Args:
            stream: The number of the input stream.
            offset: The record's offset.
            late: Whether it came later than the allowed lateness.
        """
        self.applied[stream] += 1
        if late:
            self.late[stream] += 1
        if self._unapplied and (stream, offset) in self._unapplied:
            self._unapplied.remove((stream, offset))
            self.unknown_fields += 1

    def skip(self, stream: int, offset: int) -> None:
        """Take notice of a second delivery, which the detector did not apply."""
        self._unapplied.discard((stream, offset))
