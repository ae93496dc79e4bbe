"""What the bridge needs before it starts: settings, a mapping, rights, and topics for dead letters.

Invariant: an error that a person can correct is one line, and nothing has been read by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from kafka import KafkaAdminClient

from stream import config
from stream.bridge.mapping import Mapping
from stream.bridge.mapping_file import read_mapping
from stream.intake.schema_cache import SchemaCache
from stream.ops.bridge_topics import bridge_group
from stream.ops.client import connection
from stream.rights import Right


class Bridge(NamedTuple):
    """What a bridge is made of.

    Attributes:
        settings: All settings; `app_id` is the bridge's own group.
        schemas: Where fetched schemas are put; None without a registry.
    """

    settings: config.Settings
    kafka: config.KafkaSettings
    own: config.BridgeSettings
    mapping: Mapping
    schemas: SchemaCache | None


def begin() -> Bridge:
    """Return the settings and the mapping.

    Raises:
        SettingsError: One of them cannot be used.
    """
    settings, kafka = config.load()
    own = config.load_bridge()
    schemas = None if settings.schema_registry_url is None else SchemaCache()
    mapping = read(settings, own, schemas)
    read_by_worker = set(mapping.topics) & set(settings.read_topics)
    if read_by_worker:
        raise config.SettingsError(
            f"the mapping reads {min(read_by_worker)}, a topic of the workers: events would go round for ever"
        )
    inputs = zip(config.MARKETPLACE, settings.marketplace_topics, settings.input_formats[:3], strict=True)
    for name, topic, found in inputs:
        if found != "json":
            raise config.SettingsError(
                f"VOLTEFACE_INPUT_FORMAT={settings.input_format} cannot be used: the bridge writes JSON to {topic}; "
                f"set {name}=json"
            )
    return Bridge(bridge_settings(settings, own), kafka, own, mapping, schemas)


def bridge_settings(settings: config.Settings, own: config.BridgeSettings) -> config.Settings:
    """Return the settings with the bridge's group and port."""
    return settings.model_copy(update={"app_id": bridge_group(settings), "web_port": own.port})


def read(settings: config.Settings, own: config.BridgeSettings, schemas: SchemaCache | None) -> Mapping:
    """Return the mapping; raise SettingsError if there is none that can be used."""
    if own.mapping is None:
        raise config.SettingsError(
            "VOLTEFACE_BRIDGE_MAPPING is not set: give --mapping FILE, or set it to its path, see docs/bridge.md"
        )
    path = Path(own.mapping)
    folder = path.resolve().parent
    return Mapping(read_mapping(path), schemas, folder, settings.max_event_bytes, settings.future_seconds)


def needed_rights(settings: config.Settings, topics: Sequence[str]) -> list[Right]:
    """Return the rights that a bridge needs."""
    return [
        *(Right("Read", "topic", topic) for topic in topics),
        *(Right("Write", "topic", topic) for topic in settings.marketplace_topics),
        *(Right("Write", "topic", settings.dead_letter_topic(topic)) for topic in topics),
        Right("Read", "group", settings.app_id),
        Right("Write", "transactional-id", f"{settings.app_id}-"),
    ]


def check_written_topics(settings: config.Settings, kafka: config.KafkaSettings, topics: Sequence[str]) -> None:
    """Raise SettingsError if topics that the bridge writes are missing."""
    wanted = [*settings.marketplace_topics, *map(settings.dead_letter_topic, topics)]
    with closing(KafkaAdminClient(**connection(kafka))) as admin:
        missing = [each["name"] for each in admin.describe_topics(wanted) if each["error_code"]]
    if missing:
        raise config.SettingsError(
            f"topics {', '.join(missing)} are missing: run `volteface topics create` with VOLTEFACE_BRIDGE_MAPPING "
            "set, which creates them"
        )
