"""`volteface doctor`: all checks, in the order in which their problems have to be mended.

Invariant: a check that fails is a diagnosis, and the checks after it still run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Final

from stream.config import KafkaSettings, Settings
from stream.doctor import kafka_checks
from stream.doctor.diagnosis import Diagnosis
from stream.doctor.kafka_checks import Check, guarded
from stream.doctor.record_checks import check_records
from stream.doctor.samples import sample
from stream.doctor.schema_checks import check_output_schemas
from stream.ops.input_records import InputRecords


def examine(settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    """Yield what is right and what is wrong between the platform's Kafka and Volteface.

    Args:
        settings, kafka: All settings. Kafka answers.
    """
    for name, check in _BEFORE.items():
        yield from guarded(name, check, settings, kafka)
    for stream, topic in enumerate(settings.input_topics):
        yield from guarded("records", partial(_records, stream, topic), settings, kafka)
    for name, check in _AFTER.items():
        yield from guarded(name, check, settings, kafka)


def _records(stream: int, topic: str, settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    for found in sample(kafka, [topic]):
        source = InputRecords(settings, found.partitions)
        yield from check_records(settings, source, stream, found, time.time())


_BEFORE: Final[dict[str, Check]] = {
    "rights": kafka_checks.check_rights,
    "topics": kafka_checks.check_topics,
    "transactions": kafka_checks.check_transactions,
    "schemas": check_output_schemas,
}
_AFTER: Final[dict[str, Check]] = {
    "group": kafka_checks.check_group,
    "dead_letters": kafka_checks.check_dead_letters,
}
