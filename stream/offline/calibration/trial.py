"""One pass of a history through the core.

Invariant: evidence is noted when it changes: a seller's at its flips, a staff member's when a day is concluded.
"""

from __future__ import annotations

from collections.abc import Iterable

from stream.config import Settings
from stream.contract.events import ContactAccessed, ReviewDeleted, ReviewEdited, SellerEvent, SellerLinked
from stream.offline.calibration.family import Family
from stream.offline.local_bus import LocalTasks
from stream.ops.trust import TaskSize


class Trial:
    """The events of a history, run through the core in as many tasks as there are partitions.

    Args:
        settings: All settings.
        partitions: The number of tasks.
        sellers, staff: Where evidence is noted.

    Attributes:
        flips: The flips of each seller.
    """

    def __init__(self, settings: Settings, partitions: int, sellers: Family, staff: Family) -> None:
        self._market = LocalTasks(settings.alert_budget, settings.config_digest, partitions)
        self.flips: dict[str, int] = {}
        self._sellers, self._staff = sellers, staff

    def sizes(self) -> dict[int, TaskSize]:
        """Return what each task has to compare; a permutation leaves each seller its number of reviews."""
        return {number: TaskSize.of(task) for number, task in enumerate(self._market.tasks)}

    def run(self, events: Iterable[tuple[float, SellerEvent]]) -> None:
        """Apply all events and note the evidence of all subjects."""
        market = self._market
        for at, event in events:
            alerts = market.apply(event, at)
            if not isinstance(event, SellerLinked):  # a link does not show that a seller is active
                self._sellers.add_subject(event.seller_id, at)
            if isinstance(event, ContactAccessed):
                self._staff.add_subject(event.actor_id, at)
            elif isinstance(event, ReviewEdited | ReviewDeleted):  # a seller's evidence changes only at flips
                self._note_seller(event, at)
            for history in market.concluded_staff():
                log_odds = [value for value in history.log_odds if value is not None]
                self._staff.add_evidence(history.actor_id, at, log_odds)
            for alert in alerts:
                self._sellers.alerts += alert.subject.type == "seller"
                self._staff.alerts += alert.subject.type == "staff"
        self._sellers.end_permutation()
        self._staff.end_permutation()

    def _note_seller(self, event: ReviewEdited | ReviewDeleted, at: float) -> None:
        seller = self._market.task_of(event.seller_id).state.sellers.get(event.seller_id)
        if seller is not None:
            self.flips[event.seller_id] = seller.flip_count
            self._sellers.add_evidence(event.seller_id, at, seller.log_odds)
        if isinstance(event, ReviewDeleted) and event.deleted_by == "platform" and event.actor_id is not None:
            self._staff.add_subject(event.actor_id, at)
