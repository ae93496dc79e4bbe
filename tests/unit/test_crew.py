"""A task at work, without a broker: whom its loop waits for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from stream.config import Settings
from stream.engine.crew import Member
from stream.engine.records import Checkpoint
from stream.engine.task import Raised, Task
from stream.intake.decode import Intake


class Fetched(NamedTuple):
    """A record as the client gives it."""

    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


class SlowLedger:
    """An empty ledger whose commits take two seconds, as they do while Kafka is away."""

    def __init__(self) -> None:
        self.committed = asyncio.Event()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self) -> AsyncIterator[list[tuple[bytes, bytes | None]]]:
        yield []

    async def commit(self, checkpoint: Checkpoint) -> None:
        await asyncio.sleep(2)
        self.committed.set()


class Tap:
    """Reviews are read to their end; the other streams have more, which has not come yet."""

    def at_end(self, stream: int, partition: int) -> bool:
        return stream == 0

    def pause(self, stream: int, partition: int) -> None: ...

    def resume(self, stream: int, partition: int) -> None: ...


class Deaf:
    """A meter that keeps nothing."""

    def restored(self, partition: int, rows: int, seconds: float) -> None: ...

    def stepped(self, seconds: float) -> None: ...

    def checkpointed(self, seconds: float, rows: int, raised: list[Raised]) -> None: ...

    def failed(self, partition: int, error: BaseException) -> None: ...


def _records(kind: dict[str, str], *minutes: int) -> list[Any]:
    """A stream's records with events at these minutes."""
    common = {"seller_id": "s", "reviewer_id": "u", "review_id": "r"}
    events = [
        common | kind | {"event_id": f"{kind['type']}-{at}", "occurred_at": f"2025-09-01T00:{at:02}:00Z"}
        for at in minutes
    ]
    return [Fetched(offset, b"s", json.dumps(event).encode()) for offset, event in enumerate(events)]


def test_time_in_which_kafka_was_away_is_not_a_streams_silence() -> None:
    """Else a stream that has more is given up after an outage, its neighbours go ahead, and its events come late."""

    async def applied_after_an_outage() -> int:
        # A stream that has more is waited for 30 * 0.05 s, less than the commit takes.
        settings = Settings(max_idle_seconds=0.05, allowed_lateness_seconds=0)
        ledger = SlowLedger()
        task = Task(0, settings, Intake(settings, 1), ledger, time.time)
        member = Member(task, settings, Tap(), Deaf())
        member.take(1, _records({"type": "outreach.sent", "channel": "message"}, 0))
        member.take(2, _records({"type": "contact.accessed", "actor_id": "a"}, 1, 2))
        loop = asyncio.create_task(member.run())
        await asyncio.wait_for(ledger.committed.wait(), 10)
        await asyncio.sleep(0.3)  # some turns of the loop
        loop.cancel()
        return task.detector.counts["applied"]

    assert asyncio.run(applied_after_an_outage()) == 1


class AtEnd(Tap):
    """All streams are read to their end."""

    def at_end(self, stream: int, partition: int) -> bool:
        return True


class QuickLedger(SlowLedger):
    """An empty ledger whose commits take no time."""

    async def commit(self, checkpoint: Checkpoint) -> None: ...


def test_what_topics_bring_in_one_moment_after_a_pause_is_put_in_order() -> None:
    """Else the stream that is first goes ahead: the others have been silent for long, and so are not waited for."""

    async def applied_after_a_pause() -> tuple[int, int]:
        """Events applied before the second stream has brought anything, and a while after."""
        settings = Settings(max_idle_seconds=0.8, allowed_lateness_seconds=0)
        task = Task(0, settings, Intake(settings, 1), QuickLedger(), time.time)
        member = Member(task, settings, AtEnd(), Deaf())
        loop = asyncio.create_task(member.run())
        await asyncio.sleep(1.2)
        member.take(1, _records({"type": "outreach.sent", "channel": "message"}, 1))
        await asyncio.sleep(0.2)  # several turns of the loop, less than a stream may take
        early = task.detector.counts["applied"]
        member.take(2, _records({"type": "contact.accessed", "actor_id": "a"}, 0))
        await asyncio.sleep(1.2)
        loop.cancel()
        return early, task.detector.counts["applied"]

    assert asyncio.run(applied_after_a_pause()) == (0, 2)
