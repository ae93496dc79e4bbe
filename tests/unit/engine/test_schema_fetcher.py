"""A task whose records name a schema that is not there waits for it, and loses and repeats nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

import pytest
import structlog

from stream.config import Settings
from stream.engine import schema_fetcher
from stream.engine.schema_fetcher import SchemaFetcher
from stream.engine.task import Task
from stream.engine.task_runner import TaskRunner
from stream.intake.intake import Intake
from stream.intake.schema_cache import JsonSchema, RegisteredSchema, RegistryError, SchemaCache, SchemaId
from tests.unit.engine.doubles import FakePartitionControl, FetchedRecord, InMemoryCheckpointStore, NullTaskMetrics

SETTINGS: Final = Settings.model_validate(
    {"input_format": "lifecycle=confluent", "max_idle_seconds": 0.05, "allowed_lateness_seconds": 0}
)
CREATED: Final = {
    "type": "review.created", "seller_id": "s", "review_id": "r", "product_id": "p", "reviewer_id": "u", "rating": 1
}  # fmt: skip


class InMemoryRegistry:
    """A registry; while `away` it does not answer."""

    def __init__(self, *known: SchemaId) -> None:
        self.known = set(known)
        self.away = False
        self.requests: list[SchemaId] = []

    async def schema(self, schema_id: SchemaId) -> RegisteredSchema | None:
        self.requests.append(schema_id)
        await asyncio.sleep(0)
        if self.away:
            raise RegistryError("it does not answer")
        return JsonSchema() if schema_id in self.known else None


class AllStreamsEnded(FakePartitionControl):
    """All streams are read to their end."""

    def at_end(self, stream: int, partition: int) -> bool:
        return True


def framed(number: int, schema_id: int) -> FetchedRecord:
    event = CREATED | {"event_id": f"e-{number}", "occurred_at": f"2025-09-01T00:{number:02}:00Z"}
    value = b"\x00" + schema_id.to_bytes(4, "big") + json.dumps(event).encode()
    return FetchedRecord(number, b"s", value)


def runner_of(store: InMemoryCheckpointStore, fetcher: SchemaFetcher) -> TaskRunner:
    task = Task(0, SETTINGS, Intake(SETTINGS, 1, fetcher.cache), store, time.time)
    return TaskRunner(task, SETTINGS, AllStreamsEnded(), NullTaskMetrics(), fetcher)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_records_of_a_schema_that_is_not_there_wait_and_no_checkpoint_passes_them() -> None:
    async def run() -> None:
        store, registry = InMemoryCheckpointStore(), InMemoryRegistry(7, 8)
        runner = runner_of(store, SchemaFetcher(SchemaCache(), registry))
        task, counts = runner.task, runner.task.detector.state.counts
        loop = asyncio.create_task(runner.run())
        runner.take(0, [framed(0, 7), framed(1, 7)])
        await until(lambda: counts["applied"] == 2)
        registry.away = True
        runner.take(0, [framed(2, 7), framed(3, 8), framed(4, 7)])
        await until(lambda: runner.schema_wait_seconds(0) > 0.2)
        await runner.checkpoint()
        # The one before is applied: it was held back by nothing.
        assert (counts["applied"], store.offsets[0], task.unread(0)) == (3, 3, 2)
        assert not task.dead
        registry.away = False
        await until(lambda: counts["applied"] == 5)
        assert runner.schema_wait_seconds(0) == 0
        runner.stop()
        await loop
        assert store.offsets[0] == 5
        assert registry.requests.count(7) == 1

    asyncio.run(run())


def test_another_stream_of_the_task_is_not_read_ahead_of_the_one_that_waits() -> None:
    """Else its events would be applied before earlier ones of the stream that waits."""

    async def run() -> None:
        registry = InMemoryRegistry(7)
        registry.away = True
        runner = runner_of(InMemoryCheckpointStore(), SchemaFetcher(SchemaCache(), registry))
        counts = runner.task.detector.state.counts
        loop = asyncio.create_task(runner.run())
        runner.take(0, [framed(0, 7)])
        sent = {"type": "outreach.sent", "event_id": "o", "occurred_at": "2025-09-01T00:30:00Z", "seller_id": "s"}
        value = json.dumps(sent | {"reviewer_id": "u", "channel": "message"}).encode()
        runner.take(1, [FetchedRecord(0, b"s", value)])
        await asyncio.sleep(30 * SETTINGS.max_idle_seconds + 0.5)  # a stalled stream would be given up by now
        assert counts["applied"] == 0
        registry.away = False
        await until(lambda: counts["applied"] == 2)
        assert counts["late"] == 0
        loop.cancel()

    asyncio.run(run())


def test_an_unknown_schema_is_a_dead_letter_and_is_asked_for_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.intake.schema_cache.UNKNOWN_SECONDS", 0.5)

    async def run() -> None:
        registry = InMemoryRegistry()
        runner = runner_of(InMemoryCheckpointStore(), SchemaFetcher(SchemaCache(), registry))
        task = runner.task
        loop = asyncio.create_task(runner.run())
        runner.take(0, [framed(number, 7) for number in range(5)])
        await until(lambda: sum(task.dead.values()) == 5)
        assert task.dead == {f"{SETTINGS.lifecycle_topic}/unknown_schema": 5}
        assert registry.requests == [7]
        registry.known.add(7)
        await asyncio.sleep(0.6)
        runner.take(0, [framed(5, 7)])
        await until(lambda: task.detector.state.counts["applied"] == 1)
        assert registry.requests == [7, 7]
        loop.cancel()

    asyncio.run(run())


def test_a_restored_task_waits_again_for_the_schema() -> None:
    async def run() -> None:
        store, registry = InMemoryCheckpointStore(), InMemoryRegistry(7)
        registry.away = True
        first = runner_of(store, SchemaFetcher(SchemaCache(), registry))
        loop = asyncio.create_task(first.run())
        first.take(0, [framed(0, 7)])
        await until(lambda: first.schema_wait_seconds(0) > 0)
        first.stop()
        await loop
        assert store.offsets[0] == 0
        registry.away = False
        second = runner_of(store, SchemaFetcher(SchemaCache(), registry))
        loop = asyncio.create_task(second.run())
        second.take(0, [framed(0, 7)])
        await until(lambda: second.task.detector.state.counts["applied"] == 1)
        loop.cancel()

    asyncio.run(run())


def test_a_wait_is_logged_at_once_and_then_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_fetcher, "_FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(schema_fetcher, "_MAX_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(schema_fetcher, "_SAY_SECONDS", 0.2)

    async def run() -> list[str]:
        outcomes: list[str] = []
        registry, cache = InMemoryRegistry(7), SchemaCache()
        registry.away = True
        fetcher = SchemaFetcher(cache, registry, outcomes.append)
        until_at = time.monotonic() + 1.0
        while time.monotonic() < until_at:
            assert not fetcher.has(7, "topic/0")
            assert not fetcher.has(7, "topic/1")
            await asyncio.sleep(0.01)
        registry.away = False
        await until(lambda: fetcher.has(7, "topic/0"))
        return outcomes

    with structlog.testing.capture_logs() as lines:
        outcomes = asyncio.run(run())
    *away, back = lines
    assert [line["event"] for line in away] == ["schema_registry_away"] * 3  # at 0, 0.2 and 0.6 s
    assert away[1]["waiting"] == ["topic/0", "topic/1"]
    assert "it does not answer" in away[0]["text"]
    assert back["event"] == "schema_registry_back"
    assert outcomes.count("found") == 1
    assert outcomes.count("failed") > 10


def test_a_schema_that_no_task_waits_for_any_more_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_fetcher, "_FORGET_SECONDS", 0.1)
    monkeypatch.setattr(schema_fetcher, "_FIRST_RETRY_SECONDS", 0.01)

    async def run() -> None:
        registry = InMemoryRegistry()
        registry.away = True
        guid = UUID(int=7)
        fetcher = SchemaFetcher(SchemaCache(), registry)
        fetcher.has(guid, "topic/0")
        await asyncio.sleep(0.5)
        asked = len(registry.requests)
        await asyncio.sleep(0.3)
        assert len(registry.requests) == asked > 1

    asyncio.run(run())
