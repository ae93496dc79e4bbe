"""How commands speak: results to standard output, everything said on the way to standard error.

Rule of this room: no command and no meaning here, only ways to say things.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import msgspec
import typer
from rich.console import Console

said = Console(stderr=True)
out = Console()


def print_json(value: object) -> None:
    """A result, as one line of JSON."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def fail(message: str) -> NoReturn:
    """Say what went wrong, and end with exit code 1."""
    said.print(message, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)


def warn(why: str) -> None:
    """Say what a person should know, and go on."""
    said.print(why, style="yellow", markup=False, soft_wrap=True)
