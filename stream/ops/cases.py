"""Reads cases, finds one by its id, and writes what people decide about it.

Invariant: an event that a worker would refuse is not written, and one that is written counts only once Kafka has
acknowledged it. What an event does is computed by the function that the worker applies.
"""

from __future__ import annotations

import datetime as dt
import difflib
import logging
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import closing, suppress
from typing import Any, Final, NamedTuple

import msgspec
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import BrokerResponseError, KafkaError

from stream.config import KafkaSettings, Settings
from stream.contract.cases import Case
from stream.contract.events import VERDICTS, CaseEvent
from stream.core.cases.rules import CaseRules
from stream.core.cases.transitions import CaseChange, apply
from stream.intake.intake import Intake
from stream.intake.refusal import Refused
from stream.ops import topic_reader
from stream.ops.client import connection, consumer_connection
from stream.ops.missing_topics import advice
from stream.ops.output_records import NotACaseError, OutputRecords

log = logging.getLogger(__name__)

#: The most characters of what a person gave that an error repeats.
_MAX_SHOWN: Final = 80
#: The fewest digits of a case id that a command accepts.
LEAST_DIGITS: Final = 6
_USUAL_DIGITS: Final = 8
_ACKNOWLEDGED_SECONDS: Final = 10


class UnknownCaseError(LookupError):
    """No case, or more than one, has the id; the message is one line for a person."""


class UnusableEventError(ValueError):
    """An event that a worker would refuse; the message says why."""


class NotAcknowledgedError(OSError):
    """Kafka did not acknowledge an event; the message is one line for a person."""


class KnownCases(NamedTuple):
    """What the cases topic holds.

    Attributes:
        cases: The latest value of each case, by id.
        newest: The event time of the newest case, and the time of its record (epoch seconds); None without cases.
    """

    cases: dict[str, Case]
    newest: tuple[dt.datetime, float] | None


def read(settings: Settings, kafka: KafkaSettings, on_foreign: Callable[[str], None] = log.warning) -> KnownCases:
    """Read the cases topic to its end; call `on_foreign` for each record that is neither a case nor a tombstone.

    Raises:
        LookupError: The topic does not exist, or the schema registry gives no answer about a record's schema.
    """
    records = OutputRecords(settings)
    cases: dict[str, Case] = {}
    written_at: dict[str, int] = {}
    for record in topic_reader.read(kafka, settings.cases_topic, peers=settings.read_topics):
        name = key_of(record)
        if record.value is None:
            cases.pop(name, None)
            continue
        try:
            cases[name] = records.case(name, record.value)
        except NotACaseError as error:
            on_foreign(f"{topic_reader.place(record)}, is passed over: The record is no case: {error}.")
            continue
        written_at[name] = -1 if record.timestamp is None else record.timestamp
    return KnownCases(cases, _newest((case, written_at[name]) for name, case in cases.items()))


def key_of(record: Any) -> str:
    """Return the key of a record of the cases topic, which is the id of a case."""
    return (record.key or b"").decode(errors="replace")


def _newest(written: Iterable[tuple[Case, int]]) -> tuple[dt.datetime, float] | None:
    """Return the time of the newest event of a case, and when it was written; None if there is none.

    Args:
        written: Cases with the Kafka times of their records (epoch milliseconds). A case is closed long after its
            latest event, so closed ones do not count.
    """
    known = ((case.updated_at, at) for case, at in written if case.state != "closed" and at >= 0)
    newest = max(known, default=None)
    return None if newest is None else (newest[0], newest[1] / 1000)


def find(cases: dict[str, Case], given: str) -> Case:
    """Return the case with an id, or with an id that begins like this.

    Raises:
        UnknownCaseError: There is no such case, or more than one.
    """
    text = given.strip().lower()
    if text in cases:
        return cases[text]
    digits = max(shown_digits(cases), len(text) + 1)
    found = sorted(name for name in cases if name.startswith(text))
    if len(text) >= LEAST_DIGITS and len(found) == 1:
        return cases[found[0]]
    shown = repr(given) if len(given) <= _MAX_SHOWN else f"{given[:_MAX_SHOWN]!r}... ({len(given):,} characters)"
    own = sorted(name[:digits] for name, case in cases.items() if case.subject.id == given)
    if own:
        raise UnknownCaseError(f"{shown} is a subject and no case: give the id of its case, {' or '.join(own[-5:])}")
    if len(text) < LEAST_DIGITS:
        raise UnknownCaseError(f"{shown} is too short: give at least the first {LEAST_DIGITS} digits of a case's id")
    if found:
        names = ", ".join(name[:digits] for name in found[:5])
        raise UnknownCaseError(f"{shown} is the beginning of {len(found)} cases ({names}): give more digits")
    raise UnknownCaseError(f"there is no case {shown}: {_nearest(cases, text, digits)}")


def _nearest(cases: Iterable[str], text: str, digits: int) -> str:
    """Return the ids whose beginnings resemble a text most, as shown to a person."""
    by_beginning = {name[: len(text)]: name[:digits] for name in sorted(cases)}
    near = [by_beginning[each] for each in difflib.get_close_matches(text, by_beginning, 3)]
    return f"the nearest ids are {', '.join(near)}" if near else "see `volteface cases`"


def shown_digits(names: Collection[str]) -> int:
    """Return how many digits of these case ids to show, so that each one can be given to a command."""
    digits = _USUAL_DIGITS
    while len({name[:digits] for name in names}) < len(names):
        digits += 1
    return digits


def event_time(case: Case, now: dt.datetime, shift: dt.timedelta) -> dt.datetime:
    """Return the time of an event of a case: now, in the market's event time, and never before the case's own."""
    return max(now + shift, case.updated_at)


def foresee(settings: Settings, case: Case, event: CaseEvent) -> CaseChange:
    """Return what the worker will make of an event, if nothing else happens to the case before."""
    return apply(case, event, CaseRules.of_texts(settings.four_eyes, settings.case_due_days))


def check(settings: Settings, event: CaseEvent) -> None:
    """Raise UnusableEventError if a worker would refuse an event."""
    intake = Intake(settings, 1)
    try:
        intake.check_time(intake.read(VERDICTS, msgspec.json.encode(event)), time.time())
    except Refused as refused:
        raise UnusableEventError(refused.detail) from None


def record(settings: Settings, kafka: KafkaSettings, event: CaseEvent) -> None:
    """Write one event of a case, and return once Kafka has acknowledged it.

    Raises:
        UnusableEventError: A worker would refuse the event; nothing was written.
        LookupError: The topic does not exist.
        NotAcknowledgedError: Kafka did not acknowledge the event.
    """
    check(settings, event)
    topic = settings.verdicts_topic
    limit_ms = 1000 * _ACKNOWLEDGED_SECONDS
    try:
        found = KafkaConsumer(**consumer_connection(kafka), bootstrap_timeout_ms=limit_ms)
    except KafkaError as error:
        raise NotAcknowledgedError(f"nothing was recorded: Kafka does not answer ({type(error).__name__})") from None
    with closing(found) as consumer:  # a producer would create the topic
        if not consumer.partitions_for_topic(topic):
            counts = [len(consumer.partitions_for_topic(name) or ()) for name in settings.read_topics]
            raise LookupError(f"nothing was recorded: topic {topic} does not exist: {advice(counts)}")
    producer = KafkaProducer(
        **connection(kafka),
        acks="all", max_block_ms=limit_ms, delivery_timeout_ms=limit_ms, request_timeout_ms=limit_ms // 2,
    )  # fmt: skip
    try:
        sent: Any = producer.send(topic, key=event.key.encode(), value=msgspec.json.encode(event))
        sent.get(_ACKNOWLEDGED_SECONDS + 1)
    except KafkaError as error:
        raise NotAcknowledgedError(_not_acknowledged(topic, event, error)) from None
    finally:
        with suppress(KafkaError):  # while Kafka is away
            producer.close(timeout=1)


def _not_acknowledged(topic: str, event: CaseEvent, error: KafkaError) -> str:
    """Return what is known of an event that Kafka has refused, or has not answered."""
    name = type(error).__name__
    if isinstance(error, BrokerResponseError) and not error.retriable:
        return f"nothing was recorded: topic {topic} refused the event ({name}): see `volteface topics check`"
    return (
        f"topic {topic} did not acknowledge the event within {_ACKNOWLEDGED_SECONDS} s ({name}): it may be recorded or "
        f"not; look at `volteface case {event.case_id}` before you repeat it"
    )
