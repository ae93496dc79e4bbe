"""What is wrong with the schema registry that alerts and cases in Avro need.

Invariant: it registers nothing, and asks no registry if the output is JSON.
"""

from __future__ import annotations

from collections.abc import Iterator

from stream.config import KafkaSettings, Settings
from stream.doctor.diagnosis import Diagnosis
from stream.ops.output_schemas import absent_subjects


def check_output_schemas(settings: Settings, kafka: KafkaSettings) -> Iterator[Diagnosis]:
    """Check whether the registry has the schemas of alerts and cases."""
    if settings.output_format != "avro":
        return
    absent = absent_subjects(settings)
    for subject in absent:
        yield Diagnosis(
            "schemas", "warning", subject, f"the schema registry does not have the present schema of {subject} yet.",
            "A worker registers it at its start if the registry's user may; else register it from schemas/avro/.",
        )  # fmt: skip
    if not absent:
        yield Diagnosis("schemas", "ok", "", "the schema registry has the schemas of alerts and cases.")
