"""What one checkpoint of a task holds, and where checkpoints are kept.

Invariant: everything in a `Checkpoint` is committed together or not at all, by whatever store keeps it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec

from stream.contract.alerts import Alert
from stream.engine.log_check import Start
from stream.engine.record_limits import RecordLimits
from stream.engine.records import Record

#: The key of the row with the task's offsets.
POSITION: Final = b"o"


class PositionRow(msgspec.Struct, array_like=True):
    """The task's offsets, and the settings that its state is built with.

    Attributes:
        streams: For each input stream the lowest offset that is not done, and the done offsets above it.
        evidence: The next offset of the evidence stream.
        dead: Dead letters so far, by "topic/reason".
        settings: The deciding settings, see `deciding_settings`; empty in rows from before they were recorded.
        topic_ids: The ids of the topics that the offsets and the state belong to, by name; those that were known.
        applied: Applied events by input stream; empty in rows from before they were counted by stream.
        late: Late ones among them, in the same order.
        foreign_messages: Messages of other applications on the evidence topic so far.
        state_beginning: Where the log of the state began when the task was restored; None if that was not recorded.
    """

    version: int
    streams: list[tuple[int, list[int]]]
    evidence: int
    dead: dict[str, int]
    settings: dict[str, str] = {}
    topic_ids: dict[str, str] = {}
    applied: list[int] = []
    late: list[int] = []
    foreign_messages: int = 0
    state_beginning: int | None = None


class Checkpoint(NamedTuple):
    """What one transaction commits.

    Attributes:
        rows: Changed rows of the state topic; a value of None deletes a row.
        records: Alerts, dead letters and messages.
        offsets: The next offset of each topic in `Settings.read_topics`.
    """

    rows: list[tuple[bytes, bytes | None]]
    records: list[Record]
    offsets: list[int]


class RaisedAlert(NamedTuple):
    """An alert, and when the batch with its trigger was appended to Kafka (epoch seconds)."""

    alert: Alert
    sent_at: float


class Committed(NamedTuple):
    """The number of rows, the alerts, and the flips expected in the event time of a checkpoint."""

    rows: int
    raised: list[RaisedAlert]
    expected_flips: float = 0.0


class CheckpointStore(Protocol):
    """Where a task's checkpoints are kept.

    Attributes:
        limits: What the topics take.
    """

    limits: RecordLimits

    async def open(self) -> None: ...
    def read(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]: ...
    async def topic_ids(self) -> Mapping[str, str]: ...
    async def check_logs(self, offsets: list[int] | None, *, at_checkpoint: bool) -> Start: ...
    async def check_delivered(self, offsets: list[int], firsts: Mapping[int, int]) -> None: ...
    async def commit(self, checkpoint: Checkpoint) -> None: ...
    async def close(self) -> None: ...
