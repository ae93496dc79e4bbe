"""The topics that the bridge reads, as its mapping names them, and its group.

Invariant: it reads the names alone; whether the mapping can be used is the bridge's own check.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from stream.config import BridgeSettings, Settings, SettingsError


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a mapping; raise SettingsError if it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the mapping {path} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the mapping {path} is not TOML: {error}") from None


def bridge_group(settings: Settings) -> str:
    """Return the group of the bridges beside these workers."""
    return f"{settings.app_id}-bridge"


def bridge_topics(bridge: BridgeSettings) -> tuple[str, ...]:
    """Return the topics that the mapping names, none without a mapping; raise SettingsError if it cannot be read."""
    if bridge.mapping is None:
        return ()
    tables = read_toml(Path(bridge.mapping)).get("table")
    found = [each.get("topic") for each in tables if isinstance(each, dict)] if isinstance(tables, list) else []
    return tuple(dict.fromkeys(topic for topic in found if isinstance(topic, str)))
