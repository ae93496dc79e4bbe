"""What the aggregator has concluded on reviewers and does not count yet in a task.

Invariant: a change counts from CONCLUSION_DELAY_DAYS after the concluded day, as accusations of staff do, and comes
into force at a midnight of the task. So it counts from the same event on, live and in a replay.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from stream.core.messages.conclusions import Conclusion, NamedReviewer, WatchedReviewer


class PendingReviewers(msgspec.Struct, kw_only=True):
    """The conclusions on reviewers that are not in force yet; the day of each is the first in force."""

    pending_watched: list[WatchedReviewer] = msgspec.field(default_factory=list)
    pending: list[NamedReviewer] = msgspec.field(default_factory=list)

    def on_conclusion(self, conclusion: Conclusion, counts_from: Callable[[int], int]) -> None:
        """Take a conclusion; `counts_from` gives the day from which on a change of a day counts."""
        watched = [msgspec.structs.replace(one, day=counts_from(one.day)) for one in conclusion.watched]
        self.pending_watched = sorted([*self.pending_watched, *watched], key=lambda one: (one.day, one.reviewer_id))
        named = [msgspec.structs.replace(one, day=counts_from(one.day)) for one in conclusion.reviewers]
        self.pending = sorted([*self.pending, *named], key=lambda one: (one.day, one.reviewer_id))

    def take_watched(self, day: int) -> list[WatchedReviewer]:
        """Return the watches that begin or end by a day, in order."""
        due = [one for one in self.pending_watched if one.day <= day]
        self.pending_watched = self.pending_watched[len(due) :]
        return due

    def take_named(self, day: int) -> list[NamedReviewer]:
        """Return what is found by a day, in order."""
        due = [one for one in self.pending if one.day <= day]
        self.pending = self.pending[len(due) :]
        return due

    def forget(self, reviewer_id: str) -> None:
        """Erase a reviewer."""
        self.pending_watched = [one for one in self.pending_watched if one.reviewer_id != reviewer_id]
        self.pending = [one for one in self.pending if one.reviewer_id != reviewer_id]
