"""The commands about dead letters: `dlq list`, `dlq replay`."""

from __future__ import annotations

from stream.cli.connect import connected_settings
from stream.cli.help import Command
from stream.cli.help import group as new_group
from stream.cli.output import print_json, say, warn
from stream.intake.dead_letters import DeadLetter

group = new_group("List dead letters, or send them again after a fix.")


@group.command("list", cls=Command)
def list_() -> None:
    """List the dead letters of all topics that are read, as JSON lines."""
    from stream.ops import topic_reader

    settings, kafka = connected_settings()
    count = 0
    for topic in settings.read_topics:
        for at, letter in topic_reader.dated_dead_letters(settings, kafka, topic, warn):
            count += 1
            print_json(
                {
                    "topic": letter.topic,
                    "partition": letter.partition,
                    "offset": letter.offset,
                    "time": at,
                    "reason": letter.reason,
                    "detail": letter.detail,
                    "key": None if letter.key is None else letter.key.decode(errors="replace"),
                    "value": _shown_value(letter),
                    **({"left_out": letter.left_out} if letter.left_out else {}),
                }
            )
    if not count:
        say("no dead letters")


def _shown_value(letter: DeadLetter) -> str:
    if "value" in letter.left_out:
        return f"value left out: {letter.left_out['value'].bytes:,} bytes, at {letter.place}"
    return (letter.value or b"")[:200].decode(errors="replace")


@group.command(cls=Command)
def replay() -> None:
    """Send the original records again; a record that was sent again before is not repeated."""
    from stream.ops import topic_reader

    settings, kafka = connected_settings()
    for topic in settings.input_topics:
        count = topic_reader.replay_dead_letters(settings, kafka, topic, warn)
        say(f"{topic}: {count} sent again")
