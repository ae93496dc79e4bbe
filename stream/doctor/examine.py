"""`volteface doctor`: all checks, in the order in which their problems have to be mended.

Invariant: a check that fails is a diagnosis, and the checks after it still run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial

from stream.config import KafkaSettings, Settings
from stream.doctor import bridge_checks, kafka_checks
from stream.doctor.diagnosis import Diagnosis
from stream.doctor.kafka_checks import Check, guarded
from stream.doctor.record_checks import check_records
from stream.doctor.samples import sample
from stream.doctor.schema_checks import check_output_schemas
from stream.ops.input_records import InputRecords


def examine(settings: Settings, kafka: KafkaSettings, sources: Sequence[str] = ()) -> Iterator[Diagnosis]:
    """Yield what is right and what is wrong between the platform's Kafka and Volteface.

    Args:
        settings, kafka: All settings. Kafka answers.
        sources: The topics that a bridge reads.
    """
    for name, check in _before(sources).items():
        yield from guarded(name, check, settings, kafka)
    for stream, topic in enumerate(settings.input_topics):
        yield from guarded("records", partial(_records, stream, topic), settings, kafka)
    for name, check in _after(sources).items():
        yield from guarded(name, check, settings, kafka)


def _records(stream: int, topic: str, settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    for found in sample(kafka, [topic]):
        source = InputRecords(settings, found.partitions)
        yield from check_records(settings, source, stream, found, time.time())


def _before(sources: Sequence[str]) -> dict[str, Check]:
    bridge: dict[str, Check] = {
        "source_topics": partial(bridge_checks.check_sources, sources),
        "bridge": partial(bridge_checks.check_bridge_group, sources),
    }
    return {
        "rights": kafka_checks.check_rights,
        "topics": partial(kafka_checks.check_topics, sources),
        "transactions": kafka_checks.check_transactions,
        "schemas": check_output_schemas,
        **(bridge if sources else {}),
    }


def _after(sources: Sequence[str]) -> dict[str, Check]:
    return {
        "group": kafka_checks.check_group,
        "dead_letters": partial(kafka_checks.check_dead_letters, sources),
    }
