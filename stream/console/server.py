"""Starts the console: settings, read model, what follows Kafka, the web server."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from stream.config import ConsoleSettings, KafkaSettings, Settings
from stream.console import web_server
from stream.console.access.protection import authenticator_of, protected
from stream.console.change_stream import ChangeStream
from stream.console.decisions import Decisions
from stream.console.health import Health
from stream.console.journal import TopicJournal
from stream.console.metrics import MeasuredRequests
from stream.console.readings import AuditedReadings
from stream.console.services import Services
from stream.console.source.files import FileCases
from stream.console.source.follower import Follower
from stream.console.source.read_model import ReadModel


class ReplayFiles(NamedTuple):
    """The files of a replay: its alerts, and the events that it read."""

    alerts: Path
    events: Path


def check(console: ConsoleSettings) -> None:
    """Raise SettingsError if the settings would let strangers in, or nobody."""
    authenticator_of(console)


def serve(settings: Settings, kafka: KafkaSettings, console: ConsoleSettings, files: ReplayFiles | None = None) -> None:
    """Serve the console until a signal ends it.

    Args:
        settings, kafka, console: All settings.
        files: A replay's files to show instead of what is in Kafka.

    Raises:
        SettingsError: The settings would let strangers in, or nobody.
        AddressError: The address is taken, or it is none of this machine.
    """
    authenticator = authenticator_of(console)
    with ExitStack() as stack:
        folder = console.console_data or stack.enter_context(tempfile.TemporaryDirectory(prefix="volteface-console-"))
        Path(folder).mkdir(parents=True, exist_ok=True)
        read_model = ReadModel(Path(folder) / "cases.sqlite")
        live = ChangeStream()
        services = (
            _of_files(settings, console, read_model, live, files)
            if files
            else _of_kafka(settings, kafka, console, read_model, live)
        )
        app = MeasuredRequests(protected(services, authenticator), services.metrics)
        web_server.run(app, console, live)


def address(console: ConsoleSettings) -> str:
    """Return where a browser reaches the console."""
    host = console.console_host
    return console.console_public_url or f"http://{f'[{host}]' if ':' in host else host}:{console.console_port}"


def _of_kafka(
    settings: Settings, kafka: KafkaSettings, console: ConsoleSettings, read_model: ReadModel, live: ChangeStream
) -> Services:
    source = Follower(settings, kafka, read_model, live.changed)
    decisions = Decisions(settings, read_model, TopicJournal(settings, kafka), source.market_now)
    readings = AuditedReadings(settings, kafka)
    health = Health(console, read_model, source.market_now)
    return Services(settings, console, read_model, source, decisions, readings, live, health)


def _of_files(
    settings: Settings, console: ConsoleSettings, read_model: ReadModel, live: ChangeStream, files: ReplayFiles
) -> Services:
    source = FileCases(settings, read_model, files.alerts, files.events, live.changed)
    source.load()
    decisions = Decisions(settings, read_model, source, source.market_now)
    health = Health(console, read_model, source.market_now)
    return Services(settings, console, read_model, source, decisions, None, live, health)
