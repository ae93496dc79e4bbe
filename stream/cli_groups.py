"""The commands that come in groups: topics, dead letters, state.

Rule of this room: as in `cli`: commands parse, call and print.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream import config
from stream.console import fail, print_json, said, warn

if TYPE_CHECKING:
    from stream.core.detector import Detector

topics_cli = typer.Typer(no_args_is_help=True, help="Make or check the topics.")
dlq_cli = typer.Typer(no_args_is_help=True, help="Dead letters: show them, or send them again after a fix.")
state_cli = typer.Typer(no_args_is_help=True, help="The committed state of a group.")


@topics_cli.command("create")
def topics_create(
    partitions: Annotated[int, typer.Option(min=1, max=10_000)] = 4,
    replication_factor: Annotated[int, typer.Option(min=1, max=10)] = 1,
) -> None:
    """Make what is missing; never shrinks or deletes."""
    from stream.ops import topics

    made = topics.create(*reached(), partitions, replication_factor)
    for name in made.made:
        said.print(f"made {name}")
    for name in made.there:
        said.print(f"there already: {name}")


@topics_cli.command("check")
def topics_check() -> None:
    """Say what is wrong with the topics; exit code 1 if anything is."""
    from stream.ops import topics

    problems = topics.check(*reached())
    if problems:
        fail("\n".join(problems))
    said.print("all topics are as they should be")


@dlq_cli.command("list")
def dlq_list() -> None:
    """Dead letters of all topics that are read, as JSON lines."""
    from stream.ops import mailbox

    settings, kafka = reached()
    for topic in settings.read_topics:
        for letter in mailbox.dead_letters(settings, kafka, topic, warn):
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


@dlq_cli.command("replay")
def dlq_replay() -> None:
    """Send the original bytes again; what was sent before is not sent twice."""
    from stream.ops import mailbox

    settings, kafka = reached()
    for topic in settings.input_topics:
        count = mailbox.replay_dead_letters(settings, kafka, topic, warn)
        said.print(f"{topic}: {count} sent again")


def reached() -> tuple[config.Settings, config.KafkaSettings]:
    """All settings, once Kafka has let us in with them."""
    from stream.engine.knock import knock

    settings, kafka = config.load()
    knock(kafka)
    return settings, kafka


def committed_tasks(settings: config.Settings, kafka: config.KafkaSettings) -> dict[int, Detector]:
    """The committed state of each partition, as the task that goes on from there would have it."""
    from stream.core.codec import StateError
    from stream.core.detector import Detector
    from stream.engine.task import POSITION
    from stream.ops import mailbox

    tasks: dict[int, Detector] = {}
    committed = mailbox.committed_state(settings, kafka)
    for partition, rows in sorted(committed.items()):
        task = tasks[partition] = Detector(
            settings.alert_budget, settings.config_digest, partition, len(committed), settings.pseudonym_fingerprint
        )
        try:
            task.restore((key, value) for key, value in rows.items() if key != POSITION)
        except StateError as error:
            fail(f"StateError: {error}")
    return tasks


@state_cli.command("digest")
def state_digest() -> None:
    """One digest a partition of the committed state, equal to `replay`'s for the same events."""
    tasks = committed_tasks(*reached())
    print_json({str(partition): task.digest() for partition, task in tasks.items()})
