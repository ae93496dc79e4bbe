"""Starts the console: settings, read model, what follows Kafka, the web server.

Invariant: without a login it listens on a loopback address only.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import uvicorn
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection

from stream.config import ConsoleSettings, KafkaSettings, Settings, SettingsError
from stream.console.access import User
from stream.console.app import application
from stream.console.decisions import Decisions
from stream.console.files import FileCases
from stream.console.follower import Follower
from stream.console.health import Health
from stream.console.journal import TopicJournal
from stream.console.live import Live
from stream.console.read_model import ReadModel
from stream.console.readings import AuditedReadings
from stream.console.security import Guard, SecurityHeaders
from stream.console.services import Services
from stream.ops.audit import user as system_user

_SESSION_SECONDS: Final = 12 * 3600


class LocalUser:
    """One user, who is whoever can reach the loopback address."""

    login_path = None

    def __init__(self, name: str) -> None:
        self._user = User(name, "lead")

    def user_of(self, connection: HTTPConnection) -> User | None:  # the interface
        """Return the user."""
        return self._user


class ReplayFiles(NamedTuple):
    """The files of a replay: its alerts, and the events that it read."""

    alerts: Path
    events: Path


def serve(settings: Settings, kafka: KafkaSettings, console: ConsoleSettings, files: ReplayFiles | None = None) -> None:
    """Serve the console until a signal ends it.

    Args:
        settings, kafka, console: All settings.
        files: A replay's files to show instead of what is in Kafka.

    Raises:
        SettingsError: The console would be open to everybody.
    """
    if console.console_auth == "local" and not _is_loopback(console.console_host):
        raise SettingsError(
            f"VOLTEFACE_CONSOLE_HOST={console.console_host!r} is no loopback address, and VOLTEFACE_CONSOLE_AUTH=local "
            "asks nobody who he is: set VOLTEFACE_CONSOLE_AUTH to oidc or proxy"
        )
    with ExitStack() as stack:
        folder = console.console_data or stack.enter_context(tempfile.TemporaryDirectory(prefix="volteface-console-"))
        Path(folder).mkdir(parents=True, exist_ok=True)
        read_model = ReadModel(Path(folder) / "cases.sqlite")
        live = Live()
        services = (
            _of_files(settings, console, read_model, live, files)
            if files
            else _of_kafka(settings, kafka, console, read_model, live)
        )
        secret = console.console_secret.get_secret_value() if console.console_secret else secrets.token_hex(32)
        tls = (console.console_public_url or "").startswith("https:")
        app = application(
            services,
            [
                Middleware(SecurityHeaders),
                Middleware(
                    SessionMiddleware, secret_key=secret, max_age=_SESSION_SECONDS, same_site="lax", https_only=tls,
                    session_cookie="volteface",
                ),
                Middleware(Guard, authenticator=LocalUser(console.console_user or system_user())),
            ],
        )  # fmt: skip
        uvicorn.run(
            app, host=console.console_host, port=console.console_port, log_config=None, access_log=False,
            timeout_graceful_shutdown=3, server_header=False, proxy_headers=False,
        )  # fmt: skip


def address(console: ConsoleSettings) -> str:
    """Return where a browser reaches the console."""
    host = console.console_host
    return console.console_public_url or f"http://{f'[{host}]' if ':' in host else host}:{console.console_port}"


def _of_kafka(
    settings: Settings, kafka: KafkaSettings, console: ConsoleSettings, read_model: ReadModel, live: Live
) -> Services:
    source = Follower(settings, kafka, read_model, live.changed)
    decisions = Decisions(settings, read_model, TopicJournal(settings, kafka), source.market_now)
    readings = AuditedReadings(settings, kafka)
    health = Health(console, read_model, source.market_now)
    return Services(settings, console, read_model, source, decisions, readings, live, health)


def _of_files(
    settings: Settings, console: ConsoleSettings, read_model: ReadModel, live: Live, files: ReplayFiles
) -> Services:
    source = FileCases(settings, read_model, files.alerts, files.events, live.changed)
    source.load()
    decisions = Decisions(settings, read_model, source, source.market_now)
    health = Health(console, read_model, source.market_now)
    return Services(settings, console, read_model, source, decisions, None, live, health)


def _is_loopback(host: str) -> bool:
    """Return whether all addresses of a host are loopback addresses."""
    try:
        found = {one[4][0] for one in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found)
