"""What is wrong with the latest records of an input topic: form, keys, partitions, times, order, ids.

Invariant: pure; the present time is an argument. A record is decoded as a worker decodes it.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from stream.config import Settings
from stream.contract.events import STREAMS, Event
from stream.doctor.diagnosis import Diagnosis
from stream.doctor.partitioners import recognized
from stream.doctor.samples import Sampled, TopicSample
from stream.intake.dead_letters import NotADeadLetterError, incoming
from stream.intake.decoder import Headers
from stream.intake.refusal import Refusal, Refused
from stream.intake.settlements import Settled, is_settlement

_QUIET_HOURS: Final = 6
#: Differences between clocks up to this are usual.
_CLOCK_SECONDS: Final = 60.0
#: Time zones differ by multiples of this.
_ZONE_SECONDS: Final = 1800.0
_LARGEST_ZONE_SECONDS: Final = 14 * 3600.0
#: With fewer events no share and no median is reported.
_LEAST_EVENTS: Final = 20
#: Shares of the sample above which a warning is given.
_LATE_SHARE: Final = 0.01
_REPEATED_SHARE: Final = 0.05
#: What a worker lacks if a stream has no events.
_WITHOUT: Final = {
    "lifecycle": "without reviews there is nothing to compare",
    "outreach": "without contacts of sellers `seller.contact_flips` never alarms",
    "access": "without look-ups of staff `seller.access_flips` and `staff.access_flips` never alarm",
}


class RecordSource(Protocol):
    """Decodes records of the input topics."""

    @property
    def unknown_fields(self) -> int:
        """The number of decoded events that had fields unknown to the contract."""

    def decode(
        self, stream: int, partition: int, key: bytes | None, value: bytes | None, now: float, headers: Headers
    ) -> tuple[float, Event]:
        """Return the time (epoch seconds) and the event of a record; raise Refused."""


class _Decoded(NamedTuple):
    record: Sampled
    event: Event
    at: float


def check_records(
    settings: Settings, source: RecordSource, stream: int, sample: TopicSample, now: float
) -> list[Diagnosis]:
    """Return what was found in a topic's latest records.

    Args:
        settings: All settings.
        source: Decodes the records.
        stream: The number of the input stream, in the order of `events.STREAMS`.
        sample: The records.
        now: Epoch seconds.
    """
    if not sample.records:
        return list(_empty(stream, sample.topic))
    decoded: list[_Decoded] = []
    refused: defaultdict[Refusal, list[tuple[Sampled, str]]] = defaultdict(list)
    for record in sample.records:
        try:
            at, event = source.decode(stream, record.partition, record.key, record.value, now, record.headers)
        except Refused as error:
            refused[error.reason].append((record, error.detail))
        else:
            decoded.append(_Decoded(record, event, at))
    found = [
        *(_refused(sample, reason, records) for reason, records in refused.items()),
        *_unknown_fields(settings, sample, source.unknown_fields),
        *_quiet(stream, sample, now),
        *_clocks(sample.topic, decoded),
        *_late(settings, sample.topic, decoded),
        *_repeated_ids(sample.topic, decoded),
    ]
    if not refused:
        text = f"topic {sample.topic}: its latest {_records(len(decoded))} can be used."
        found.insert(0, Diagnosis("records", "ok", sample.topic, text))
    return found


def waiting_letters(sample: TopicSample) -> Counter[str]:
    """Return how many letters of a dead-letter topic were not sent again, by reason."""
    settled, letters = Settled(), list[Sampled]()
    for record in sample.records:
        if is_settlement(record.headers):
            settled.add(record.partition, record.value)
        else:
            letters.append(record)
    reasons: Counter[str] = Counter()
    for record in letters:
        with suppress(NotADeadLetterError):
            reason = incoming(record.key, record.value, record.headers).reason
            reasons[reason] += (record.partition, record.offset) not in settled
    return +reasons


def _records(count: int) -> str:
    return "record" if count == 1 else f"{count:,} records"


def _empty(stream: int, topic: str) -> Iterator[Diagnosis]:
    without = _WITHOUT.get(tuple(STREAMS)[stream])
    if without is not None:
        text = f"topic {topic} has no records: {without}."
        yield Diagnosis(
            "records", "warning", topic, text, "Let a producer write to it, or use `volteface feed` with a file."
        )


def _refused(sample: TopicSample, reason: Refusal, records: Sequence[tuple[Sampled, str]]) -> Diagnosis:
    first, detail = records[0]
    advice = "A worker puts such records on the dead-letter topic: `volteface dlq replay` sends them again once mended."
    if reason is Refusal.WRONG_PARTITION_COUNT:
        by = recognized([(each.key or b"", each.partition) for each in sample.records], sample.partitions)
        if by is not None:
            detail, advice = f"The partitioner is {by[0]}.", by[1]
    return Diagnosis(
        "records",
        "error",
        sample.topic,
        f"topic {sample.topic}: of its latest {_records(len(sample.records))}, {len(records):,} cannot be used "
        f"({reason}). The first is in partition {first.partition} at offset {first.offset}: {detail}",
        advice,
    )


def _unknown_fields(settings: Settings, sample: TopicSample, count: int) -> Iterator[Diagnosis]:
    if count and settings.unknown_fields != "refuse":
        text = f"topic {sample.topic}: {_records(count)} of the latest have fields that no event has; they are ignored."
        yield Diagnosis("unknown_fields", "warning", sample.topic, text, "Compare the names with schemas/.")


def _quiet(stream: int, sample: TopicSample, now: float) -> Iterator[Diagnosis]:
    hours = (now - max(record.appended_at for record in sample.records)) / 3600
    if hours > _QUIET_HOURS and tuple(STREAMS)[stream] in _WITHOUT:
        text = f"topic {sample.topic}: no record has come for {_span(3600 * hours)}."
        yield Diagnosis("arrivals", "warning", sample.topic, text, "Check whether its producer runs.")


def _clocks(topic: str, decoded: Sequence[_Decoded]) -> Iterator[Diagnosis]:
    """Compare the times of events with the times of their records."""
    ahead = [each.at - each.record.appended_at for each in decoded if each.at > each.record.appended_at]
    if ahead and max(ahead) > _CLOCK_SECONDS:
        text = f"topic {topic}: occurred_at is up to {_span(max(ahead))} later than the time of the record."
        yield Diagnosis(
            "clocks", "warning", topic, text,
            "The producer's clock is ahead, or it writes local time as UTC: an event too far ahead is refused.",
        )  # fmt: skip
    delays = sorted(each.record.appended_at - each.at for each in decoded)
    if len(delays) < _LEAST_EVENTS:
        return
    low, middle, high = statistics.quantiles(delays, n=4)
    zone = round(middle / _ZONE_SECONDS) * _ZONE_SECONDS
    is_constant = high - low < _CLOCK_SECONDS and abs(middle - zone) < _CLOCK_SECONDS
    if is_constant and 0 < zone <= _LARGEST_ZONE_SECONDS:
        text = f"topic {topic}: events come {_span(zone)} after their occurred_at, nearly all with the same delay."
        yield Diagnosis(
            "clocks", "warning", topic, text, "The producer seems to write local time as UTC: write UTC, or the offset."
        )


def _late(settings: Settings, topic: str, decoded: Sequence[_Decoded]) -> Iterator[Diagnosis]:
    latest: dict[int, float] = {}
    late = 0
    for each in decoded:
        before = latest.get(each.record.partition, each.at)
        late += each.at < before - settings.allowed_lateness_seconds
        latest[each.record.partition] = max(before, each.at)
    if len(decoded) >= _LEAST_EVENTS and late > _LATE_SHARE * len(decoded):
        text = (
            f"topic {topic}: {late:,} of its latest {_records(len(decoded))} are more than "
            f"{settings.allowed_lateness_seconds:g} s behind an earlier one of their partition."
        )
        yield Diagnosis(
            "order", "warning", topic, text,
            "Late events count, but less well. Send events in order of occurred_at, or raise "
            "VOLTEFACE_ALLOWED_LATENESS_SECONDS.",
        )  # fmt: skip


def _repeated_ids(topic: str, decoded: Sequence[_Decoded]) -> Iterator[Diagnosis]:
    times = Counter(each.event.event_id for each in decoded)
    repeated = sum(count - 1 for count in times.values())
    if len(decoded) >= _LEAST_EVENTS and repeated > _REPEATED_SHARE * len(decoded):
        text = (
            f"topic {topic}: {repeated:,} of its latest {_records(len(decoded))} repeat the event_id of an earlier one."
        )
        yield Diagnosis(
            "event_ids", "warning", topic, text,
            "If the producer sends events twice, nothing is wrong: they count once. Else give each event its own id.",
        )  # fmt: skip


def _span(seconds: float) -> str:
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.0f} days"
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"
