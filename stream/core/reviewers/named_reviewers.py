"""The reviewers whom the aggregator watches and names, and from when on that counts in a task.

Invariant: a change counts from CONCLUSION_DELAY_DAYS after the concluded day, as accusations of staff do, and comes
into force at a midnight of the task. So it counts from the same event on, live and in a replay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import msgspec

from stream.core.messages.conclusions import Conclusion, NamedReviewer, WatchedReviewer


class NamedReviewers(msgspec.Struct, kw_only=True):
    """The state of one task that follows from the aggregator's conclusions on reviewers."""

    #: Not in force yet; the day is the first in force.
    pending_watched: list[WatchedReviewer] = msgspec.field(default_factory=list)
    pending: list[NamedReviewer] = msgspec.field(default_factory=list)
    #: Seller and id of the reviews that each named reviewer has turned.
    named: dict[str, list[tuple[str, str]]] = msgspec.field(default_factory=dict)

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

    def advance(self, day: int) -> set[str]:
        """Bring what is found into force by a day; return the sellers whose reviews it is about."""
        due = [one for one in self.pending if one.day <= day]
        self.pending = self.pending[len(due) :]
        sellers: set[str] = set()
        for one in due:
            sellers.update(seller_id for seller_id, _ in (*self.named.pop(one.reviewer_id, ()), *one.reviews))
            if one.reviews:
                self.named[one.reviewer_id] = one.reviews
        return sellers

    def forget(self, reviewer_id: str) -> set[str]:
        """Erase a reviewer; return the sellers whose reviews it has turned."""
        self.pending_watched = [one for one in self.pending_watched if one.reviewer_id != reviewer_id]
        self.pending = [one for one in self.pending if one.reviewer_id != reviewer_id]
        return {seller_id for seller_id, _ in self.named.pop(reviewer_id, ())}

    def turned_by(self, seller_id: str) -> Mapping[str, set[str]]:
        """Return the reviews of a seller that named reviewers have turned, by reviewer."""
        found = defaultdict[str, set[str]](set)
        for reviewer_id, reviews in self.named.items():
            for its_seller, review_id in reviews:
                if its_seller == seller_id:
                    found[reviewer_id].add(review_id)
        return dict(sorted(found.items()))
