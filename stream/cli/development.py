"""The commands for development: `market`, `arena`, `broker`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from stream.cli.input_file import check_output, reading
from stream.cli.output import say


def market(
    seed: Annotated[int, typer.Option(min=0)],
    out_file: Annotated[Path, typer.Option("--out", help="events, .jsonl or .jsonl.gz")],
    truth: Annotated[
        Path, typer.Option(help="the cheats, the flips that they paid for, and groups of sellers, .jsonl")
    ],
    scenario: Annotated[str | None, typer.Option(help="kind of market: honest, bribes, confounded, cheats ...")] = None,
    background: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="instead, plant cheats among the events of this file"),
    ] = None,
    sellers: Annotated[int, typer.Option(min=1, max=100_000, help="of a scenario")] = 500,
    days: Annotated[int, typer.Option(min=1, max=3650, help="of a scenario")] = 240,
    world: Annotated[
        int, typer.Option(min=0, help="other behaviour of sellers and reviewers; 0 is the usual world")
    ] = 0,
) -> None:
    """Simulate a market; the same arguments give the same market."""
    from stream.market import simulate
    from stream.market.background import simulate_background

    check_output(out_file, truth, *([background] if background else []))
    check_output(truth)
    if (scenario is None) == (background is None):
        raise typer.BadParameter("give either --scenario or --background")
    if background:
        try:
            with reading(str(background)):
                made = simulate_background(background, seed, world)
        except msgspec.MsgspecError as error:
            raise typer.BadParameter(f"{background}: {error}") from error
    elif scenario in simulate.SCENARIOS:
        made = simulate.simulate(scenario, seed, sellers, days, world)
    else:
        raise typer.BadParameter(f"no scenario {scenario!r}: there are {', '.join(sorted(simulate.SCENARIOS))}")
    made.write(out_file, truth)
    say(f"{len(made.lines):,} events")


def arena(
    folder: Annotated[Path, typer.Option("--out", file_okay=False, help="for arena.md, arena.json and figures")] = Path(
        "arena"
    ),
    lines: Annotated[Path | None, typer.Option(dir_okay=False, help="raw results; a contest continues there")] = None,
    kinds: Annotated[
        str,
        typer.Option(
            help="scenarios of `market`, or files for its --background; all: the usual scenarios; none: only --as-is"
        ),
    ] = "all",
    as_is: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="real events, all sellers taken as honest; repeatable"
        ),
    ] = None,
    worlds: Annotated[str, typer.Option(help="worlds of `market`, each with all kinds")] = "0,1,2",
    competitors: Annotated[str, typer.Option(help="their names or groups")] = "products,baselines,bounds",
    sellers: Annotated[int, typer.Option(min=1, max=100_000)] = 500,
    days: Annotated[int, typer.Option(min=1, max=3650)] = 240,
    seed: Annotated[int, typer.Option(min=0, help="a market's is this + 1000 x world + a number of its kind")] = 1,
) -> None:
    """Compare detectors on the same markets, at equal numbers of false alarms."""
    from importlib.util import find_spec

    from stream.arena import contest, report, results, roster
    from stream.arena.records import is_simulated

    try:
        numbers = [int(world) for world in worlds.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"--worlds takes numbers such as 0,1, not {worlds!r}") from error
    where = contest.market_runs(_kinds(kinds), numbers, seed, sellers, days) + contest.as_is_runs(as_is or [])
    if not where:
        raise typer.BadParameter("--kinds none leaves no market: give a file of events to --as-is")
    for file in dict.fromkeys(run.scenario for run in where if not is_simulated(run)):
        _check_events(file)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = roster.select(competitors.split(","))
    performances = contest.run_contest(where, chosen, lines or folder / "arena.jsonl", say)
    drawn: list[Path] = []
    if find_spec("matplotlib"):
        from stream.arena import pictures

        drawn = pictures.draw(performances, folder / "figures")
    sys.stdout.write(report.write(results.evaluate(performances), drawn, folder))


def _kinds(kinds: str) -> list[str]:
    """Return the scenarios and files of `--kinds`."""
    from stream.arena.contest import KINDS
    from stream.market.scenarios import SCENARIOS

    chosen: list[str] = []
    for kind in [] if kinds == "none" else kinds.split(","):
        if kind != "all" and kind not in SCENARIOS and not Path(kind).is_file():
            names = ", ".join(("all", "none", *sorted(SCENARIOS)))
            raise typer.BadParameter(f"--kinds takes files and {names}; {kind!r} is neither")
        chosen += KINDS if kind == "all" else [kind]
    return list(dict.fromkeys(chosen))


def _check_events(file: str) -> None:
    """Read a file of events to its end: an error after an hour of work would come late."""
    from stream.contract.events import AnyEvent
    from stream.ops import event_files

    decoder = msgspec.json.Decoder(AnyEvent)
    with reading(file), event_files.lines(file) as lines:
        for number, line in enumerate(lines, 1):
            try:
                decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                advice = f"`volteface feed --check --input {file}` checks all lines"
                raise typer.BadParameter(f"line {number} of {file} is no event: {error}; {advice}") from error


def broker(
    port: Annotated[int, typer.Option(min=1, max=65535, help="port of a real Kafka; a mock chooses its own")] = 9092,
) -> None:
    """Run a development Kafka in the foreground; Ctrl-C ends it and deletes its data.

    Without Java 17 and Maven it is a mock, for a first look.
    """
    from stream.ops.mock_broker import MockBroker, first_there

    for number in (signal.SIGTERM, signal.SIGINT):  # deleting the data may take longer than other commands may
        signal.signal(number, signal.default_int_handler)
    with first_there(say, port) as running:
        say(f"Kafka listens on {running.bootstrap_servers}; Ctrl-C ends it")
        if isinstance(running, MockBroker):
            say(f"reach it with KAFKA_BOOTSTRAP_SERVERS={running.bootstrap_servers} KAFKA_MOCK=true")
        try:
            signal.pause()
        except KeyboardInterrupt:
            say("stopping")
