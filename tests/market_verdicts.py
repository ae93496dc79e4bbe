"""Events of analysts for a market: verdicts on the cases that its alerts open, and what people do around them.

Invariant: the same market and the same choices give the same events. Most of them follow from an alert; the others are
those that a worker must bear: of unknown cases, before the alert, delivered twice, older than the verdict in force, on
evidence that is not the latest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from random import Random
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from stream.arena.analysts import SimulatedAnalysts, answered
from stream.contract.alerts import Alert
from stream.contract.events import CaseAppealed, CaseAssigned, CaseEvent, CaseNoted, Event, VerdictRecorded
from stream.core.model.strata import DAY
from stream.offline.local_bus import LocalTasks

T = TypeVar("T")

#: The share of verdicts that are wrong.
_ERROR_SHARE: Final = 0.2
#: Days from an alert to its verdict.
_DELAY_DAYS: Final = (1, 2, 5)
_HOUR: Final = dt.timedelta(hours=1)


class ConcludingTasks(LocalTasks):
    """Tasks that conclude each day, also if some of them have no events: as idle tasks do on a real Kafka."""

    _day = -1

    def apply(self, event: Event, at: float) -> list[Alert]:
        """Apply the next event; on a new day, let the tasks without events announce the days before it."""
        alerts = super().apply(event, at)
        if int(at // DAY) > self._day:
            self._day = int(at // DAY)
            for _ in range(2):  # the aggregator asks for the days, the others announce them
                for task in self.tasks:
                    task.on_idle()
                alerts += self.deliver()
        return alerts


class SentEvent(NamedTuple):
    """An event of an analyst, and when it arrives among the market's events (event time)."""

    arrives_at: dt.datetime
    event: CaseEvent


def case_events(
    events: Iterable[Event], tasks: ConcludingTasks, cheats: Collection[str], chance: Random, disorder: bool
) -> list[SentEvent]:
    """Return what analysts send about a market, in order of arrival.

    Args:
        events: The market's events.
        tasks: Tasks with the settings of those that will read the events, so that alerts and cases have the same ids.
        cheats: Ids of the sellers and staff members who cheat.
        chance: Chooses what people do.
        disorder: Whether some verdicts arrive after a later one of the same case.
    """
    delay = dt.timedelta(days=chance.choice(_DELAY_DAYS))
    analysts = SimulatedAnalysts(cheats, _ERROR_SHARE, delay, chance.randrange(1000))
    in_order = sorted(events, key=lambda event: event.occurred_at)
    verdicts = [event for event, _ in answered(in_order, tasks, analysts) if isinstance(event, VerdictRecorded)]
    sent = [each for verdict in verdicts for each in _around(verdict, delay, chance, disorder)]
    return sorted(sent, key=lambda each: (each.arrives_at, each.event.event_id))


def among(market: Sequence[T], time_of: Callable[[T], dt.datetime], added: Sequence[tuple[dt.datetime, T]]) -> list[T]:
    """Return a market's records with others among them, each before the first later record of the market."""
    found: list[T] = []
    waiting = list(reversed(added))
    for record in market:
        while waiting and waiting[-1][0] < time_of(record):
            found.append(waiting.pop()[1])
        found.append(record)
    return found + [record for _, record in reversed(waiting)]


def _around(verdict: VerdictRecorded, delay: dt.timedelta, chance: Random, disorder: bool) -> Iterator[SentEvent]:
    """Yield a verdict, and what else people send about its case."""
    at = verdict.occurred_at
    yield SentEvent(at, verdict)
    yield _sent(CaseAssigned, verdict, at - delay / 2, analyst_id="lead", assignee_id=verdict.analyst_id)
    yield _sent(CaseNoted, verdict, at + 6 * _HOUR, analyst_id=verdict.analyst_id, note="The seller was asked.")
    if chance.random() < 0.3:
        yield SentEvent(at + 2 * _HOUR, verdict)
    if chance.random() < 0.4:
        yield _sent(CaseNoted, verdict, at, analyst_id="lead", note="Of no case.", case_id=verdict.case_id[::-1])
    if chance.random() < 0.4:
        yield _verdict(verdict, at - delay - _HOUR, "before the alert", "dismissed", "analyst-4")
    if disorder and chance.random() < 0.5:
        # The note lies between, so a task does not hold the verdict back for reordering when this one arrives.
        outdated = _verdict(verdict, at - delay / 2, "outdated", "inconclusive", "analyst-5").event
        yield SentEvent(at + 12 * _HOUR, outdated)
    if chance.random() < 0.3:  # of an alert that the case does not have (any more)
        unseen = _verdict(verdict, at + 3 * _HOUR, "unseen evidence", "inconclusive", "analyst-6")
        yield unseen._replace(event=msgspec.structs.replace(unseen.event, alert_id="0" * 32))
    if chance.random() < 0.4:
        yield _sent(CaseAppealed, verdict, at + 24 * _HOUR, appellant=verdict.subject.type, note=None)
        # One of an analyst who must not answer the appeal, then perhaps the answer.
        yield _verdict(verdict, at + 30 * _HOUR, "same analyst", verdict.verdict, verdict.analyst_id)
        if chance.random() < 0.6:
            answer = chance.choice(("confirmed", "dismissed", "inconclusive"))
            yield _verdict(verdict, at + 48 * _HOUR, "answer", answer, "analyst-3", chance.choice((None, "lead")))


def _verdict(
    of: VerdictRecorded, at: dt.datetime, name: str, answer: str, analyst_id: str, second_id: str | None = "lead"
) -> SentEvent:
    return _sent(VerdictRecorded, of, at, name=name, verdict=answer, analyst_id=analyst_id, second_analyst_id=second_id)


def _sent(kind: type[CaseEvent], of: VerdictRecorded, at: dt.datetime, name: str = "", **fields: Any) -> SentEvent:
    """Return an event about a verdict's case, which arrives at once."""
    about = {"case_id": of.case_id, "subject": of.subject, **fields}
    event_id = f"{of.event_id}-{name or kind.__struct_config__.tag}".replace(" ", "-")
    return SentEvent(at, kind(event_id=event_id, occurred_at=at, **about))
