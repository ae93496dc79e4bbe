"""What commands that use Kafka share: checked settings, and the committed state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from stream import config
from stream.cli.output import fail, stopped_by, warn

if TYPE_CHECKING:
    from stream.core.detector import Detector
    from stream.ops.access_rights import Command


def connected_settings(
    command: Command | None, on_wait: Callable[[str], None] = warn
) -> tuple[config.Settings, config.KafkaSettings]:
    """Return all settings once Kafka has accepted a connection with them and allows what the command does.

    Args:
        command: The command; None if a right that is missing is one of its results.
        on_wait: Called with one line if Kafka does not answer soon.
    """
    from stream.engine import preflight
    from stream.ops import log_filters

    async def check() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        with stopped_by(lambda: loop.call_soon_threadsafe(task.cancel)):
            await preflight.first_connection(kafka, on_wait=on_wait)

    settings, kafka = config.load()
    log_filters.warn_once_of_clear_text()
    try:
        asyncio.run(check())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    from stream.ops import access_rights  # only now: a command soon says that it waits for Kafka

    if command is not None:
        access_rights.check(settings, kafka, command)
    return settings, kafka


def source_topics() -> tuple[str, ...]:
    """Return the topics that the bridge reads, none without a mapping; raise SettingsError if it cannot be read."""
    from stream.ops.bridge_topics import bridge_topics

    return bridge_topics(config.load_bridge())


def committed_tasks(settings: config.Settings, kafka: config.KafkaSettings) -> dict[int, Detector]:
    """Return a detector for each partition, restored from the committed state.

    Settings that differ from those of the state are reported: thresholds and ids follow from them.
    """
    from stream.core.detector import Detector
    from stream.core.model.encoding import StateError, decode
    from stream.engine import deciding_settings
    from stream.engine.checkpoint import POSITION, PositionRow
    from stream.ops import topic_reader

    tasks: dict[int, Detector] = {}
    different: dict[str, str] = {}
    own = deciding_settings.deciding_settings(settings)
    committed = topic_reader.committed_state(settings, kafka)
    for partition, rows in sorted(committed.items()):
        task = tasks[partition] = Detector(
            settings.alert_budget,
            settings.config_digest,
            partition,
            len(committed),
            settings.pseudonym_fingerprint,
            watches_reviewers=True,  # else the restored state would lack the reviewers that the committed one has
        )
        try:
            task.rows.restore((key, value) for key, value in rows.items() if key != POSITION)
        except StateError as error:
            fail(f"StateError: {error}")
        if POSITION in rows:
            written = decode(rows[POSITION], PositionRow).settings
            different |= {name: written[name] for name in deciding_settings.differences(written, own)}
    for name, value in sorted(different.items()):
        warn(f"the state was built with {name}={value}; this command uses {own[name]}")
    return tasks
