"""The commands about topics: `topics create`, `topics check`."""

from __future__ import annotations

from typing import Annotated

import typer

from stream.cli.connect import connected_settings
from stream.cli.help import Command
from stream.cli.help import group as new_group
from stream.cli.output import fail, say

group = new_group("Create or check the topics.")


@group.command(cls=Command)
def create(
    partitions: Annotated[int, typer.Option(min=1, max=10_000)] = 4,
    replication_factor: Annotated[int, typer.Option(min=1, max=10)] = 1,
) -> None:
    """Create the missing topics; never shrink or delete one."""
    from stream.ops import topics

    made = topics.create(*connected_settings(), partitions, replication_factor)
    for name in made.made:
        say(f"made {name}")
    for name in made.there:
        say(f"there already: {name}")


@group.command(cls=Command)
def check() -> None:
    """List what is wrong with the topics; exit code 1 if anything is."""
    from stream.ops import topics

    problems = topics.check(*connected_settings())
    if problems:
        fail("\n".join(problems))
    say("all topics are as they should be")
