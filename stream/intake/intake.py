"""Intake: from a record to an event that the core may apply, or to a refusal.

Invariant: pure; the present time is an argument. The format's decoder runs first, then the checks that do not depend on
the format: key, partition and time. Pseudonyms come last, so that a dead letter holds what was sent.
"""

from __future__ import annotations

from typing import Final

from stream.config import InputFormat, Settings
from stream.contract.events import VERDICTS, CaseEvent, Event
from stream.intake.avro_format import AvroDecoder
from stream.intake.cloudevents_format import CloudEventsDecoder
from stream.intake.confluent_format import ConfluentDecoder
from stream.intake.decoder import Decoder, Headers
from stream.intake.event_forms import UnknownFields
from stream.intake.json_format import JsonDecoder
from stream.intake.outbox_format import OutboxDecoder
from stream.intake.partition import partition_of
from stream.intake.pseudonyms import pseudonyms_of
from stream.intake.refusal import Refusal, Refused
from stream.intake.schema_cache import SchemaCache
from stream.intake.wrong_key import wrong_key

#: How far in the future an event of a case may be. People's computers date it, and a clock that is ahead would move the
#: event time of a whole task.
CASE_FUTURE_SECONDS: Final = 60.0


class Intake:
    """Decodes and checks the records of the input topics.

    Args:
        settings: Limits, and how unknown fields are treated.
        partitions: The number of partitions of the input topics.
        schemas: The schemas of a registry that were fetched; none by default.
    """

    def __init__(self, settings: Settings, partitions: int, schemas: SchemaCache | None = None) -> None:
        self.partitions = partitions
        self._unknown_fields = UnknownFields(settings.unknown_fields == "refuse")
        self._json = JsonDecoder(settings.max_event_bytes, self._unknown_fields)
        #: By stream.
        self._decoders = tuple(
            # The console and the commands write case events as plain JSON, whatever other programs write.
            self._decoder(settings, each, schemas, plain_json=stream == VERDICTS)
            for stream, each in enumerate(settings.input_formats)
        )
        self._future_seconds = settings.future_seconds
        self._case_future_seconds = min(settings.future_seconds, CASE_FUTURE_SECONDS)
        self._pseudonyms = pseudonyms_of(settings)

    @property
    def unknown_fields(self) -> int:
        """The number of accepted events that had fields unknown to the contract."""
        return self._unknown_fields.count

    def _decoder(self, settings: Settings, name: InputFormat, schemas: SchemaCache | None, plain_json: bool) -> Decoder:
        most, json = settings.max_event_bytes, self._json
        match name:
            case "json":
                return json
            case "confluent":
                avro = AvroDecoder(self._unknown_fields)
                return ConfluentDecoder(most, SchemaCache() if schemas is None else schemas, json, avro, plain_json)
            case "outbox":
                return OutboxDecoder(most, json)
            case "cloudevents":
                return CloudEventsDecoder(most, json)

    def decode(
        self, stream: int, partition: int, key: bytes | None, value: bytes | None, now: float, headers: Headers = ()
    ) -> tuple[float, Event]:
        """Return the time (epoch seconds) and the event of a record.

        Args:
            stream: The number of the input stream, in the order of `events.STREAMS`.
            partition, key, value: Of the record.
            now: Epoch seconds.
            headers: Of the record.

        Raises:
            Refused: The record cannot be used.
            SchemaNeeded: The record's schema must be fetched first.
        """
        event = self._decoders[stream].decode(stream, value, headers)
        self._check_partition(event, partition, key)
        return self.check_time(event, now), event

    def check(self, event: Event, partition: int, key: bytes | None, now: float) -> float:
        """Check an event's key, partition and time, put pseudonyms in place of its ids, and return its time.

        Raises:
            Refused: The record cannot be used.
        """
        self._check_partition(event, partition, key)
        return self.check_time(event, now)

    def decode_value(self, stream: int, value: bytes | None, headers: Headers) -> Event:
        """Return the event in a record without a check of key, partition and time; raise Refused or SchemaNeeded."""
        return self._decoders[stream].decode(stream, value, headers)

    def read(self, stream: int, line: bytes | None) -> Event:
        """Return the event in a line of a file, without a check of key, partition and time; raise Refused.

        Files hold JSON, whatever the format of the input topics.
        """
        return self._json.decode(stream, line)

    def check_time(self, event: Event, now: float) -> float:
        """Check an event's time, put pseudonyms in place of its ids, and return its time (epoch seconds).

        Raises:
            Refused: The event is too far in the future.
        """
        at = event.occurred_at.timestamp()
        if at > now + self._case_future_seconds:
            limit = self._case_future_seconds if isinstance(event, CaseEvent) else self._future_seconds
            if at > now + limit:
                raise Refused(
                    Refusal.FUTURE,
                    f"occurred_at is more than {limit:g} s ahead of the clock: {event.occurred_at.isoformat()}.",
                )
        if self._pseudonyms is not None:
            self._pseudonyms.apply(event)
        return at

    def _check_partition(self, event: Event, partition: int, key: bytes | None) -> None:
        expected = event.key.encode()
        if key == expected and partition == partition_of(expected, self.partitions):
            return
        if key != expected:
            raise Refused(Refusal.WRONG_KEY, wrong_key(key, event))
        raise Refused(
            Refusal.WRONG_PARTITION_COUNT,
            f"The record came in partition {partition}, but Kafka's default partitioner picks "
            f"{partition_of(expected, self.partitions)} of {self.partitions} for its key: the producer uses another "
            "partitioner (librdkafka: set partitioner=murmur2_random) or partition count, see docs/partitioning.md.",
        )
