"""Fetches the schemas that tasks wait for, once for all tasks of a worker.

Invariant: a schema is asked for until the registry says what it is or that it does not exist, and no longer than a task
waits for it. A registry that is away makes partitions wait and gives no dead letter.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from stream.intake.schema_cache import RegisteredSchema, RegistryError, SchemaCache, SchemaId

log = structlog.get_logger()

_FIRST_RETRY_SECONDS: Final = 0.2
_MAX_RETRY_SECONDS: Final = 5.0
#: A task that waits asks at each turn of its loop. If none has asked for this long, the schema is not fetched any more.
_FORGET_SECONDS: Final = 10.0
#: The first line about a wait comes at once, the next ones after these times, twice as long each.
_SAY_SECONDS: Final = 10.0
_MAX_SAY_SECONDS: Final = 600.0


class Registry(Protocol):
    """Where schemas come from."""

    async def schema(self, schema_id: SchemaId) -> RegisteredSchema | None: ...


class SchemaFetcher:
    """Fetches schemas into a cache.

    Args:
        cache: Where schemas are put.
        registry: The client of the registry.
        requested: Called with the outcome of each request: "found", "unknown" or "failed".

    Attributes:
        cache: Where schemas are put.
    """

    def __init__(
        self,
        cache: SchemaCache,
        registry: Registry,
        requested: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self.cache = cache
        self._registry = registry
        self._requested = requested
        self._running: dict[SchemaId, asyncio.Task[None]] = {}
        self._wanted_at: dict[SchemaId, float] = {}
        self._waiting = Waiting()

    def has(self, schema_id: SchemaId, place: str) -> bool:
        """Return whether a schema is in the cache; if not, fetch it while this is asked.

        Args:
            schema_id: The schema.
            place: The topic and partition that wait for it, for the log.
        """
        if schema_id in self.cache:
            return True
        self._wanted_at[schema_id] = time.monotonic()
        self._waiting.add(place)
        if schema_id not in self._running:
            self._running[schema_id] = asyncio.create_task(self._fetch(schema_id))
        return False

    async def _fetch(self, schema_id: SchemaId) -> None:
        retry_seconds = _FIRST_RETRY_SECONDS
        try:
            while time.monotonic() - self._wanted_at[schema_id] < _FORGET_SECONDS:
                try:
                    schema = await self._registry.schema(schema_id)
                except RegistryError as error:
                    self._requested("failed")
                    self._waiting.say(schema_id, error)
                    await asyncio.sleep(retry_seconds)
                    retry_seconds = min(2 * retry_seconds, _MAX_RETRY_SECONDS)
                    continue
                self._put(schema_id, schema)
                return
        finally:
            del self._running[schema_id], self._wanted_at[schema_id]

    def _put(self, schema_id: SchemaId, schema: RegisteredSchema | None) -> None:
        self._requested("unknown" if schema is None else "found")
        self._waiting.end()
        if schema is None:
            self.cache.put_unknown(schema_id, time.monotonic())
        else:
            self.cache.put(schema_id, schema)


class Waiting:
    """Says in the log that partitions wait for the registry: at once, then less and less often."""

    def __init__(self) -> None:
        self._places: Counter[str] = Counter()
        self._since = self._next_at = 0.0
        self._interval_seconds = _SAY_SECONDS

    def add(self, place: str) -> None:
        """Note that a partition waits; it is named in the next line."""
        self._places[place] += 1

    def say(self, schema_id: SchemaId, error: RegistryError) -> None:
        """Log a failed request, unless one was logged a short time ago."""
        now = time.monotonic()
        if not self._since:
            self._since = self._next_at = now
            self._interval_seconds = _SAY_SECONDS
        if now < self._next_at:
            return
        self._next_at = now + self._interval_seconds
        self._interval_seconds = min(2 * self._interval_seconds, _MAX_SAY_SECONDS)
        places, self._places = sorted(self._places), Counter()
        log.warning(
            "schema_registry_away",
            schema=str(schema_id),
            waiting=places,
            waited_seconds=round(now - self._since, 1),
            error=str(error),
            text=f"The schema registry gives no schema {schema_id}: {error}. The partitions {', '.join(places)} wait; "
            "nothing is lost, and they go on when it answers. See VoltefaceSchemaRegistryAway in docker/runbooks.md.",
        )

    def end(self) -> None:
        """Note that the registry has answered."""
        if self._since:
            log.info("schema_registry_back", waited_seconds=round(time.monotonic() - self._since, 1))
        self._since = 0.0
        self._places.clear()
