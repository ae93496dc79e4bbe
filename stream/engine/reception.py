"""What the fetches of one partition of a topic delivered, and what they passed over.

Invariant: pure. A record that expires before it is read is reported exactly once: when the offset that the next
checkpoint commits passes it. Until then the next owner of the partition begins before it, and reports it itself.
"""

from __future__ import annotations

from typing import Final

from stream.engine.log_check import Gap, LogError

#: The most ranges of skipped offsets that wait for a check, and the most gaps that wait for their report.
_MAX_RANGES: Final = 1000


class Reception:
    """The fetches of one partition of a topic, in the order in which they came.

    Args:
        topic: The topic's name.
        partition: The partition's number.

    Attributes:
        first: The offset of the first record that was fetched; None before it.
        next_offset: The offset after the last record that was fetched.
        unverified_first: The first record that was fetched, if it does not follow the restored offset at once.
        below_low_offset: Whether records came that the state has applied already: they are old, or the topic is another
            one. The task sets it back when it has compared its offsets with the logs.
        error: Set if the topic starts again at a lower offset.
        skipped: The offsets that no fetch delivered.
    """

    def __init__(self, topic: str, partition: int) -> None:
        self.first: int | None = None
        self.next_offset = 0
        self.unverified_first: int | None = None
        self.below_low_offset = False
        self.error: LogError | None = None
        self.skipped = SkippedOffsets(topic, partition)
        self._topic = topic
        self._partition = partition

    def take(self, first: int, last: int, low_offset: int, restored: bool) -> None:
        """Note a fetch.

        Args:
            first, last: The offsets of its first and its last record.
            low_offset: The lowest offset that the task has not finished.
            restored: Whether the task is restored. Before, the first fetch cannot be compared with its offset.
        """
        if first < self.next_offset:
            self.error = LogError(
                f"topic {self._topic}, partition {self._partition}, was read up to offset {self.next_offset} and now "
                f"continues at offset {first}: the topic was deleted and created again, or lost records"
            )
            return
        expected = self.expected(low_offset)
        if self.first is None:
            self.first = first
            if first > expected and restored:
                self.unverified_first = first
        if first > expected and (self.next_offset or restored):
            self.skipped.add(expected, first)
        self.next_offset = last + 1
        self.below_low_offset = self.below_low_offset or last < low_offset

    def begin_at(self, offset: int) -> None:
        """Set the offset at which the restored task begins."""
        self.skipped.begin_at(offset, self.first)
        if self.first is not None and self.first > offset:
            self.unverified_first = self.first

    def expected(self, low_offset: int) -> int:
        """Return the offset of the next record, if no offset is skipped."""
        return max(self.next_offset, low_offset)

    def take_unverified(self) -> int | None:
        """Return the first record if it is still to be verified, once."""
        first, self.unverified_first = self.unverified_first, None
        return first


class SkippedOffsets:
    """Offsets of one partition that fetches passed over: of transaction markers, or of records that have expired.

    A client that is so far behind that its next record expires continues with the first one that is left, or waits for
    one at the end of the log. Only the beginning of the log tells such a gap from a marker.

    Args:
        topic: The topic's name.
        partition: The partition's number.
    """

    def __init__(self, topic: str, partition: int) -> None:
        self._topic = topic
        self._partition = partition
        self._ranges: list[tuple[int, int]] = []
        self._gaps: list[Gap] = []
        #: The offset up to which the ranges are noted, and where the client was when it was last looked at.
        self._noted = 0
        self._position = 0

    @property
    def unchecked(self) -> bool:
        """Whether offsets were skipped since the last check."""
        return bool(self._ranges)

    def add(self, first: int, last: int) -> None:
        """Note that the offsets from `first` up to and without `last` were not delivered, if they are not yet noted."""
        first = max(first, self._noted)
        if first >= last:
            return
        self._noted = last
        if len(self._ranges) == _MAX_RANGES:
            del self._ranges[0]  # a log's beginning moves forward, so later ranges tell more
        self._ranges.append((first, last))

    def look(self, expected: int, position: int) -> None:
        """Note the offsets that a client without records has passed over.

        Args:
            expected: The offset of the next record, if no offset is skipped.
            position: Where the client fetches. It counts if it is the same as in the last look: records that the client
                has just returned are on their way.
        """
        if position == self._position:
            self.add(expected, position)
        self._position = position

    def begin_at(self, offset: int, first: int | None) -> None:
        """Forget what lies below the offset at which a restored task begins.

        Args:
            offset: The task's offset.
            first: The offset of the first record that was fetched; None if none was.
        """
        self._ranges = [(max(start, offset), end) for start, end in self._ranges if end > offset]
        if first is not None and first > offset:
            noted, self._noted = self._noted, 0
            self.add(offset, first)
            self._noted = max(noted, first)

    def check(self, beginning: int) -> None:
        """Keep the parts of the skipped offsets that lie below the log's present beginning: their records expired."""
        ranges, self._ranges = self._ranges, []
        found = [(first, min(last, beginning)) for first, last in ranges if first < beginning]
        self._gaps += [Gap(self._topic, self._partition, *each) for each in found]
        while len(self._gaps) > _MAX_RANGES:
            one, other = self._gaps.pop(), self._gaps.pop()
            self._gaps.append(other._replace(last=one.last))

    def due(self, low_offset: int) -> list[Gap]:
        """Return the gaps that the next checkpoint's offset reaches, once.

        Args:
            low_offset: The lowest offset that is not finished.
        """
        due = [gap for gap in self._gaps if gap.first <= low_offset]
        self._gaps = self._gaps[len(due) :]
        return due
