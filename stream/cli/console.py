"""The command `console`."""

from __future__ import annotations

from stream import config
from stream.cli.connect import connected_settings
from stream.cli.output import fail, say


def console() -> None:
    """Serve the analysts' console to web browsers: cases, evidence, decisions."""
    own = config.load_console()
    settings, kafka = connected_settings("console")
    try:
        from stream.console import server
    except ModuleNotFoundError as error:
        fail(f"the console needs {error.name}: install volteface[console]")
    say(f"console: http://{own.console_host}:{own.console_port}/")
    server.serve(settings, kafka, own)
