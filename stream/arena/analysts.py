"""Simulated analysts, who answer each case some days after its alert, and err now and then.

Invariant: the same market, share of errors and seed give the same verdicts.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Collection, Iterable, Iterator
from random import Random

from stream.contract.alerts import Alert
from stream.contract.cases import Case
from stream.contract.events import CaseSubject, Event, Verdict, VerdictRecorded
from stream.offline.local_bus import LocalTasks


class SimulatedAnalysts:
    """Confirm true cheats and explain honest subjects.

    Args:
        cheats: Ids of the sellers and staff members who cheat.
        error_share: The share of verdicts that are wrong, 0 to 1.
        delay: From an alert to its verdict.
        seed: Of the errors.
    """

    def __init__(
        self,
        cheats: Collection[str],
        error_share: float = 0.1,
        delay: dt.timedelta = dt.timedelta(days=5),
        seed: int = 1,
    ) -> None:
        self._cheats = cheats
        self._error_share = error_share
        self._delay = delay
        self._chance = Random(seed)
        self._waiting: list[tuple[dt.datetime, str, VerdictRecorded]] = []
        self._answered: set[tuple[str, int]] = set()

    def take(self, case: Case, alert: Alert) -> None:
        """Take a case that waits for a verdict, after an alert on it; each opening of a case is answered once."""
        opening = case.case_id, len([one for one in case.verdicts if one.effect in {"in_force", "superseded"}])
        if case.state != "open" or opening in self._answered or alert.subject.type == "product":
            return
        self._answered.add(opening)
        is_wrong = self._chance.random() < self._error_share
        answer: Verdict = "confirmed" if (alert.subject.id in self._cheats) != is_wrong else "explained"
        at = alert.raised_at + self._delay
        verdict = VerdictRecorded(
            event_id=f"{case.case_id}-{opening[1]}",
            occurred_at=at,
            case_id=case.case_id,
            subject=CaseSubject(alert.subject.type, alert.subject.id),
            verdict=answer,
            story="product_fix" if answer == "explained" else None,
            analyst_id="analyst-1",
            second_analyst_id="analyst-2",
        )
        heapq.heappush(self._waiting, (at, verdict.event_id, verdict))

    def due(self, before: dt.datetime) -> Iterator[VerdictRecorded]:
        """Yield the verdicts that are recorded before a time, in order."""
        while self._waiting and self._waiting[0][0] < before:
            yield heapq.heappop(self._waiting)[2]


def answered(
    events: Iterable[Event], tasks: LocalTasks, analysts: SimulatedAnalysts
) -> Iterator[tuple[Event, list[Alert]]]:
    """Apply a market's events and the analysts' verdicts in order of time.

    Args:
        events: In order of time.
        tasks: The market's tasks.
        analysts: They see each case as it is after the alert.

    Yields:
        Each event, the verdicts included, and the alerts that it triggers.
    """
    for event in events:
        for verdict in analysts.due(event.occurred_at):
            yield verdict, _applied(verdict, tasks, analysts)
        yield event, _applied(event, tasks, analysts)


def _applied(event: Event, tasks: LocalTasks, analysts: SimulatedAnalysts) -> list[Alert]:
    alerts = tasks.apply(event, event.occurred_at.timestamp())
    for alert in alerts:
        for task in tasks.tasks:
            case = task.state.cases.latest(alert.subject)
            if case is not None:
                analysts.take(case, alert)
    return alerts
