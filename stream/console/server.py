"""Starts the console: settings, read model, what follows Kafka, the web server.

Invariant: without a login it listens on a loopback address only.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import uvicorn

from stream.config import ConsoleSettings, KafkaSettings, Settings
from stream.console.decisions import Decisions
from stream.console.follower import Follower
from stream.console.health import Health
from stream.console.journal import TopicJournal
from stream.console.live import Live
from stream.console.protection import authenticator_of, protected
from stream.console.read_model import ReadModel
from stream.console.readings import AuditedReadings
from stream.console.services import Services


def serve(settings: Settings, kafka: KafkaSettings, console: ConsoleSettings) -> None:
    """Serve the console until a signal ends it."""
    authenticator = authenticator_of(console)
    with ExitStack() as stack:
        folder = console.console_data or stack.enter_context(tempfile.TemporaryDirectory(prefix="volteface-console-"))
        Path(folder).mkdir(parents=True, exist_ok=True)
        read_model = ReadModel(Path(folder) / "cases.sqlite")
        live = Live()
        services = Services(
            settings, console, read_model,
            source=Follower(settings, kafka, read_model, live.changed),
            decisions=Decisions(settings, read_model, TopicJournal(settings, kafka)),
            readings=AuditedReadings(settings, kafka),
            live=live,
            health=Health(settings, console, read_model),
        )  # fmt: skip
        uvicorn.run(
            protected(services, authenticator),
            host=console.console_host, port=console.console_port, log_config=None, access_log=False,
            timeout_graceful_shutdown=3, server_header=False, proxy_headers=False,
        )  # fmt: skip
