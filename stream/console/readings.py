"""Who has read which case that accuses staff: records of the audit topic.

Invariant: the record is acknowledged before the page is shown. One record a user, case and hour.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import Final

from stream.config import KafkaSettings, Settings
from stream.console.access.roles import User
from stream.contract.cases import Case
from stream.ops import audit

_EVERY_SECONDS: Final = 3600.0
_MAX_KNOWN: Final = 10_000


def accused_staff(case: Case) -> list[str]:
    """Return the staff members that a case accuses: its subject, or the insiders of a ring."""
    if case.subject.type == "staff":
        return [case.subject.id]
    rings = [ring for ring in (case.ring, case.evidence.ring) if ring is not None]
    return sorted({one.id for ring in rings for one in ring.connectors if one.type == "staff"})


class AuditedReadings:
    """Writes who reads cases that accuse staff to the audit topic.

    Args:
        settings, kafka: Which topic, and how to reach Kafka.
    """

    def __init__(self, settings: Settings, kafka: KafkaSettings) -> None:
        self._settings, self._kafka = settings, kafka
        self._lock = Lock()
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()

    def note(self, user: User, case: Case) -> None:
        """Write that a user is about to read a case.

        Raises:
            AuditError: Kafka did not acknowledge the record: the case must not be shown.
        """
        name, now = (user.id, case.case_id), time.monotonic()
        with self._lock:
            if now - self._known.get(name, float("-inf")) < _EVERY_SECONDS:
                return
        audit.record(self._settings, self._kafka, "read_case", accused_staff(case), f"case {case.case_id}", who=user.id)
        with self._lock:
            self._known[name] = now
            while len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
