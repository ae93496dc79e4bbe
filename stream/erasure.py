"""Erasure of a reviewer: asks all tasks of a group to forget its id.

Invariant: nothing is written, neither the audit record nor a message, unless the tasks hold reviewers by the name that
the message carries: they have a state, with the pseudonym key and the evidence topic of the settings here.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any, Final, NamedTuple

import msgspec
from kafka import KafkaProducer

from stream.config import KafkaSettings, Settings, variable
from stream.contract.events import Id
from stream.core.messages.wire import APP_ID_HEADER, Forget, encode_message
from stream.core.model.encoding import decode
from stream.core.state.codec import META
from stream.core.state.model_version import difference, model_of
from stream.core.state.rows import MetaRow
from stream.engine.checkpoint import POSITION, PositionRow
from stream.intake.identifiers import check_ids
from stream.intake.pseudonyms import REVIEWER, is_pseudonym, pseudonyms_of
from stream.intake.refusal import Refused
from stream.ops import audit, topic_reader
from stream.ops.client import connection

_ACK_SECONDS: Final = 60
_EVIDENCE_TOPIC: Final = variable(Settings, "evidence_topic")


class ErasureError(OSError):
    """Nothing was erased, and nothing was written; the message is one line for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"nothing was erased: {reason}")


class Asked(NamedTuple):
    """The number of tasks that were asked, and the reviewer's pseudonym (None without a key)."""

    tasks: int
    pseudonym: str | None


def fault_of(reviewer_id: str) -> str | None:
    """Return why no event can have this id of a reviewer; None if one can."""
    try:
        msgspec.convert(reviewer_id, Id)
        reviewer_id.encode()
        check_ids(("it",), (reviewer_id,))
    except msgspec.ValidationError:
        return "it has no character" if not reviewer_id else "it has more than 128 characters"
    except UnicodeEncodeError:
        return "it is not UTF-8"
    except Refused as refused:
        return refused.detail.removesuffix(".")
    return None


def forget(settings: Settings, kafka: KafkaSettings, reviewer_id: str, reason: str | None) -> Asked:
    """Ask all tasks to erase a reviewer's id; return once Kafka has acknowledged the request to each task.

    Without a key the audit record does not name the reviewer: the record is kept forever, and the reviewer asked for
    erasure.

    Args:
        settings: All settings: those of the group's workers.
        kafka: How to reach Kafka.
        reviewer_id: The id as in the events, or with a key the pseudonym.
        reason: Why; kept in the audit topic.

    Raises:
        ErasureError: The id is a staff member's pseudonym, or the tasks would not find what the message names.
        StateError: A row of the state cannot be read.
        LookupError: The state topic does not exist.
        AuditError: Kafka did not acknowledge the audit record.
    """
    pseudonym = pseudonym_of(settings, reviewer_id)
    different = difference_of_state(settings, *_written(settings, kafka))
    if different:
        raise ErasureError(different)
    audit.record(settings, kafka, "forget", [] if pseudonym is None else [pseudonym], reason)
    value = encode_message(Forget(reviewer_id=pseudonym or reviewer_id))
    headers = [(APP_ID_HEADER, settings.app_id.encode())]
    topic = settings.evidence_topic
    with closing(KafkaProducer(**connection(kafka), acks="all")) as producer:
        sent: list[Any] = [
            producer.send(topic, value=value, headers=headers, partition=partition)
            for partition in sorted(producer.partitions_for(topic))
        ]
        for future in sent:
            future.get(_ACK_SECONDS)
    return Asked(len(sent), pseudonym)


def pseudonym_of(settings: Settings, reviewer_id: str) -> str | None:
    """Return the pseudonym of a reviewer, which may be given by it; None without a key.

    Without a key nothing is a pseudonym: the tasks hold every id as the events have it, whatever its form.

    Raises:
        ErasureError: It is the pseudonym of a staff member.
    """
    hashing = pseudonyms_of(settings)
    if hashing is None:
        return None
    if not is_pseudonym(reviewer_id):
        return hashing.of_reviewer(reviewer_id)
    if not reviewer_id.startswith(REVIEWER):
        raise ErasureError(f"{reviewer_id} is the pseudonym of a staff member, and only reviewers can be erased")
    return reviewer_id


def difference_of_state(settings: Settings, models: Iterable[MetaRow], positions: Iterable[PositionRow]) -> str | None:
    """Return why the tasks of a state would not find what a message with these settings names; None if they would.

    Args:
        settings: The settings of the message.
        models: The rows that say with which key and by which version the state was written, of all tasks.
        positions: The rows that say which topics the tasks read.
    """
    group, own = f"group {settings.app_id}", model_of(settings.pseudonym_fingerprint)
    written = [row.model for row in models]
    if not written:
        return f"no task of {group} has applied an event, so none keeps a reviewer: is VOLTEFACE_APP_ID right?"
    advice = "run the command with the settings and the version of the workers"
    for model in written:
        different = difference(model, own)
        if different:
            return f"the state of {group} was written {different}; {advice}"
    for row in positions:
        topic, here = row.settings.get(_EVIDENCE_TOPIC), settings.evidence_topic
        if topic not in (None, here):
            return f"the tasks of {group} read {_EVIDENCE_TOPIC}={topic}, and here it is {here}; {advice}"
    return None


def _written(settings: Settings, kafka: KafkaSettings) -> tuple[list[MetaRow], list[PositionRow]]:
    """Return the latest of these rows of each task; no other row is kept meanwhile."""
    found: dict[tuple[int, bytes], bytes] = {}
    for record in topic_reader.read(kafka, settings.state_topic, peers=settings.read_topics):
        if record.key not in (META, POSITION):
            continue
        if record.value is None:
            found.pop((record.partition, record.key), None)
        else:
            found[record.partition, record.key] = record.value
    return (
        [decode(value, MetaRow) for (_, key), value in sorted(found.items()) if key == META],
        [decode(value, PositionRow) for (_, key), value in sorted(found.items()) if key == POSITION],
    )
