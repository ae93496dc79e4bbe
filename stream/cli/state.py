"""The command about state: `state digest`."""

from __future__ import annotations

from stream.cli.connect import committed_tasks, connected_settings
from stream.cli.help import Command
from stream.cli.help import group as new_group
from stream.cli.output import fail, print_json, say

group = new_group("The committed state of a group.")


@group.command(cls=Command)
def digest() -> None:
    """Print one digest of the committed state for each partition; `replay` gives the same for the same events."""
    tasks = committed_tasks(*connected_settings("state digest"))
    print_json({str(partition): task.rows.digest() for partition, task in tasks.items()})


@group.command(cls=Command)
def rebuild() -> None:
    """Empty the state, so that workers build it again from the beginning of the inputs; stop all workers first."""
    from stream.ops.rebuild import rebuild as run

    print_json(run(*connected_settings("state rebuild"))._asdict())


@group.command(cls=Command)
def adopt() -> None:
    """Continue the state with the present settings, such as another budget; stop all workers first."""
    from stream.adopt import adopt as run
    from stream.core.model.encoding import StateError

    try:
        changes = run(*connected_settings("state adopt"))
    except StateError as error:
        fail(f"{type(error).__name__}: {error}")
    for change in changes:
        say(f"{change.name}: {change.before} -> {change.now}")
    if not changes:
        say("the state has these settings already")
