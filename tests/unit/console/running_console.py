"""A console for tests: the real application with a real read model on a real web server, without Kafka."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import itsdangerous
import uvicorn
from pydantic import SecretStr
from starlette.types import ASGIApp

from stream.config import ConsoleSettings, Settings
from stream.console.access import sessions
from stream.console.access.protection import protected
from stream.console.change_stream import ChangeStream
from stream.console.decisions import Decisions
from stream.console.health import Health
from stream.console.services import Services
from stream.console.source.read_model import ReadModel
from stream.console.source.rows import Changes, RecordedEvent
from stream.contract.cases import Case
from stream.contract.events import CaseEvent

SECRET: Final = "a secret for tests, 32 characters long"
CSRF: Final = "the-token-of-the-session"


class MemoryLog:
    """Keeps events in the read model, as a console does that has read them in the log."""

    def __init__(self, read_model: ReadModel) -> None:
        self._read_model = read_model
        self.events: list[CaseEvent] = []

    def record(self, event: CaseEvent) -> None:
        """Keep an event."""
        self.events.append(event)
        found = RecordedEvent(event, 0, len(self.events), dt.datetime.now(dt.UTC))
        self._read_model.write(Changes({}, [found], [], {}))


class CompleteSource:
    """A log that has been read to its end."""

    problem: str | None = None
    lag = 0
    refused = 0

    def start(self) -> None:
        """Nothing is to be read."""

    def stop(self) -> None:
        """Nothing is being read."""

    def complete_since(self, at: float) -> bool:
        """Everything is there."""
        return True

    def behind_seconds(self) -> float:
        """Nothing waits."""
        return 0.0

    def market_now(self) -> dt.datetime:
        """The clock's time."""
        return dt.datetime.now(dt.UTC)


class Console:
    """The parts of a console that tests look at."""

    def __init__(self, folder: Path, cases: list[Case], **settings: Any) -> None:
        self.settings = console_settings(**settings)
        self.read_model = ReadModel(folder / "cases.sqlite")
        self.read_model.write(Changes({case.case_id: (case, time.time()) for case in cases}, [], [], {}))
        self.log = MemoryLog(self.read_model)
        market = Settings(_env_file=None)
        source = CompleteSource()
        decisions = Decisions(market, self.read_model, self.log, source.market_now)
        self.services = Services(
            market, self.settings, self.read_model, source, decisions, None, ChangeStream(),
            Health(self.settings, self.read_model, source.market_now),
        )  # fmt: skip

    def app(self) -> ASGIApp:
        """Return the application as it is served."""
        return protected(self.services)


def console_settings(**settings: Any) -> ConsoleSettings:
    """Return settings, without those of a developer."""
    fields: dict[str, Any] = {
        "console_secret": SecretStr(SECRET),
        "console_metrics_urls": "http://127.0.0.1:9/metrics",
        "console_user": "ana",
        **settings,
    }
    return ConsoleSettings(_env_file=None, **fields)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def served(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve an application as the console is served; yield its address."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield address
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def session_cookie(settings: ConsoleSettings, **session: Any) -> dict[str, str]:
    """Return the cookie of a session, signed as the console signs it."""
    data = base64.b64encode(json.dumps(session).encode())
    signed = itsdangerous.TimestampSigner(SECRET).sign(data).decode()
    return {sessions.cookie_name(settings): signed}


def logged_in(settings: ConsoleSettings, user: str, role: str) -> dict[str, str]:
    """Return the cookie of a user who is logged in."""
    return session_cookie(settings, user=user, role=role, until=int(time.time()) + 60, csrf=CSRF)


def session_of(client: httpx.Client, settings: ConsoleSettings) -> dict[str, Any]:
    """Return what the cookie of a client holds."""
    signed = client.cookies.get(sessions.cookie_name(settings)) or ""
    found: dict[str, Any] = json.loads(base64.b64decode(itsdangerous.TimestampSigner(SECRET).unsign(signed)))
    return found
