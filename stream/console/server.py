"""Starts the console: settings, read model, what follows Kafka, the web server."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from stream.config import ConsoleSettings, KafkaSettings, Settings, SettingsError
from stream.console import web_server
from stream.console.access.protection import authenticator_of, protected
from stream.console.change_stream import ChangeStream
from stream.console.decisions import Decisions
from stream.console.health import Health
from stream.console.journal import TopicJournal
from stream.console.metrics import MeasuredRequests
from stream.console.readings import AuditedReadings
from stream.console.services import Services
from stream.console.source.files import FileCases, UnusableFileError
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
        read_model = ReadModel(stack.enter_context(_folder(console)) / "cases.sqlite")
        live = ChangeStream()
        if files:
            stack.enter_context(_only_console(files))
        services = (
            _of_files(settings, console, read_model, live, files)
            if files
            else _of_kafka(settings, kafka, console, read_model, live)
        )
        app = MeasuredRequests(protected(services, authenticator), services.metrics)
        web_server.run(app, console, live)


@contextmanager
def _folder(console: ConsoleSettings) -> Iterator[Path]:
    """Give the folder of the read model; one console at a time has it.

    Raises:
        SettingsError: The folder cannot be used, or another console has it.
    """
    if console.console_data is None:
        with tempfile.TemporaryDirectory(prefix="volteface-console-") as name:
            yield Path(name)
        return
    folder, name = Path(console.console_data), f"VOLTEFACE_CONSOLE_DATA={console.console_data!r}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("ab")
    except OSError as error:
        raise SettingsError(f"{name} cannot be used: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(f"{name} cannot be used: another console has it; each one needs its own") from None
        yield folder


@contextmanager
def _only_console(files: ReplayFiles) -> Iterator[None]:
    """Keep other consoles from the decisions about these files: one does not see what another writes.

    Raises:
        UnusableFileError: Another console has them.
        OSError: The events cannot be read.
    """
    with files.events.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UnusableFileError(f"another console has {files.events} open: use that one, or end it") from None
        yield


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
    health = Health(console, read_model, source.market_now, has_workers=False)
    return Services(settings, console, read_model, source, decisions, None, live, health)
