"""The detector of a task, as the settings make it; the worker and `volteface replay` build it here."""

from __future__ import annotations

from stream.config import Settings
from stream.core.cases.rules import CaseRules
from stream.core.detector import Detector


def detector_of(settings: Settings, partition: int, partitions: int) -> Detector:
    """Return a new detector.

    Args:
        settings: All settings.
        partition: The number of the task.
        partitions: The number of tasks.
    """
    critical, high, medium, low = map(int, settings.case_due_days.split(","))
    return Detector(
        settings.alert_budget,
        settings.config_digest,
        partition,
        partitions,
        settings.pseudonym_fingerprint,
        CaseRules(settings.four_eyes, (critical, high, medium, low)),
    )
