"""Whether a task's offsets belong to the logs that it reads, and whether the group's offsets agree with them.

Invariant: pure. A task continues only if no record can be skipped or applied twice without a message. Offsets beyond
the end of a log, and group offsets without a state, are errors. Records that expired before they were read are
reported. Group offsets that are not the task's are set to them by the checkpoint store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from stream.core.model.encoding import StateError


class Log(NamedTuple):
    """One partition of a topic.

    Attributes:
        beginning, end: The offset of the first record, and the offset after the last one.
        committed: The group's offset; None if there is none, or if it has expired.
    """

    topic: str
    partition: int
    beginning: int
    end: int
    committed: int | None


class Gap(NamedTuple):
    """Records that expired before they were read: from offset `first` up to and without `last`."""

    topic: str
    partition: int
    first: int
    last: int

    def without(self, done: Iterable[int]) -> list[Gap]:
        """Return what is left of the range without the offsets that were done ahead of earlier ones."""
        left, first = list[Gap](), self.first
        for offset in sorted(done):
            if self.first <= offset < self.last:
                left.append(self._replace(first=first, last=offset))
                first = offset + 1
        return [gap for gap in (*left, self._replace(first=first)) if gap.first < gap.last]


class Start(NamedTuple):
    """Where a task continues in each log, what it has missed, and where the log of its state begins."""

    offsets: list[int]
    gaps: list[Gap]
    state_beginning: int = 0


class LogError(StateError):
    """The task's state does not belong to the logs. The text is one line and says what to do."""

    advice: ClassVar[str] = (
        "to build the state again from the beginning of the inputs, stop all workers and run `volteface state rebuild`"
    )


class GroupOffsetsError(Exception):
    """The group's offsets were not the task's and have been set to them. The group has to assign again.

    Args:
        topics: By topic, the offset that is right and the one that was found, see `foreign_offsets`.
    """

    def __init__(self, topics: Mapping[str, str]) -> None:
        self.topics = dict(topics)
        super().__init__(
            f"another consumer has committed offsets under this group id; they are set to those of the state: "
            f"{self.topics}"
        )


def check(offsets: Sequence[int] | None, logs: Sequence[Log], inputs: int, state_topic: str) -> Start:
    """Compare a task's offsets with the logs that it reads.

    Args:
        offsets: The next offset of each log; None if the task has no state.
        logs: The logs, in the same order: first the inputs, then the evidence topic.
        inputs: The number of inputs. Without a state, the group's offset of an input is an error, and that of the
            evidence topic is where `volteface state rebuild` lets the task start.
        state_topic: The name of the state topic, for the message.

    Raises:
        LogError: The offsets belong to another log, or the state is missing.
    """
    if offsets is None:
        for log in logs[:inputs]:
            if log.committed:
                raise LogError(
                    f"topic {state_topic} has no state of partition {log.partition}, but the group has read topic "
                    f"{log.topic} up to offset {log.committed}: the state topic was deleted or emptied"
                )
        return Start([max(log.beginning, log.committed or 0) for log in logs], [])
    for log, offset in zip(logs, offsets, strict=True):
        if offset > log.end:
            raise LogError(
                f"topic {log.topic}, partition {log.partition}, ends at offset {log.end}, but the state has applied "
                f"its records up to offset {offset}: the topic was deleted and created again, or lost records"
            )
    pairs = list(zip(logs, offsets, strict=True))
    return Start(
        [max(offset, log.beginning) for log, offset in pairs],
        [Gap(log.topic, log.partition, offset, log.beginning) for log, offset in pairs if offset < log.beginning],
    )


def check_state_beginning(topic: str, partition: int, written: int | None, beginning: int) -> None:
    """Check that the state's log begins where it began at the last checkpoint: compaction does not move that.

    Args:
        topic: The state topic.
        partition: The task's partition.
        written: The beginning at that time; None if it was not recorded.
        beginning: The beginning now.

    Raises:
        LogError: Rows were lost.
    """
    if written is not None and beginning > written:
        raise LogError(
            f"topic {topic}, partition {partition}, began at offset {written} and now begins at offset {beginning}: "
            "rows of the state expired or were deleted (its cleanup.policy must be compact alone)"
        )


def check_ids(written: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Compare the ids of topics. A topic without an id on one side is not compared: Kafka may not have answered.

    Args:
        written: The ids that the state belongs to, by the topic's name.
        present: The ids now.

    Raises:
        LogError: A topic has another id.
    """
    for topic in sorted(written.keys() & present.keys()):
        if written[topic] != present[topic]:
            raise LogError(
                f"topic {topic} was deleted and created again: the state belongs to the topic with the id "
                f"{written[topic]}, and now its id is {present[topic]}"
            )


def foreign_offsets(
    offsets: Sequence[int], start: Start, logs: Sequence[Log], *, at_checkpoint: bool
) -> dict[str, str]:
    """Return the group's offsets that another consumer has committed, by topic: "5 instead of 6".

    Beyond the task's offset, the records between would never be delivered. That offset is where the task continues, not
    where its state ended: records between these two have expired, and no commit brings them back. Behind the state's
    offset, the group's was not committed together with the state. A group's offset that has expired is not foreign.

    Args:
        offsets: The task's offset in each log.
        start: What `check` returned for them.
        logs: The logs.
        at_checkpoint: Whether the offsets are those of the last checkpoint. Between checkpoints the group's are behind.
    """
    return {
        log.topic: f"{to} instead of {log.committed}"
        for log, offset, to in zip(logs, offsets, start.offsets, strict=True)
        if log.committed is not None and (log.committed > to or (at_checkpoint and log.committed < offset))
    }
