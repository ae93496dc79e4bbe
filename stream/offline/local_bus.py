"""All tasks of a market in one process: messages between tasks are delivered at once.

Invariant: a message reaches the tasks that it would reach through Kafka, in an order in which Kafka might deliver it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from stream.contract.alerts import Alert
from stream.contract.events import Event
from stream.core.detector import Detector
from stream.core.messages.reports import AGGREGATOR
from stream.core.messages.wire import Message
from stream.core.staff.history import StaffHistory
from stream.intake.partition import partition_of


class LocalBus:
    """Delivers messages between tasks.

    Args:
        tasks: The detectors by partition number.
    """

    def __init__(self, tasks: Sequence[Detector]) -> None:
        self.tasks = tasks

    def deliver(self) -> list[Alert]:
        """Deliver all messages, and the messages that follow from them; return the alerts on staff."""
        alerts: list[Alert] = []
        messages = deque[Message]()
        while self._collect(messages):
            while messages:
                message = messages.popleft()
                recipients = self.tasks if message.recipient is None else (self.tasks[message.recipient],)
                for task in recipients:
                    alerts += task.on_message(message)
        return alerts

    def task_of(self, key: str) -> Detector:
        """Return the task of a seller's events."""
        return self.tasks[partition_of(key, len(self.tasks))] if len(self.tasks) > 1 else self.tasks[0]

    def _collect(self, messages: deque[Message]) -> bool:
        for task in self.tasks:
            messages += task.take_outbox()
        return bool(messages)


class LocalTasks(LocalBus):
    """A market's tasks; events are applied one by one in the order of time, so no task waits for another.

    Args:
        budget, config_digest: See `Detector`.
        count: The number of tasks.
        detector: The detector's class; the arena passes variants.
        watches_reviewers: See `Detector`.
    """

    def __init__(
        self,
        budget: float,
        config_digest: str,
        count: int,
        detector: type[Detector] = Detector,
        watches_reviewers: bool = False,
    ) -> None:
        super().__init__(
            [
                detector(budget, config_digest, number, count, watches_reviewers=watches_reviewers)
                for number in range(count)
            ]
        )
        self._delivered = False

    def apply(self, event: Event, at: float) -> list[Alert]:
        """Apply the next event, at `at` (epoch seconds), and deliver the messages that follow."""
        task = self.task_of(event.key)
        alerts = task.apply(event, at)
        if not task.outbox:
            return alerts
        self._delivered = True
        return alerts + self.deliver()

    def concluded_staff(self) -> Iterator[StaffHistory]:
        """Yield all staff members if a day may have been concluded since the last call: about once a day."""
        if self._delivered:
            self._delivered = False
            yield from self.tasks[AGGREGATOR].state.aggregator.staff.histories.values()
