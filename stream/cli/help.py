"""How `--help` looks: the order of the commands, and switches without a type."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

#: What most people need comes first, what few may do comes last.
ORDER: Final = (
    *("worker", "feed", "bridge", "alerts", "watchlist", "dlq", "topics", "settings", "doctor"),
    *("console", "cases", "case", "verdict", "appeal", "assign", "note"),
    *("convert", "replay", "calibrate", "plot", "state"),
    *("market", "arena", "broker"),
    *("unmask", "forget"),
)


def _without_types_of_switches(parameters: list[Any]) -> list[Any]:
    for each in parameters:
        if isinstance(each, TyperOption) and each.is_flag and each.metavar is None:
            each.metavar = ""
    return parameters


class Command(TyperCommand):
    """A command whose help shows `--json` and not `--json <bool>`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; typer's help prints their types."""
        return _without_types_of_switches(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands, with the same help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; typer's help prints their types."""
        return _without_types_of_switches(super().get_params(ctx))


class Program(Group):
    """All commands, in ORDER."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names; typer's own order has groups at the end."""
        return sorted(super().list_commands(ctx), key=ORDER.index)


def group(text: str) -> typer.Typer:
    """Return an empty group of commands with this help."""
    return typer.Typer(cls=Group, no_args_is_help=True, help=text)
