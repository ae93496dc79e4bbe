"""The command `bridge`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from stream import config
from stream.cli.connect import connected_settings
from stream.cli.output import print_json, say, warn


def bridge(
    mapping: Annotated[
        Path | None, typer.Option(help="the mapping [default: VOLTEFACE_BRIDGE_MAPPING]", metavar="FILE")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="write nothing: show what the latest records would become, and end")
    ] = False,
    show: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="with --dry-run: how many records of each topic")
    ] = 20,
) -> None:
    """Turn records of the marketplace's own topics (Debezium, JSON, Avro) into events on the input topics."""
    if mapping is not None:
        os.environ["VOLTEFACE_BRIDGE_MAPPING"] = str(mapping.resolve())
    if dry_run:
        _show(show)
        return
    from stream.bridge import start

    try:
        found = start.begin()
    except config.SettingsError as error:
        from stream.ops import logs

        logs.fatal(error)
        raise typer.Exit(2) from None
    # Faust's own command line, as for the worker.
    faust = [sys.executable, "-m", "faust", "--quiet", "-A", "stream.bridge.app"]
    os.execv(sys.executable, [*faust, "worker", "--loglevel", found.settings.log_level.lower()])


def _show(count: int) -> None:
    from stream.bridge import start
    from stream.bridge.dry_run import DryRun

    begun = start.begin()
    connected_settings(None)
    shown = DryRun(begun, count)
    for line in shown.lines():
        print_json(line)
    for topic in shown.missing:
        warn(f"topic {topic} does not exist yet: its connector makes it at the first record")
    for text in shown.summary():
        say(text)
    if shown.refused:
        raise typer.Exit(1)
