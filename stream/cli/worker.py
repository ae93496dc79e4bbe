"""The commands that run Volteface: `worker`, `feed`, `settings`."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stream import config
from stream.cli.connect import connected_settings
from stream.cli.input_file import reading
from stream.cli.offline import Input
from stream.cli.output import fail, messages, print_fields, print_paragraph, say


def worker() -> None:
    """Process the input topics; any number of workers share the partitions."""
    settings, _ = config.load()
    # Faust's own command line, so that `faust -A stream.app worker` and this command do the same. Without the level its
    # spinner mutes everything below WARNING; without --quiet its banner stands among the JSON lines. The event loop is
    # asyncio's own: on uvloop, aiokafka can stop looking for a broker that went away, without an error
    # (aio-libs/aiokafka#1038), and the worker would wait forever.
    faust = [sys.executable, "-m", "faust", "--quiet", "-A", "stream.app"]
    os.execv(sys.executable, [*faust, "worker", "--loglevel", settings.log_level.lower()])


def feed(
    source: Input,
    speed: Annotated[str, typer.Option(help="max, or a multiple of real time such as 1000x")] = "max",
) -> None:
    """Send a file's events to their topics; end when Kafka has acknowledged all of them."""
    from stream.feed import feed as run

    factor = None
    if speed != "max":
        try:
            factor = float(speed.removesuffix("x"))
        except ValueError:
            factor = 0.0
        if factor <= 0:
            raise typer.BadParameter(f"--speed takes max or a factor such as 1000x, not {speed!r}")
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} events"), TimeElapsedColumn())
    with reading(source):
        settings = connected_settings("feed")
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs every attempt of a retry
        # Without a terminal the bar would only repeat the last line.
        with Progress(*columns, console=messages, disable=not messages.is_terminal) as progress:
            bar = progress.add_task("feed", total=None)
            done = run(*settings, source, factor, lambda n: progress.update(bar, completed=n))
    if done.failed:
        fail(f"{done.failed} of {done.events} events were not acknowledged by Kafka: feed the file again")
    say(f"{done.events:,} events acknowledged in {done.seconds:.1f} s")


def settings() -> None:
    """List every setting with its present value, meaning and default; secrets are hidden."""
    for values in config.load():
        for name, field in type(values).model_fields.items():
            value = getattr(values, name)
            shown = "(hidden)" if isinstance(value, SecretStr) else _shown(value)
            print_fields([f"{config.variable(type(values), name)}={shown}"], style="bold")
            print_paragraph(f"{field.description}; default: {_shown(field.default) or 'none'}")


def _shown(value: object) -> str:
    """Return a value as the environment variable takes it; empty if there is none."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
