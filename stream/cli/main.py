"""The `volteface` command: one file for each group of commands, put together here.

Invariant: a command parses its arguments, calls the module that does the work, and prints the result. Results go to
standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong use, 130 ended by a signal.
"""

from __future__ import annotations

import sys

import typer

from stream import config
from stream.cli import (
    alerts,
    bridge,
    case_events,
    cases,
    console,
    dead_letters,
    development,
    doctor,
    history,
    offline,
    privacy,
    state,
    topics,
    worker,
)
from stream.cli.help import Command, Program
from stream.cli.output import finish_output, prepare_output, say

cli = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find the sellers, staff and brokers behind critical reviews that are upgraded or deleted for money.",
)
cli.add_typer(topics.group, name="topics")
cli.add_typer(dead_letters.group, name="dlq")
cli.add_typer(state.group, name="state")
for command in (
    *(worker.worker, worker.feed, worker.settings, doctor.doctor, bridge.bridge),
    *(alerts.alerts, alerts.watchlist, alerts.plot),
    *(
        console.console,
        cases.cases,
        cases.case,
        case_events.verdict,
        case_events.appeal,
        case_events.assign,
        case_events.note,
    ),
    *(history.convert, offline.replay, offline.calibrate),
    *(development.market, development.arena, development.broker),
    *(privacy.unmask, privacy.forget),
):
    cli.command(cls=Command)(command)


def main() -> None:
    """Run the command. An error that a person can correct is one line, without a stack trace."""
    prepare_output()
    try:
        cli()
    except (KeyError, IndexError):  # errors of the program
        raise
    except _correctable() as error:
        say(f"{type(error).__name__}: {error}", "red")
        sys.exit(2 if isinstance(error, config.SettingsError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        finish_output()


def _correctable() -> tuple[type[Exception], ...]:
    """Return the types of errors that a person can correct. It is called at an error: importing these takes long."""
    from kafka.errors import KafkaError

    from stream.ops.kafka_distribution import BrokerError

    return config.SettingsError, BrokerError, KafkaError, LookupError, OSError
