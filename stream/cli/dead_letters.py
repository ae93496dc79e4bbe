"""The commands about dead letters: `dlq list`, `dlq replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from stream.cli.connect import connected_settings, source_topics
from stream.cli.help import Command
from stream.cli.help import group as new_group
from stream.cli.output import print_json, say, warn
from stream.intake.dead_letters import DeadLetter
from stream.intake.refusal import Refusal
from stream.intake.settlements import Settled

if TYPE_CHECKING:
    from stream.ops.topic_reader import StoredLetter

#: The most letters of a topic that `dlq replay` names.
_MAX_NAMED: Final = 10

group = new_group("List dead letters, or send them again after a fix.")


@group.command("list", cls=Command)
def list_() -> None:
    """List the dead letters of all topics that workers and the bridge read, as JSON lines."""
    from stream.ops import topic_reader

    settings, kafka = connected_settings("dlq list")
    count = 0
    for topic in (*settings.read_topics, *source_topics()):
        settled = Settled()
        topic_reader.read_settlements(settings, kafka, topic, settled)
        for partition, offset, at, letter in topic_reader.dead_letters(settings, kafka, topic, warn):
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
                    "sent_again": (partition, offset) in settled,
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
def replay(
    reason: Annotated[
        Refusal | None, typer.Option(metavar="REASON", help="only letters with this reason, such as bad_value")
    ] = None,
    topic: Annotated[str | None, typer.Option(metavar="TOPIC", help="only letters of this topic")] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="at most this many letters")] = None,
) -> None:
    """Send the original records again; a record that was sent again before is not repeated."""
    from stream.ops import letter_replay

    settings, kafka = connected_settings("dlq replay")
    topics = (*settings.input_topics, *source_topics())
    if topic is not None and topic not in topics:
        raise typer.BadParameter(f"--topic takes one of {', '.join(topics)}, not {topic!r}")
    notice = _LateNotice(settings.allowed_lateness_seconds)
    left = limit
    for each in topics if topic is None else (topic,):
        if left == 0:
            break
        named = _Bounded(_MAX_NAMED)
        done = letter_replay.replay(settings, kafka, each, letter_replay.Choice(reason, left), warn, named, notice)
        named.finish()
        left = None if left is None else left - done.sent
        say(f"{each}: {done.sent} sent again, {done.settled} sent before, {done.unsendable} cannot be sent")


class _LateNotice:
    """Warns once, before the first letter is sent, that old events come late."""

    def __init__(self, lateness_seconds: float) -> None:
        self._lateness_seconds = lateness_seconds
        self._is_written = False

    def __call__(self, first: StoredLetter) -> None:
        if not self._is_written:
            self._is_written = True
            since = f" (the first letter is of {first.time:%Y-%m-%d %H:%M} UTC)" if first.time else ""
            warn(
                f"events more than {self._lateness_seconds:g} s of event time behind others come late{since}: they are "
                "applied at the wrong time, and many of them leave the state doubtful; for many see "
                '"Backfill and cut-over" in docs/operations.md'
            )


class _Bounded:
    """Warns of the first letters that cannot be sent, and of the number of the others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    def __call__(self, text: str) -> None:
        self._count += 1
        if self._count <= self._most:
            warn(text)

    def finish(self) -> None:
        if self._count > self._most:
            warn(f"and {self._count - self._most} more letters cannot be sent")
