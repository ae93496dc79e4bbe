"""Whom the readers of staff evidence have accused, and since when it weighs against the sellers whom they served.

Rule of this room: an accusation counts from DELAY_DAYS after the day that was judged, on the clock of the task that
hears it, and no task runs further ahead of the readers than that: there it waits, and nowhere else. So it counts from
the same event on, live and in a replay.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from stream.core.bands import DAY
from stream.core.reports import Judgement

#: So long does news of an accusation take, by definition. On simulated markets in 16 tasks as many clients were found
#: with 30 days as with one, and the longer it is, the less often tasks wait for each other in a backlog.
DELAY_DAYS: Final = 30


class Accusations(msgspec.Struct, kw_only=True):
    """What was heard from each reader; the accused, each with the seller to whom most of his or her flips belong."""

    version: int
    #: The first day of this task, before which nothing can concern it.
    began: int | None = None
    heard: dict[int, int] = msgspec.field(default_factory=dict)
    accused: dict[str, str | None] = msgspec.field(default_factory=dict)
    #: The day from which it counts, and the accusation; not yet there.
    coming: list[tuple[int, str, str | None]] = msgspec.field(default_factory=list)

    def hear(self, judgement: Judgement) -> None:
        """Take what a reader says."""
        # In order: its row must not tell who was heard first.
        self.heard = dict(sorted({**self.heard, judgement.reader: judgement.day}.items()))
        news = [
            (max(day, self.began or day) + DELAY_DAYS, actor_id, mostly_of)
            for day, actor_id, mostly_of in judgement.accused
        ]
        self.coming = sorted([*self.coming, *news], key=lambda one: one[:2])

    def begin(self, day: int) -> None:
        """This task's first event is of that day."""
        self.began = day

    def by(self, day: int) -> dict[str, str | None]:
        """Whose accusations count on a day: asked at an event, for only then all that concerns the day was heard."""
        while self.coming and self.coming[0][0] <= day:
            _, actor_id, mostly_of = self.coming.pop(0)
            self.accused[actor_id] = mostly_of
        return self.accused

    def until(self, readers: int) -> float:
        """The time that this task's events must stay below until more is heard (epoch seconds)."""
        if self.began is None:
            return math.inf
        heard = min(self.heard.values()) if len(self.heard) == readers else self.began
        return (max(heard, self.began) + DELAY_DAYS + 1) * DAY
