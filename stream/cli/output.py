"""How commands print: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from typing import NoReturn

import msgspec
import typer
from rich.console import Console

messages = Console(stderr=True)
results = Console()


def print_json(value: object) -> None:
    """Print a result as one line of JSON."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def fail(message: str) -> NoReturn:
    """Print an error and end with exit code 1."""
    messages.print(message, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)


def warn(message: str) -> None:
    """Print a warning and go on."""
    messages.print(message, style="yellow", markup=False, soft_wrap=True)
