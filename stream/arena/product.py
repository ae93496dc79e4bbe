"""The product as a competitor: the core's detector, its events split among tasks as Kafka would.

Rule of this room: the detector is as it is in a worker, and of what it knows only ln R of sellers and staff is read.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from stream.arena.competitor import NOTHING
from stream.core.detector import Detector
from stream.events import Event
from stream.exchange import Tasks

#: The default of VOLTEFACE_ALERT_BUDGET: false alarms allowed per 1,000 subjects a year.
BUDGET: Final = 3.0


class Product:
    """Any detector with the core's interface; `detector` is the class, which an ablation brings along."""

    def __init__(self, tasks: int = 1, detector: Any = Detector) -> None:
        self._market = Tasks(BUDGET, "arena", tasks, detector)
        #: Alerts raised at the default budget, by type and id of whom they accuse.
        self.accused: Counter[tuple[str, str]] = Counter()
        #: The highest ln R of each member of staff.
        self.staff: dict[str, float] = {}

    def learn_one(self, x: Event) -> None:
        """Let the seller's task apply the event."""
        for alert in self._market.apply(x, x.occurred_at.timestamp()):
            self.accused[alert.subject.type, alert.subject.id] += 1
        for one in self._market.judged():
            self.staff[one.actor_id] = max(self.staff.get(one.actor_id, NOTHING), one.top())

    def score_one(self, x: Event) -> float:
        """The highest ln R of the watches that look at the seller."""
        seller = self._market.task_of(x.seller_id).sellers.get(x.seller_id)
        return max(NOTHING, *seller.log_odds) if seller and seller.log_odds else NOTHING
