"""The configurations of Debezium's connector that the tests use: rows of the shop's tables, and its outbox.

Invariant: each connector has a replication slot, a publication and topics of its own, all named by its prefix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from tests.kafka.cdc.postgres import Postgres

#: The shop's tables that a connector in row mode follows, and the column that has the time of a new row.
SHOP_TABLES: Final = {"reviews": "created_at", "messages": "sent_at", "contact_lookups": "looked_up_at"}
OutboxShape = Literal["expanded", "escaped", "envelope"]
JSON_CONVERTER: Final = "org.apache.kafka.connect.json.JsonConverter"
_DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "operations.md"


def shop_connector(
    postgres: Postgres,
    *,
    prefix: str = "shop",
    tables: Mapping[str, str] = SHOP_TABLES,
    schemas: bool = False,
    partitions: int = 4,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the configuration of a connector that writes each changed row to the topic `<prefix>.public.<table>`.

    Args:
        postgres: The database.
        prefix: Of the topics; also the name of the replication slot and the publication.
        tables: Of the schema `public`, each with the column that orders its snapshot.
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


def outbox_connector(postgres: Postgres, topics: str, shape: OutboxShape, prefix: str) -> dict[str, str]:
    """Return the documented configuration of a connector that writes the payloads of an outbox to the input topics.

    Args:
        postgres: The database.
        topics: The topics' names, with `${routedByValue}` in place of the column `stream`.
        shape: Of a value: the payload as JSON, as a JSON string that contains it, or the JSON beside its schema.
        prefix: The name of the connector, the replication slot and the publication.
    """
    router = "transforms.outbox"
    changed = {
        f"{router}.route.topic.replacement": topics,
        f"{router}.table.expand.json.payload": str(shape != "escaped").lower(),
        "value.converter.schemas.enable": str(shape == "envelope").lower(),
    }
    config: dict[str, str] = json.loads(documented("json"))
    return _postgres_connector(postgres, prefix, {"review_outbox": "position"}) | config | changed


def documented(language: str) -> str:
    """Return the text in this language of the documents' chapter about databases."""
    (chapter,) = re.findall(r"^## Feeding from a database$(.+?)^## ", _DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    (text,) = re.findall(rf"^```{language}$(.+?)^```$", chapter, re.MULTILINE | re.DOTALL)
    return str(text)


def _postgres_connector(postgres: Postgres, prefix: str, tables: Mapping[str, str]) -> dict[str, str]:
    names = ",".join(f"public.{table}" for table in tables)
    # Without an order PostgreSQL gives rows as they lie in its pages, and a small later row may fill an earlier page.
    ordered = {
        f"snapshot.select.statement.overrides.public.{table}": f"SELECT * FROM public.{table} ORDER BY {column}"
        for table, column in tables.items()
    }
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        **postgres.connector_settings,
        "topic.prefix": prefix,
        "plugin.name": "pgoutput", "slot.name": prefix,
        "publication.name": prefix, "publication.autocreate.mode": "filtered",
        "table.include.list": names,
        "snapshot.mode": "initial", "snapshot.select.statement.overrides": names, **ordered,
        "poll.interval.ms": "50",
        "status.update.interval.ms": "1000",  # as often Debezium looks whether its connection still works
        # After a lost connection the task begins again by itself, this long after its failure.
        "retriable.restart.connector.wait.ms": "1000",
    }  # fmt: skip
