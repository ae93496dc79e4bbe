"""The command `console`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream import config
from stream.cli.connect import connected_settings
from stream.cli.input_file import check_input
from stream.cli.output import fail, say


def console(
    alerts: Annotated[
        Path | None, typer.Option(help="show a replay's outcome instead of what is in Kafka: its file of alerts")
    ] = None,
    events: Annotated[Path | None, typer.Option(help="the file of events that the replay read")] = None,
) -> None:
    """Serve the analysts' console to web browsers: cases, evidence, decisions."""
    if (alerts is None) != (events is None):
        raise typer.BadParameter("--alerts and --events belong together: the outcome of a replay, and what it read")
    own = config.load_console()
    try:
        from stream.console import files, server
    except ModuleNotFoundError as error:
        fail(f"the console needs the package {error.name}: install volteface[console]")
    if alerts is None or events is None:
        settings, kafka = connected_settings("console")
        found = None
    else:
        for path in (alerts, events):
            check_input(path)
        settings, kafka = config.load()
        found = server.ReplayFiles(alerts, events)
        say(f"decisions go to {files.decisions_file(events)}")
    say(f"console: {server.address(own)}")
    server.serve(settings, kafka, own, found)
