"""The configurations of Debezium's connector that the tests use: rows of the shop's tables, and its outbox.

Invariant: each connector has a replication slot, a publication and topics of its own, all named by its prefix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tests.kafka.cdc.postgres import Postgres

#: The shop's tables that a connector in row mode follows.
SHOP_TABLES: Final = ("reviews", "messages", "contact_lookups")
JSON_CONVERTER: Final = "org.apache.kafka.connect.json.JsonConverter"
STRING_CONVERTER: Final = "org.apache.kafka.connect.storage.StringConverter"


def shop_connector(
    postgres: Postgres,
    *,
    prefix: str = "shop",
    tables: Sequence[str] = SHOP_TABLES,
    schemas: bool = False,
    partitions: int = 4,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the configuration of a connector that writes each changed row to the topic `<prefix>.public.<table>`.

    Args:
        postgres: The database.
        prefix: Of the topics; also the name of the replication slot and the publication.
        tables: Of the schema `public`.
        schemas: Whether keys and values hold their schema beside the payload.
        partitions: Of each topic; Connect creates them.
        more: Further settings, which replace those of here.
    """
    enable = str(schemas).lower()
    return _postgres_connector(postgres, prefix, tables) | {
        "key.converter": JSON_CONVERTER, "key.converter.schemas.enable": enable,
        "value.converter": JSON_CONVERTER, "value.converter.schemas.enable": enable,
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.partitions": str(partitions),
        **(more or {}),
    }  # fmt: skip


def _postgres_connector(postgres: Postgres, prefix: str, tables: Sequence[str]) -> dict[str, str]:
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        **postgres.connector_settings,
        "topic.prefix": prefix,
        "plugin.name": "pgoutput", "slot.name": prefix,
        "publication.name": prefix, "publication.autocreate.mode": "filtered",
        "table.include.list": ",".join(f"public.{table}" for table in tables),
        "snapshot.mode": "initial",
        "poll.interval.ms": "50",
        # After a lost connection the task begins again by itself, this long after its failure.
        "retriable.restart.connector.wait.ms": "1000",
    }  # fmt: skip
