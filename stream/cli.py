"""The `volteface` command.

Rule of this room: commands parse, call and print; what they do lies elsewhere. Exit codes: 0 done, 1 failed, 2 wrong
use. Results go to standard output, everything said on the way to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from kafka.errors import KafkaError
from pydantic import SecretStr
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from stream import config
from stream.alerts import Alert

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
topics_cli = typer.Typer(no_args_is_help=True, help="Make or check the topics.")
dlq_cli = typer.Typer(no_args_is_help=True, help="Dead letters: show them, or send them again after a fix.")
state_cli = typer.Typer(no_args_is_help=True, help="The committed state of a group.")
cli.add_typer(topics_cli, name="topics")
cli.add_typer(dlq_cli, name="dlq")
cli.add_typer(state_cli, name="state")

said = Console(stderr=True)
out = Console()

Input = Annotated[str, typer.Option("--input", help="a .jsonl or .jsonl.gz file, or - for standard input")]


def _print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _fail(message: str) -> NoReturn:
    said.print(message, style="red", markup=False)
    raise typer.Exit(1)


@cli.command()
def worker() -> None:
    """The always-on processor; any number of them share the work."""
    settings, _ = config.load()
    # Faust's own command line, so that `faust -A stream.app worker` and this one are the same thing. Without the
    # level its spinner would mute all below WARNING; without --quiet its banner would stand among the JSON lines.
    faust = [sys.executable, "-m", "faust", "--quiet", "-A", "stream.app", "-L", "uvloop"]
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
    _print_json(result)


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


@topics_cli.command("create")
def topics_create(
    partitions: Annotated[int, typer.Option(min=1, max=10_000)] = 4,
    replication_factor: Annotated[int, typer.Option(min=1, max=10)] = 1,
) -> None:
    """Make what is missing; never shrinks or deletes."""
    from stream.ops import topics

    made = topics.create(*config.load(), partitions, replication_factor)
    for name in made.made:
        said.print(f"made {name}")
    for name in made.there:
        said.print(f"there already: {name}")


@topics_cli.command("check")
def topics_check() -> None:
    """Say what is wrong with the topics; exit code 1 if anything is."""
    from stream.ops import topics

    problems = topics.check(*config.load())
    if problems:
        _fail("\n".join(problems))
    said.print("all topics are as they should be")


@cli.command()
def feed(
    source: Input,
    speed: Annotated[str, typer.Option(help="max, or a factor of real time such as 1000x")] = "max",
) -> None:
    """Send a file's events to their topics; ends when all are acknowledged."""
    from stream.ops import feed as feeding

    factor = None
    if speed != "max":
        try:
            factor = float(speed.removesuffix("x"))
        except ValueError:
            factor = 0.0
        if factor <= 0:
            raise typer.BadParameter(f"--speed takes max or a factor such as 1000x, not {speed!r}")
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} events"), TimeElapsedColumn())
    with Progress(*columns, console=said) as progress:
        bar = progress.add_task("feed", total=None)
        done = feeding.feed(*config.load(), source, factor, lambda n: progress.update(bar, completed=n))
    if done.failed:
        _fail(f"{done.failed} of {done.events} events were not acknowledged by Kafka: feed the file again")
    said.print(f"{done.events:,} events acknowledged in {done.seconds:.1f} s")


@cli.command()
def alerts(
    follow: Annotated[bool, typer.Option("--follow", help="go on as they come")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")] = False,
) -> None:
    """Read alerts back from Kafka."""
    from stream.ops import mailbox

    table = Table("raised at", "kind", "subject", "severity", "explanation", "alert id")
    for alert in mailbox.alerts(*config.load(), follow=follow):
        if json:
            _print_json(alert)
        elif follow:
            out.print(f"[bold]{alert.severity}[/] {alert.explanation} [dim]{alert.alert_id}[/]")
        else:
            when = f"{alert.raised_at:%Y-%m-%d %H:%M}"
            table.add_row(when, alert.kind, alert.subject.id, alert.severity, alert.explanation, alert.alert_id)
    if table.row_count:
        out.print(table)


def _pass_over(why: str) -> None:
    said.print(why, style="yellow", markup=False, soft_wrap=True)


@dlq_cli.command("list")
def dlq_list() -> None:
    """Dead letters of all input topics, as JSON lines."""
    from stream.ops import mailbox

    settings, kafka = config.load()
    for topic in settings.input_topics:
        for letter in mailbox.dead_letters(settings, kafka, topic, _pass_over):
            _print_json(
                {
                    "topic": letter.topic,
                    "partition": letter.partition,
                    "offset": letter.offset,
                    "reason": letter.reason,
                    "detail": letter.detail,
                    "value": (letter.value or b"")[:200].decode(errors="replace"),
                }
            )


@dlq_cli.command("replay")
def dlq_replay() -> None:
    """Send the original bytes again; what was sent before is not sent twice."""
    from stream.ops import mailbox

    settings, kafka = config.load()
    for topic in settings.input_topics:
        count = mailbox.replay_dead_letters(settings, kafka, topic, _pass_over)
        said.print(f"{topic}: {count} sent again")


@state_cli.command("digest")
def state_digest() -> None:
    """One digest a partition of the committed state, equal to `replay`'s for the same events."""
    from stream.core.detector import Detector
    from stream.engine.task import POSITION
    from stream.ops import mailbox

    settings, kafka = config.load()
    digests = {}
    for partition, rows in sorted(mailbox.committed_state(settings, kafka).items()):
        detector = Detector(settings.alert_budget, settings.config_digest)
        detector.restore((key, value) for key, value in rows.items() if key != POSITION)
        digests[str(partition)] = detector.digest()
    _print_json(digests)


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
    from stream.ops.broker import BrokerError

    try:
        cli()
    except (config.SettingsError, BrokerError, KafkaError, LookupError, OSError) as error:
        said.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        sys.exit(2 if isinstance(error, config.SettingsError) else 1)


if __name__ == "__main__":
    main()
