"""All tasks of a market in one process: what they tell each other about staff is heard at once.

Rule of this room: a report reaches the tasks that it would reach through Kafka, in an order that Kafka might choose.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from stream.alerts import Alert
from stream.core.detector import Detector
from stream.core.dossiers import Dossier
from stream.core.reports import Report
from stream.events import Event
from stream.intake.partition import partition_of


class Exchange:
    """Carries reports between tasks."""

    def __init__(self, tasks: Sequence[Detector]) -> None:
        self.tasks = tasks

    def carry(self) -> list[Alert]:
        """Bring all that was told to where it is heard, and what is told thereupon, until all is quiet."""
        alerts: list[Alert] = []
        told = deque[Report]()
        while self._collect(told):
            while told:
                report = told.popleft()
                readers = self.tasks if report.about is None else (self.task_of(report.about),)
                for reader in readers:
                    alerts += reader.hear(report)
        return alerts

    def task_of(self, key: str) -> Detector:
        """The task of a seller, or of a member of staff."""
        return self.tasks[partition_of(key, len(self.tasks))] if len(self.tasks) > 1 else self.tasks[0]

    def _collect(self, told: deque[Report]) -> bool:
        for task in self.tasks:
            told += task.outbox
            task.outbox.clear()
        return bool(told)


class Tasks(Exchange):
    """A market's tasks, applied event by event in the order of time; so none has to wait for another."""

    def __init__(self, budget: float, config_digest: str, count: int, detector: type[Detector] = Detector) -> None:
        super().__init__([detector(budget, config_digest, number, count) for number in range(count)])
        self._carried = False

    def apply(self, event: Event, at: float) -> list[Alert]:
        """Take the next event."""
        task = self.task_of(event.seller_id)
        alerts = task.apply(event, at)
        if not task.outbox:
            return alerts
        self._carried = True
        return alerts + self.carry()

    def judged(self) -> Iterator[Dossier]:
        """All staff, where some may have been judged since this was asked last: that is once a day."""
        if self._carried:
            self._carried = False
            for task in self.tasks:
                yield from task.panel.dossiers.values()
