"""What a person may ask about people: whose a pseudonym is, and to forget somebody.

Rule of this room: nothing is answered or erased that was not written down first (`audit`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Final, Literal, NamedTuple

import msgspec
from kafka import KafkaProducer

from stream.config import KafkaSettings, Settings, SettingsError
from stream.core import reports
from stream.intake.pseudonyms import Pseudonyms, pseudonyms_of
from stream.ops import audit, mailbox
from stream.ops.client import connection

_ACK_SECONDS: Final = 60


class Unmasked(msgspec.Struct):
    """A pseudonym, and whose it is."""

    pseudonym: str
    kind: Literal["reviewer", "staff"]
    id: str


class _Named(msgspec.Struct):
    """All that is looked at of a record; of what no event could be made it is not there, or of another type."""

    reviewer_id: Any = None
    actor_id: Any = None


_named = msgspec.json.Decoder(_Named)


def unmask(settings: Settings, kafka: KafkaSettings, pseudonyms: Iterable[str], reason: str) -> Iterator[Unmasked]:
    """Whose these pseudonyms are, as they are found: the inputs are read until all of them are, or to their ends.

    The key alone leads from an id to its pseudonym and not back, so the ids have to be where they came from.
    """
    hashing = pseudonyms_of(settings)
    if hashing is None:
        raise SettingsError("VOLTEFACE_PSEUDONYM_KEY is not set: without it there are no pseudonyms to unmask")
    wanted = set(pseudonyms)
    audit.record(settings, kafka, "unmask", sorted(wanted), reason)
    return _found(settings, kafka, hashing, wanted)


def _found(settings: Settings, kafka: KafkaSettings, hashing: Pseudonyms, wanted: set[str]) -> Iterator[Unmasked]:
    # Staff have no part in the outreach; the topic of look-ups is the shortest that names both.
    for topic in (settings.access_topic, settings.lifecycle_topic, settings.outreach_topic):
        with closing(mailbox.read(kafka, topic)) as records:
            while wanted and (record := next(records, None)) is not None:
                for one in _of(record.value, hashing, wanted):
                    wanted.discard(one.pseudonym)
                    yield one


def _of(value: bytes | None, hashing: Pseudonyms, wanted: set[str]) -> Iterator[Unmasked]:
    """Those of the wanted whom a record names."""
    try:
        named = _named.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if isinstance(named.reviewer_id, str) and (pseudonym := hashing.of_reviewer(named.reviewer_id)) in wanted:
        yield Unmasked(pseudonym, "reviewer", named.reviewer_id)
    if isinstance(named.actor_id, str) and (pseudonym := hashing.of_staff(named.actor_id)) in wanted:
        yield Unmasked(pseudonym, "staff", named.actor_id)


class Asked(NamedTuple):
    """How many tasks were asked to forget a reviewer, and by which pseudonym (None: by the id itself)."""

    tasks: int
    pseudonym: str | None


def forget(settings: Settings, kafka: KafkaSettings, reviewer_id: str, reason: str | None) -> Asked:
    """Ask all tasks to forget a reviewer; returns when Kafka has acknowledged every one of these records.

    Without a key the audit record does not say who it was: it is kept for ever, and he or she asked to be forgotten.
    """
    hashing = pseudonyms_of(settings)
    pseudonym = None if hashing is None else hashing.of_reviewer(reviewer_id)
    audit.record(settings, kafka, "forget", [] if pseudonym is None else [pseudonym], reason)
    value = reports.encode(reports.Forget(reviewer_id=pseudonym or reviewer_id))
    headers = [(reports.SIGNATURE, settings.app_id.encode())]
    topic = settings.evidence_topic
    with closing(KafkaProducer(**connection(kafka), acks="all")) as producer:
        sent: list[Any] = [
            producer.send(topic, value=value, headers=headers, partition=partition)
            for partition in sorted(producer.partitions_for(topic))
        ]
        for future in sent:
            future.get(_ACK_SECONDS)
    return Asked(len(sent), pseudonym)
