"""The command `doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from stream.cli.connect import connected_settings, source_topics
from stream.cli.output import print_json, results
from stream.texts import literal


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Say what is wrong between your Kafka and Volteface; exit code 1 if events are lost, refused or not read."""
    from stream.doctor.examine import examine

    colors = {"ok": "green", "warning": "yellow", "error": "red"}
    errors = warnings = 0
    sources = source_topics()
    for found in examine(*connected_settings(None), sources):
        errors += found.level == "error"
        warnings += found.level == "warning"
        if as_json:
            print_json(found)
        else:
            results.print(literal(found.line), style=colors[found.level], soft_wrap=True)
    if not as_json:
        results.print(f"{errors} errors, {warnings} warnings")
    if errors:
        raise typer.Exit(1)
