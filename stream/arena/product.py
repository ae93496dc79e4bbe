"""The product as a competitor: the core's detector, its events split among tasks as Kafka would.

Rule of this room: the detector is as it is in a worker, and of what it knows only ln R of sellers and staff is read.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from stream.arena.competitor import NOTHING
from stream.core.detector import Detector
from stream.events import Event, ReviewDeleted, ReviewEdited
from stream.intake.partition import partition_of

#: The default of VOLTEFACE_ALERT_BUDGET: false alarms allowed per 1,000 subjects a year.
BUDGET: Final = 3.0


class Product:
    """Any detector with the core's interface; `detector` is the class, which an ablation brings along."""

    def __init__(self, tasks: int = 1, detector: Any = Detector) -> None:
        self._tasks: list[Any] = [detector(BUDGET, "arena") for _ in range(tasks)]
        #: Alerts raised at the default budget, by type and id of whom they accuse.
        self.accused: Counter[tuple[str, str]] = Counter()
        #: The highest ln R of each member of staff.
        self.staff: dict[str, float] = {}

    def learn_one(self, x: Event) -> None:
        """Let the seller's task apply the event."""
        task = self._task(x)
        for alert in task.apply(x, x.occurred_at.timestamp()):
            self.accused[alert.subject.type, alert.subject.id] += 1
        if isinstance(x, ReviewEdited | ReviewDeleted):
            for name, staff in task.staff.items():
                self.staff[name] = max(self.staff.get(name, NOTHING), *staff.log_odds)

    def score_one(self, x: Event) -> float:
        """The highest ln R of the watches that look at the seller."""
        seller = self._task(x).sellers.get(x.seller_id)
        return max(NOTHING, *seller.log_odds) if seller and seller.log_odds else NOTHING

    def _task(self, x: Event) -> Any:
        tasks = self._tasks
        return tasks[partition_of(x.seller_id, len(tasks))] if len(tasks) > 1 else tasks[0]
