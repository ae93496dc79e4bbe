"""The commands that run Volteface: `worker`, `feed`, `settings`."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from stream import config
from stream.cli.connect import connected_settings
from stream.cli.input_file import reading
from stream.cli.offline import Input, Sort
from stream.cli.output import fail, messages, print_fields, print_json, print_paragraph, say, stopped_by, warn

if TYPE_CHECKING:
    from stream.ops.line_check import CheckResult


def worker() -> None:
    """Process the input topics; any number of workers share the partitions."""
    try:
        settings, _ = config.load()
    except config.SettingsError as error:
        from stream.ops import logs

        logs.fatal(error)
        raise typer.Exit(2) from None
    # Faust's own command line, so that `faust -A stream.app worker` and this command do the same. Without the level its
    # spinner mutes everything below WARNING; without --quiet its banner stands among the JSON lines. The event loop is
    # asyncio's own: on uvloop, aiokafka can stop looking for a broker that went away, without an error
    # (aio-libs/aiokafka#1038), and the worker would wait forever.
    faust = [sys.executable, "-m", "faust", "--quiet", "-A", "stream.app"]
    os.execv(sys.executable, [*faust, "worker", "--loglevel", settings.log_level.lower()])


def feed(
    source: Input,
    speed: Annotated[str, typer.Option(help="max, or a multiple of real time such as 1000x")] = "max",
    sort: Sort = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="only decode all lines and report what is wrong: lines, order, and sellers and days of each task, but "
            "not flips, which `volteface replay` counts; needs no Kafka",
        ),
    ] = False,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="with --check: number of partitions of the topics, and so of tasks [default: 1]"
        ),
    ] = None,
) -> None:
    """Send a file's events to their topics; end when Kafka has acknowledged all of them."""
    from stream.feed import AllRefused
    from stream.feed import feed as run

    factor = _factor(speed)
    if check:
        _check(source, partitions or 1, sort)
        return
    if partitions is not None:
        raise typer.BadParameter("--partitions goes with --check: without it Kafka knows the number")
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} events"), TimeElapsedColumn())
    with reading(source):
        settings = connected_settings("feed")
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it logs every attempt of a retry
        # Without a terminal the bar would only repeat the last line.
        with Progress(*columns, console=messages, disable=not messages.is_terminal) as progress:
            bar = progress.add_task("feed", total=None)
            try:
                done = run(
                    *settings,
                    source,
                    factor,
                    lambda n: progress.update(bar, completed=n),
                    sort,
                    stopped_by,
                    _interrupted,
                )
            except AllRefused as refused:
                _warn(refused.check)
                first = f"the first {refused.check.lines:,} lines are no events"
                fail(f"nothing was sent: {first}; `volteface feed --check` reads all lines")
    _warn(done.check)
    if done.failed:
        fail(f"{done.failed} of {done.events} events were not acknowledged by Kafka: feed the file again")
    doubtful = "; this input cannot be trusted, see above" if done.check.reasons else ""
    say(f"{done.check.events:,} events acknowledged in {done.seconds:.1f} s{_dead(done.check)}{doubtful}")


def _interrupted(acknowledged: int) -> None:
    say(
        f"interrupted: Kafka has acknowledged {acknowledged:,} events. Feed the same input again from its beginning: "
        "no event counts twice (docs/operations.md, Duplicates)"
    )


def _factor(speed: str) -> float | None:
    if speed == "max":
        return None
    try:
        factor = float(speed.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if factor <= 0:
        raise typer.BadParameter(f"--speed takes max or a factor such as 1000x, not {speed!r}")
    return factor


def _check(source: str, partitions: int, sort: bool) -> None:
    """Print what is wrong with a file; end with exit code 1 if it is not valid."""
    from stream.feed import check

    settings, _ = config.load()
    with reading(source):
        checked = check(settings, source, partitions, sort)
    print_json(checked)
    _warn(checked)
    if not checked.valid:
        raise typer.Exit(1)


def _warn(check: CheckResult) -> None:
    """Print the first refused line of each reason, and why the input cannot be trusted."""
    for one in check.refused:
        found = "1 line" if one.count == 1 else f"{one.count:,} lines"
        warn(f"{one.reason}: {found}; the first is line {one.line:,}: {one.text}")
    for text in check.reasons:
        warn(text)


def _dead(check: CheckResult) -> str:
    dead = check.lines - check.events
    return f"; refused, and so dead letters: {dead:,}" if dead else ""


def settings() -> None:
    """List every setting with its present value, meaning and default; secrets are hidden."""
    for values in (*config.load(), config.load_console(), config.load_bridge()):
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
