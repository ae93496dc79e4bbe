"""The commands about topics: `topics create`, `topics check`."""

from __future__ import annotations

from typing import Annotated

import typer

from stream.cli.connect import connected_settings, source_topics
from stream.cli.help import Command
from stream.cli.help import group as new_group
from stream.cli.output import say, warn

group = new_group("Create or check the topics.")


@group.command(cls=Command)
def create(
    partitions: Annotated[int, typer.Option(min=1, max=10_000)] = 4,
    replication_factor: Annotated[
        int | None, typer.Option(min=1, max=10, help="by default 3, or the number of brokers if there are fewer")
    ] = None,
) -> None:
    """Create the missing topics; never shrink or delete one."""
    from stream.ops import topics

    settings, kafka = connected_settings("topics create")
    made = topics.create(settings, kafka, partitions, replication_factor, source_topics())
    for name in made.made:
        say(f"made {name}")
    for name in made.there:
        say(f"there already: {name}")


@group.command(cls=Command)
def check() -> None:
    """Compare the topics with their contract; exit code 1 if records would be lost or refused, 0 for warnings."""
    from stream.ops import topics

    problems = topics.check(*connected_settings("topics check"), source_topics())
    for problem in problems:
        say(f"error: {problem.text}", "red") if problem.is_error else warn(f"warning: {problem.text}")
    if any(problem.is_error for problem in problems):
        raise typer.Exit(1)
    if not problems:
        say("all topics are as they should be")
