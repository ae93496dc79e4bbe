"""The `volteface` command: one file for each group of commands, put together here.

Invariant: a command parses its arguments, calls the module that does the work, and prints the result. Results go to
standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import sys

import typer
from kafka.errors import KafkaError

from stream import config
from stream.cli import alerts, dead_letters, development, offline, privacy, state, topics, worker
from stream.cli.output import messages

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Find sellers, insiders and brokers behind critical reviews that turn too often.",
)
cli.add_typer(topics.group, name="topics")
cli.add_typer(dead_letters.group, name="dlq")
cli.add_typer(state.group, name="state")
for command in (
    *(worker.worker, worker.feed, worker.settings),
    *(alerts.alerts, alerts.watchlist, alerts.plot),
    *(offline.replay, offline.calibrate),
    *(development.market, development.arena, development.broker),
    *(privacy.unmask, privacy.forget),
):
    cli.command()(command)


def main() -> None:
    """Run the command. An error that a person can correct is one line, without a stack trace."""
    from stream.ops.kafka_distribution import BrokerError

    try:
        cli()
    except (config.SettingsError, BrokerError, KafkaError, LookupError, OSError) as error:
        messages.print(f"{type(error).__name__}: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, config.SettingsError) else 1)
