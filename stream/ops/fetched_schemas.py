"""Schemas outside a worker's tasks: fetched as the records that a command reads need them.

Invariant: a registry that gives no answer is an error, and no reason to pass over a record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from stream.config import Settings, variable
from stream.intake.schema_cache import RegisteredSchema, RegistryError, SchemaCache, SchemaId, SchemaNeeded
from stream.ops.schema_registry import SchemaRegistry

T = TypeVar("T")


class FetchedSchemas:
    """Fetches schemas.

    Args:
        settings: How to reach the schema registry.
        cache: Where schemas are put; by default a new cache.

    Attributes:
        cache: The schemas that were fetched.
    """

    def __init__(self, settings: Settings, cache: SchemaCache | None = None) -> None:
        self.cache = SchemaCache() if cache is None else cache
        self._settings = settings

    def during(self, decode: Callable[[], T]) -> T:
        """Return what `decode` returns, once the schemas that it needs are fetched.

        Raises:
            RegistryError: The registry gives no answer about a schema.
        """
        self.cache.expire(time.monotonic())
        while True:
            try:
                return decode()
            except SchemaNeeded as needed:
                self._fetch(needed.schema_id)

    def _fetch(self, schema_id: SchemaId) -> None:
        url = self._settings.schema_registry_url
        if url is None:
            name = variable(Settings, "schema_registry_url")
            raise RegistryError(f"{name} is not set: a record is in Avro, and its schema {schema_id} is in a registry")
        try:
            schema = asyncio.run(_schema(self._settings, schema_id))
        except RegistryError as error:
            raise RegistryError(f"the schema registry {url} gives no schema {schema_id}: {error}") from None
        if schema is None:
            self.cache.put_unknown(schema_id, time.monotonic())
        else:
            self.cache.put(schema_id, schema)


async def _schema(settings: Settings, schema_id: SchemaId) -> RegisteredSchema | None:
    registry = SchemaRegistry(settings)
    try:
        return await registry.schema(schema_id)
    finally:
        await registry.close()
