"""The command `console`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from stream import config
from stream.cli.connect import connected_settings
from stream.cli.input_file import check_input
from stream.cli.output import fail


def console(
    alerts: Annotated[
        Path | None, typer.Option(help="show a replay's outcome instead of what is in Kafka: its file of alerts")
    ] = None,
    events: Annotated[Path | None, typer.Option(help="the file of events that the replay read")] = None,
) -> None:
    """Serve the analysts' console to web browsers: cases, evidence, decisions."""
    from stream.cli.service_log import ServiceLog

    if (alerts is None) != (events is None):
        raise typer.BadParameter("--alerts and --events belong together: the outcome of a replay, and what it read")
    log = ServiceLog("stream.console")
    with log.errors():
        own, (settings, kafka) = config.load_console(), config.load()
        log.begin(settings.log_level)
        try:
            from stream.console import server
            from stream.console.access.addresses import public_url
            from stream.console.source import files
        except ModuleNotFoundError as error:
            fail(f"the console needs the package {error.name}: install volteface[console]")
        server.check(own)
        if alerts is None or events is None:
            settings, kafka = connected_settings("console", log.warn)
            found = None
        else:
            for path in (alerts, events):
                check_input(path)
            found = server.ReplayFiles(alerts, events)
            decisions = files.decisions_file(events)
            log.say("decisions_file", f"decisions go to {decisions}", path=str(decisions))
        address = public_url(own)
        log.say(
            "console_starts", f"console: {address}",
            version=version("volteface"), address=address, authentication=own.console_auth,
        )  # fmt: skip
        server.serve(settings, kafka, own, found)
        log.say("console_stopped", "console: stopped")
