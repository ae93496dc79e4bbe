"""Decodes records of the input topics outside a worker; schemas are fetched as records need them.

Invariant: a record is decoded as a worker decodes it. A registry that gives no answer ends the command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from stream.config import Settings
from stream.contract.events import Event
from stream.intake.decoder import Headers
from stream.intake.intake import Intake
from stream.intake.refusal import Refused
from stream.intake.schema_cache import RegisteredSchema, RegistryError, SchemaCache, SchemaId, SchemaNeeded
from stream.ops.schema_registry import SchemaRegistry

T = TypeVar("T")


class InputRecords:
    """Decodes records.

    Args:
        settings: The formats, and how to reach the schema registry.
        partitions: The number of partitions of the input topics, for `decode`.
    """

    def __init__(self, settings: Settings, partitions: int = 1) -> None:
        self._settings = settings
        self._schemas = SchemaCache()
        self._intake = Intake(settings, partitions, self._schemas)

    @property
    def unknown_fields(self) -> int:
        """The number of decoded events that had fields unknown to the contract."""
        return self._intake.unknown_fields

    def decode(
        self, stream: int, partition: int, key: bytes | None, value: bytes | None, now: float, headers: Headers
    ) -> tuple[float, Event]:
        """Return the time (epoch seconds) and the event of a record, with all checks of `Intake.decode`.

        Raises:
            Refused: A worker refuses the record.
            RegistryError: The registry gives no answer about the record's schema.
        """
        return self._with_schemas(lambda: self._intake.decode(stream, partition, key, value, now, headers))

    def event(self, stream: int, value: bytes | None, headers: Headers) -> Event | None:
        """Return the event in a record, or None if a worker refuses it; its key, partition and time are not checked.

        Raises:
            RegistryError: The registry gives no answer about the record's schema.
        """
        try:
            return self._with_schemas(lambda: self._intake.decode_value(stream, value, headers))
        except Refused:
            return None

    def _with_schemas(self, decode: Callable[[], T]) -> T:
        """Return what `decode` returns, once the schemas that it needs are fetched."""
        while True:
            try:
                return decode()
            except SchemaNeeded as needed:
                self._fetch(needed.schema_id)

    def _fetch(self, schema_id: SchemaId) -> None:
        try:
            schema = asyncio.run(_schema(self._settings, schema_id))
        except RegistryError as error:
            url = self._settings.schema_registry_url
            raise RegistryError(f"the schema registry {url} gives no schema {schema_id}: {error}") from None
        if schema is None:
            self._schemas.put_unknown(schema_id, 0.0)
        else:
            self._schemas.put(schema_id, schema)


async def _schema(settings: Settings, schema_id: SchemaId) -> RegisteredSchema | None:
    registry = SchemaRegistry(settings)
    try:
        return await registry.schema(schema_id)
    finally:
        await registry.close()
