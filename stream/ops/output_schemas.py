"""Where the schemas of alerts and cases are in the schema registry: looked up, or registered, at a worker's start.

Invariant: a worker that writes Avro starts only with both ids, and needs no registry for writing afterwards. A registry
that gives no answer is waited for. One that does not take a schema ends the start.
"""

from __future__ import annotations

import asyncio
import time
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


def subject_of(topic: str) -> str:
    """Return the subject of a topic's values, as Confluent's serializers name it (TopicNameStrategy)."""
    return f"{topic}-value"


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


async def _ids(settings: Settings) -> OutputSchemaIds:
    registry = SchemaRegistry(settings)
    try:
        return OutputSchemaIds(
            await _id(settings, registry, settings.alerts_topic, Alert),
            await _id(settings, registry, settings.cases_topic, Case),
        )
    finally:
        await registry.close()


async def _id(settings: Settings, registry: SchemaRegistry, topic: str, kind: type[msgspec.Struct]) -> int:
    try:
        return await registry.registered_id(subject_of(topic), schema_text(kind))
    except SchemaNotTakenError as error:
        file = f"schemas/avro/{kind.__name__.lower()}.v1.avsc"
        raise SettingsError(
            f"{variable(Settings, 'output_format')}=avro: the schema registry {settings.schema_registry_url} does not "
            f"take {file} as {subject_of(topic)} ({error}): register it with a user that may; see docs/formats.md"
        ) from None
