"""The `volteface` command.

Rule of this room: commands parse, call and print; what they do lies elsewhere. Exit codes: 0 done, 1 failed, 2 wrong
use. Results go to standard output, everything said on the way to standard error.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from kafka.errors import KafkaError
from pydantic import SecretStr
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from stream import config
from stream.alerts import Alert
from stream.cli_groups import committed_tasks, dlq_cli, reached, state_cli, topics_cli
from stream.cli_privacy import forget, unmask
from stream.console import fail, out, print_json, said

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
cli.add_typer(topics_cli, name="topics")
cli.add_typer(dlq_cli, name="dlq")
cli.add_typer(state_cli, name="state")
cli.command()(unmask)
cli.command()(forget)

Input = Annotated[str, typer.Option("--input", help="a .jsonl or .jsonl.gz file, or - for standard input")]


@cli.command()
def worker() -> None:
    """The always-on processor; any number of them share the work."""
    settings, _ = config.load()
    # Faust's own command line, so that `faust -A stream.app worker` and this one are the same thing. Without the
    # level its spinner would mute all below WARNING; without --quiet its banner would stand among the JSON lines.
    # Its loop is asyncio's own: on uvloop a broker that goes away can end aiokafka's search for it, without a word
    # (aio-libs/aiokafka#1038), and the worker would wait for ever.
    faust = [sys.executable, "-m", "faust", "--quiet", "-A", "stream.app"]
    os.execv(sys.executable, [*faust, "worker", "--loglevel", settings.log_level.lower()])


@cli.command()
def replay(
    source: Input,
    alerts: Annotated[Path | None, typer.Option(help="file for the alerts, one JSON object a line")] = None,
    partitions: Annotated[int, typer.Option(min=1, max=10_000, help="partitions, as the topics have")] = 1,
) -> None:
    """The same core without Kafka; with the worker's partition count it gives the worker's alerts."""
    from stream.ops.memory import collect_less_often
    from stream.replay import replay as run

    settings, _ = config.load()
    collect_less_often()
    found: list[Alert] = []
    result = run(settings, source, partitions, found.append)
    if alerts is not None:
        alerts.write_bytes(b"".join(msgspec.json.encode(alert) + b"\n" for alert in found))
    print_json(result)


@cli.command()
def calibrate(
    source: Input,
    partitions: Annotated[int, typer.Option(min=1, max=10_000, help="partitions, as the topics have")] = 1,
    permutations: Annotated[int, typer.Option(min=1, max=10_000, help="how often labels are dealt anew")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="of the permutations")] = 1,
) -> None:
    """How often honest labels would alarm on your own history, and the setting that keeps the budget."""
    from stream import calibrate as calibration
    from stream.ops.memory import collect_less_often

    settings, _ = config.load()
    collect_less_often()
    with Progress(console=said) as progress:
        bar = progress.add_task("permutations", total=permutations)
        found = calibration.calibrate(
            settings, source, partitions, permutations, seed, lambda done: progress.update(bar, completed=done)
        )
    for sentence in calibration.words(found):
        said.print(sentence, markup=False, highlight=False, soft_wrap=True)
    print_json(found)


@cli.command()
def market(
    seed: Annotated[int, typer.Option(min=0)],
    out_file: Annotated[Path, typer.Option("--out", help="events, .jsonl or .jsonl.gz")],
    truth: Annotated[Path, typer.Option(help="the cheats and what they paid, .jsonl")],
    scenario: Annotated[str | None, typer.Option(help="kind of market: honest, bribes, confounded, cheats ...")] = None,
    background: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="instead, plant cheats among the events of this file"),
    ] = None,
    sellers: Annotated[int, typer.Option(min=1, max=100_000, help="of a scenario")] = 500,
    days: Annotated[int, typer.Option(min=1, max=3650, help="of a scenario")] = 240,
    world: Annotated[int, typer.Option(min=0, help="other habits of sellers and reviewers; 0 is the usual world")] = 0,
) -> None:
    """The seeded simulator: the same arguments give the same market."""
    from stream.market import simulate
    from stream.market.background import simulate_background

    if (scenario is None) == (background is None):
        raise typer.BadParameter("give either --scenario or --background")
    if background:
        try:
            made = simulate_background(background, seed, world)
        except msgspec.MsgspecError as error:
            raise typer.BadParameter(f"{background}: {error}") from error
    elif scenario in simulate.SCENARIOS:
        made = simulate.simulate(scenario, seed, sellers, days, world)
    else:
        raise typer.BadParameter(f"no scenario {scenario!r}: there are {', '.join(sorted(simulate.SCENARIOS))}")
    made.write(out_file, truth)
    said.print(f"{len(made.lines):,} events")


@cli.command()
def arena(
    folder: Annotated[Path, typer.Option("--out", file_okay=False, help="for arena.md, arena.json and figures")] = Path(
        "arena"
    ),
    lines: Annotated[Path | None, typer.Option(dir_okay=False, help="raw results; a contest goes on there")] = None,
    kinds: Annotated[str | None, typer.Option(help="scenarios of `market`, or files for its --background")] = None,
    worlds: Annotated[str, typer.Option(help="worlds of `market`, each with all kinds")] = "0,1,2",
    competitors: Annotated[str, typer.Option(help="their names or groups")] = "products,baselines,bounds",
    sellers: Annotated[int, typer.Option(min=1, max=100_000)] = 500,
    days: Annotated[int, typer.Option(min=1, max=3650)] = 240,
    seed: Annotated[int, typer.Option(min=0, help="a market's is this + 1000 x world + a number of its kind")] = 1,
) -> None:
    """Compare detectors on the same markets, at equal numbers of false alarms."""
    from functools import partial
    from importlib.util import find_spec

    from stream.arena import contest, report, roster

    try:
        numbers = [int(world) for world in worlds.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"--worlds takes numbers such as 0,1, not {worlds!r}") from error
    where = contest.rounds(kinds.split(",") if kinds else contest.KINDS, numbers, seed, sellers, days)
    folder.mkdir(parents=True, exist_ok=True)
    who = roster.chosen(competitors.split(","))
    say = partial(said.print, markup=False, highlight=False)
    performances = contest.hold(where, who, lines or folder / "arena.jsonl", say)
    drawn: list[Path] = []
    if find_spec("matplotlib"):
        from stream.arena import pictures

        drawn = pictures.draw(performances, folder / "figures")
    sys.stdout.write(report.write(report.report(performances), drawn, folder))


@cli.command()
def feed(
    source: Input,
    speed: Annotated[str, typer.Option(help="max, or a factor of real time such as 1000x")] = "max",
) -> None:
    """Send a file's events to their topics; ends when all are acknowledged."""
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
    given = reached()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells each attempt of what it tries again
    # Without a terminal it would only add a line to what is said at the end.
    with Progress(*columns, console=said, disable=not said.is_terminal) as progress:
        bar = progress.add_task("feed", total=None)
        done = run(*given, source, factor, lambda n: progress.update(bar, completed=n))
    if done.failed:
        fail(f"{done.failed} of {done.events} events were not acknowledged by Kafka: feed the file again")
    said.print(f"{done.events:,} events acknowledged in {done.seconds:.1f} s")


@cli.command()
def alerts(
    follow: Annotated[bool, typer.Option("--follow", help="go on as they come")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")] = False,
) -> None:
    """Read alerts back from Kafka."""
    from stream.ops import mailbox

    table = Table("raised at", "kind", "subject", "severity", "explanation", "alert id")
    for alert in mailbox.alerts(*reached(), follow=follow):
        if json:
            print_json(alert)
        elif follow:
            out.print(f"[bold]{alert.severity}[/] {alert.explanation} [dim]{alert.alert_id}[/]")
        else:
            when = f"{alert.raised_at:%Y-%m-%d %H:%M}"
            table.add_row(when, alert.kind, alert.subject.id, alert.severity, alert.explanation, alert.alert_id)
    if table.row_count:
        out.print(table)


@cli.command()
def watchlist(
    count: Annotated[int, typer.Option(min=1, max=1000, help="at most so many, the strongest evidence first")] = 20,
    json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")] = False,
) -> None:
    """Whom the committed evidence leans against, below the threshold of an alert."""
    from stream.watchlist import rank

    settings, kafka = reached()
    subject = Column("subject", no_wrap=True)  # a name that is cut off names nobody
    table = Table("watch", subject, "odds", "of the threshold", "flips kept", "since", "latest flip")
    for one in rank(committed_tasks(settings, kafka).values(), settings.alert_budget, count):
        if json:
            print_json(one)
        else:
            figures = (f"{one.odds:.1f}", f"{one.share:.0%}", str(one.flips))
            table.add_row(one.kind, one.subject.id, *figures, f"{one.since:%Y-%m-%d}", f"{one.latest:%Y-%m-%d %H:%M}")
    if table.row_count:
        out.print(table)


@cli.command()
def settings() -> None:
    """Every setting with its meaning, default and present value; secrets hidden."""
    table = Table("variable", "meaning", "default", "value")
    for values in config.load():
        for name, field in type(values).model_fields.items():
            shown: Any = getattr(values, name)
            value = "(hidden)" if isinstance(shown, SecretStr) else str(shown)
            table.add_row(config.variable(type(values), name), field.description, str(field.default), value)
    out.print(table)


@cli.command()
def broker(
    port: Annotated[int, typer.Option(min=1, max=65535, help="where a real Kafka listens; a mock chooses")] = 9092,
) -> None:
    """A development Kafka in the foreground; Ctrl-C ends it, and its data go with it.

    Without Java 17 and Maven it is a mock, for a first look.
    """
    from stream.ops.mock_broker import MockBroker, first_there

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with first_there(lambda line: said.print(line, markup=False, soft_wrap=True), port) as running:
        said.print(f"Kafka listens on {running.bootstrap_servers}; Ctrl-C ends it")
        if isinstance(running, MockBroker):
            said.print(f"reach it with KAFKA_BOOTSTRAP_SERVERS={running.bootstrap_servers} KAFKA_MOCK=true")
        try:
            signal.pause()
        except KeyboardInterrupt:
            said.print("stopping")


def main() -> None:
    """Entry point: errors that a person can mend are one line, not a trace."""
    from stream.ops.jars import BrokerError

    try:
        cli()
    except (config.SettingsError, BrokerError, KafkaError, LookupError, OSError) as error:
        said.print(f"{type(error).__name__}: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, config.SettingsError) else 1)


if __name__ == "__main__":
    main()
