"""The command about state: `state digest`."""

from __future__ import annotations

import typer

from stream.cli.connect import committed_tasks, connected_settings
from stream.cli.output import print_json

group = typer.Typer(no_args_is_help=True, help="The committed state of a group.")


@group.callback()
def _group() -> None:
    """Keep `digest` a subcommand: a group of one command would become that command."""


@group.command()
def digest() -> None:
    """Print one digest of the committed state for each partition; `replay` gives the same for the same events."""
    tasks = committed_tasks(*connected_settings())
    print_json({str(partition): task.state.digest() for partition, task in tasks.items()})
