"""The product as a competitor: the core's detector, with events split among tasks as Kafka splits them.

Invariant: the detector is the same as in a worker; the competitor reads only its alerts, and ln R of sellers and staff.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from stream.arena.competitor import NO_EVIDENCE
from stream.arena.rings import NamedRing
from stream.contract.alerts import Ring
from stream.contract.events import SellerEvent
from stream.core.detector import Detector
from stream.offline.local_bus import LocalTasks

#: The default of VOLTEFACE_ALERT_BUDGET: false alarms allowed per 1,000 subjects a year.
BUDGET: Final = 3.0


class Product:
    """Any detector with the core's interface; `detector` is its class, which an ablation replaces."""

    def __init__(self, tasks: int = 1, detector: Any = Detector) -> None:
        self._market = LocalTasks(BUDGET, "arena", tasks, detector, watches_reviewers=True)
        #: Number of alerts at the default budget, by type and id of the subject.
        self.accused: Counter[tuple[str, str]] = Counter()
        #: The highest ln R of each staff member.
        self.staff: dict[str, float] = {}
        self._rings: dict[str, NamedRing] = {}

    def learn_one(self, x: SellerEvent) -> None:
        """Apply the event in the seller's task."""
        for alert in self._market.apply(x, x.occurred_at.timestamp()):
            self.accused[alert.subject.type, alert.subject.id] += 1
            if alert.evidence.ring is not None:
                self._rings[alert.subject.id] = _named(alert.evidence.ring)
        for one in self._market.concluded_staff():
            self.staff[one.actor_id] = max(self.staff.get(one.actor_id, NO_EVIDENCE), one.max_log_odds())

    def named_rings(self) -> list[NamedRing]:
        """Return the rings that alerts have named: as their cases show them at the end, or as they were last named."""
        found = dict(self._rings)
        for task in self._market.tasks:
            for case in task.shown_cases():
                if case.ring is not None and case.ring.merged_into is not None:
                    found.pop(case.subject.id, None)
                elif case.ring is not None and case.ring.members:
                    found[case.subject.id] = _named(case.ring)
        return list(found.values())

    def named_reviewers(self) -> set[str]:
        """Return the reviewers that alerts have named."""
        return {name for kind, name in self.accused if kind == "reviewer"}

    def score_one(self, x: SellerEvent) -> float:
        """Return the highest ln R of the seller's watches."""
        seller = self._market.task_of(x.seller_id).state.sellers.get(x.seller_id)
        return max(NO_EVIDENCE, *seller.log_odds) if seller and seller.log_odds else NO_EVIDENCE


def _named(ring: Ring) -> NamedRing:
    connectors = frozenset(connector.id for connector in ring.connectors)
    return NamedRing(frozenset(member.seller_id for member in ring.members), connectors)
