"""Unmasking of pseudonyms.

Invariant: the audit record is acknowledged before anything is answered (`audit`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Literal

import msgspec

from stream.config import KafkaSettings, Settings, SettingsError
from stream.intake.pseudonyms import Pseudonyms, pseudonyms_of
from stream.ops import audit, topic_reader
from stream.ops.input_records import InputRecords


class Unmasked(msgspec.Struct):
    """A pseudonym, and the id behind it."""

    pseudonym: str
    kind: Literal["reviewer", "staff"]
    id: str


class _Named(msgspec.Struct):
    """The two ids of a record. In a record that is no event they may be absent or of another type."""

    reviewer_id: Any = None
    actor_id: Any = None


_named = msgspec.json.Decoder(_Named)


def unmask(settings: Settings, kafka: KafkaSettings, pseudonyms: Iterable[str], reason: str) -> Iterator[Unmasked]:
    """Yield the ids behind pseudonyms as they are found in the input topics.

    The topics are read until all pseudonyms are found, or to their ends: the key leads from an id to its pseudonym and
    not back.

    Raises:
        SettingsError: There is no pseudonym key.
    """
    hashing = pseudonyms_of(settings)
    if hashing is None:
        raise SettingsError("VOLTEFACE_PSEUDONYM_KEY is not set: without it there are no pseudonyms to unmask")
    wanted = set(pseudonyms)
    audit.record(settings, kafka, "unmask", sorted(wanted), reason)
    return _found(settings, kafka, hashing, wanted)


def _found(settings: Settings, kafka: KafkaSettings, hashing: Pseudonyms, wanted: set[str]) -> Iterator[Unmasked]:
    # The shortest topic comes first: the look-ups name both reviewers and staff.
    records_of = InputRecords(settings)
    for stream, topic in enumerate(settings.marketplace_topics):
        with closing(topic_reader.read(kafka, topic, peers=settings.read_topics)) as records:
            while wanted and (record := next(records, None)) is not None:
                for one in _of(_ids(settings, records_of, stream, record), hashing, wanted):
                    wanted.discard(one.pseudonym)
                    yield one


def _ids(settings: Settings, records: InputRecords, stream: int, record: Any) -> _Named:
    """Return a record's ids: in JSON also those of a record that a worker refuses."""
    if settings.input_formats[stream] != "json":
        event = records.event(stream, record.value, record.headers)
        return _Named(getattr(event, "reviewer_id", None), getattr(event, "actor_id", None))
    try:
        return _named.decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Named()


def _of(named: _Named, hashing: Pseudonyms, wanted: set[str]) -> Iterator[Unmasked]:
    """Yield the wanted pseudonyms of a record's ids."""
    if isinstance(named.reviewer_id, str) and (pseudonym := hashing.of_reviewer(named.reviewer_id)) in wanted:
        yield Unmasked(pseudonym, "reviewer", named.reviewer_id)
    if isinstance(named.actor_id, str) and (pseudonym := hashing.of_staff(named.actor_id)) in wanted:
        yield Unmasked(pseudonym, "staff", named.actor_id)
