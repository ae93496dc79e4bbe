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
    return Detector(
        settings.alert_budget,
        settings.config_digest,
        partition,
        partitions,
        settings.pseudonym_fingerprint,
        CaseRules.of_texts(settings.four_eyes, settings.case_due_days),
        settings.watches_reviewers,
    )
