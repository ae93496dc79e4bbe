"""Where the schemas of alerts and cases are in the schema registry: looked up, or registered, at a worker's start.

Invariant: a worker that writes Avro starts only with both ids, and needs no registry for writing afterwards. A registry
that gives no answer is waited for. One that does not take a schema ends the start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog

from stream.config import Settings, SettingsError, variable
from stream.contract.alerts import Alert
from stream.contract.avro_schemas import schema_text
from stream.contract.cases import Case
from stream.intake.contract_avro import OutputSchemaIds
from stream.intake.schema_cache import RegistryError
from stream.ops.rate_limit import RateLimit
from stream.ops.schema_registry import SchemaNotTakenError, SchemaRegistry

log = structlog.get_logger()

_RETRY_SECONDS: Final = 2


def wait_for_ids(settings: Settings) -> OutputSchemaIds:
    """Return the ids once the registry gives them; write once a minute what is waited for.

    Raises:
        SettingsError: The registry does not take a schema.
    """
    limit = RateLimit()
    while True:
        try:
            return asyncio.run(_ids(settings))
        except RegistryError as error:
            url = settings.schema_registry_url
            text = f"The schema registry {url} does not give the schemas of alerts and cases: {error}. The worker waits"
            if limit.is_due(text):
                log.warning("schema_registry_away", error=str(error), text=f"{text}, and starts when it does.")
        time.sleep(_RETRY_SECONDS)


def absent_subjects(settings: Settings) -> list[str]:
    """Return the subjects under which the registry lacks the schemas; nothing is registered.

    Raises:
        RegistryError: The registry gives no usable answer.
    """
    return [subject for subject, found in asyncio.run(_known(settings)).items() if found is None]


async def _known(settings: Settings) -> dict[str, int | None]:
    async with _connected(settings) as registry:
        return {subject: await registry.id_of(subject, schema_text(kind)) for subject, kind in _kinds(settings).items()}


async def _ids(settings: Settings) -> OutputSchemaIds:
    async with _connected(settings) as registry:
        return OutputSchemaIds(*[await _id(settings, registry, *each) for each in _kinds(settings).items()])


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[SchemaRegistry]:
    registry = SchemaRegistry(settings)
    try:
        yield registry
    finally:
        await registry.close()


def _kinds(settings: Settings) -> dict[str, type[msgspec.Struct]]:
    """Return the types by subject, named as Confluent's serializers do (TopicNameStrategy)."""
    return {f"{settings.alerts_topic}-value": Alert, f"{settings.cases_topic}-value": Case}


async def _id(settings: Settings, registry: SchemaRegistry, subject: str, kind: type[msgspec.Struct]) -> int:
    """Return the id of a schema: looked up first, because a registry may be only for reading."""
    schema = schema_text(kind)
    try:
        found = await registry.id_of(subject, schema)
        return await registry.register(subject, schema) if found is None else found
    except SchemaNotTakenError as error:
        raise SettingsError(
            f"{variable(Settings, 'output_format')}=avro: the schema registry {settings.schema_registry_url} does not "
            f"take schemas/avro/{kind.__name__.lower()}.v1.avsc as {subject} ({error}): register it with a user that "
            "may; see docs/formats.md"
        ) from None
