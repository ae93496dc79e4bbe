"""The commands about dead letters: `dlq list`, `dlq replay`."""

from __future__ import annotations

import typer

from stream.cli.connect import connected_settings
from stream.cli.output import messages, print_json, warn

group = typer.Typer(no_args_is_help=True, help="List dead letters, or send them again after a fix.")


@group.command("list")
def list_() -> None:
    """List the dead letters of all topics that are read, as JSON lines."""
    from stream.ops import topic_reader

    settings, kafka = connected_settings()
    for topic in settings.read_topics:
        for letter in topic_reader.dead_letters(settings, kafka, topic, warn):
            print_json(
                {
                    "topic": letter.topic,
                    "partition": letter.partition,
                    "offset": letter.offset,
                    "reason": letter.reason,
                    "detail": letter.detail,
                    "value": (letter.value or b"")[:200].decode(errors="replace"),
                }
            )


@group.command()
def replay() -> None:
    """Send the original records again; a record that was sent again before is not repeated."""
    from stream.ops import topic_reader

    settings, kafka = connected_settings()
    for topic in settings.input_topics:
        count = topic_reader.replay_dead_letters(settings, kafka, topic, warn)
        messages.print(f"{topic}: {count} sent again")
