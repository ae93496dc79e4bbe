"""What the aggregator has concluded on staff, rings and reviewers, and from when on it counts in a task.

Invariant: a conclusion counts from CONCLUSION_DELAY_DAYS after the concluded day, on the receiving task's event clock.
No task runs further ahead of the aggregator than that; a task waits there and nowhere else. So a conclusion counts
from the same event on, live and in a replay.
"""

from __future__ import annotations

import math

import msgspec

from stream.core.messages.conclusions import CONCLUSION_DELAY_DAYS, Conclusion, RingMembers
from stream.core.model.strata import DAY
from stream.core.reviewers.pending_reviewers import PendingReviewers


class ConclusionsInForce(
    msgspec.Struct,
    kw_only=True,
    rename={"first_day": "began", "concluded_through": "heard", "pending": "coming"},
):
    """The state of one task that follows from the aggregator's conclusions."""

    version: int
    #: The day of this task's first event; None before it. No earlier accusation can concern the task.
    first_day: int | None = None
    #: The last concluded day; None before the first conclusion.
    concluded_through: int | None = None
    #: Accusations in force: the main seller of each accused staff member, None if there is none.
    accused: dict[str, str | None] = msgspec.field(default_factory=dict)
    #: Accusations not in force yet: first day in force, staff member, main seller.
    pending: list[tuple[int, str, str | None]] = msgspec.field(default_factory=list)
    #: Withdrawals not in force yet: first day in force, staff member.
    withdrawn: list[tuple[int, str]] = msgspec.field(default_factory=list)
    #: Rings in force, by id; and those that are not in force yet, whose day is the first in force.
    rings: dict[str, RingMembers] = msgspec.field(default_factory=dict)
    pending_rings: list[RingMembers] = msgspec.field(default_factory=list)
    reviewers: PendingReviewers = msgspec.field(default_factory=PendingReviewers)

    def on_conclusion(self, conclusion: Conclusion) -> None:
        """Take a conclusion."""
        self.concluded_through = conclusion.day
        added = [(self._counts_from(day), actor_id, main_seller) for day, actor_id, main_seller in conclusion.accused]
        self.pending = sorted([*self.pending, *added], key=lambda entry: entry[:2])
        withdrawn = [(self._counts_from(day), actor_id) for day, actor_id in conclusion.withdrawn]
        self.withdrawn = sorted([*self.withdrawn, *withdrawn])
        delayed = [msgspec.structs.replace(ring, day=self._counts_from(ring.day)) for ring in conclusion.rings]
        self.pending_rings = sorted([*self.pending_rings, *delayed], key=lambda ring: (ring.day, ring.ring_id))
        self.reviewers.on_conclusion(conclusion, self._counts_from)

    def _counts_from(self, day: int) -> int:
        """Return the day from which on the conclusions of a day count."""
        return max(day, self.first_day or day) + CONCLUSION_DELAY_DAYS

    def start(self, day: int) -> None:
        """Note the day of this task's first event."""
        self.first_day = day

    def in_force(self, day: int) -> dict[str, str | None]:
        """Return the accused staff that count on a day, with their main sellers.

        Call it at an event of that day: the task has then received all conclusions that concern the day.
        """
        while self.pending or self.withdrawn:
            accused_on = self.pending[0][0] if self.pending else math.inf
            withdrawn_on = self.withdrawn[0][0] if self.withdrawn else math.inf
            if min(accused_on, withdrawn_on) > day:
                break
            if withdrawn_on <= accused_on:  # a verdict of a day comes before that day's evidence
                self.accused.pop(self.withdrawn.pop(0)[1], None)
            else:
                _, actor_id, main_seller = self.pending.pop(0)
                self.accused[actor_id] = main_seller
        return self.accused

    def rings_of(self, seller_id: str, day: int) -> dict[str, bool]:
        """Return the rings of a seller that count on a day, and whether each moves its odds; see `in_force`."""
        while self.pending_rings and self.pending_rings[0].day <= day:
            ring = self.pending_rings.pop(0)
            if ring.members:
                self.rings[ring.ring_id] = ring
            else:
                self.rings.pop(ring.ring_id, None)
        if not self.rings:
            return {}
        return {name: seller_id in ring.moved for name, ring in self.rings.items() if seller_id in ring.members}

    def events_before(self) -> float:
        """Return the time (epoch seconds) that this task's events must stay below until more days are concluded."""
        if self.first_day is None:
            return math.inf
        concluded_through = self.first_day if self.concluded_through is None else self.concluded_through
        return (max(concluded_through, self.first_day) + CONCLUSION_DELAY_DAYS + 1) * DAY
