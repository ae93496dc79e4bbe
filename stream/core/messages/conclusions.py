"""What the aggregator concludes at the end of a day, for all tasks.

Invariant: a conclusion counts in a task CONCLUSION_DELAY_DAYS after its day, so live and in a replay from the same
event on. It names what has changed since the conclusion before, never all that is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import msgspec

from stream.core.messages.division import in_parts

#: The delay from a concluded day until its accusations count. The longer it is, the less often tasks wait for each
#: other in a backlog; on simulated markets in 16 tasks as many insider clients were found with 30 days as with one.
CONCLUSION_DELAY_DAYS: Final = 30


class RingMembers(msgspec.Struct, array_like=True, frozen=True):
    """The members of a ring after a day on which they changed."""

    day: int
    ring_id: str
    #: None once the ring has ended.
    members: list[str]
    #: The members whose prior odds it moves: those without whom it would still be a ring.
    moved: list[str]

    @property
    def id_count(self) -> int:
        """How many ids of sellers it lists."""
        return len(self.members) + len(self.moved)


class WatchedReviewer(msgspec.Struct, array_like=True, frozen=True):
    """The watch on a reviewer begins or ends with a day."""

    day: int
    reviewer_id: str
    is_watched: bool


class NamedReviewer(msgspec.Struct, array_like=True, frozen=True):
    """Whether a reviewer is named, and what it is found to have turned, after a day on which that changed."""

    day: int
    reviewer_id: str
    is_named: bool
    #: Seller and id of reviews that it has turned: with the first naming the latest, later what is new.
    reviews: list[tuple[str, str]]

    @property
    def id_count(self) -> int:
        """How many pairs of ids it lists."""
        return len(self.reviews)


class Conclusion(msgspec.Struct, tag="judged", kw_only=True):
    """The aggregator has evaluated all staff up to the end of a day."""

    day: int
    #: Day, staff member, and the seller that more than three quarters of the kept flips belong to, if there is one.
    accused: list[tuple[int, str, str | None]]
    #: Day and staff member of each accusation that a verdict has withdrawn.
    withdrawn: list[tuple[int, str]] = []
    #: The rings that have changed.
    rings: list[RingMembers] = []
    #: The reviewers on whom the watch has begun or ended, and those whose finding has changed.
    watched: list[WatchedReviewer] = []
    reviewers: list[NamedReviewer] = []

    @property
    def recipient(self) -> int | None:
        """None: the message is for every task."""
        return None


def conclusion_parts(conclusion: Conclusion, before: int) -> Iterator[Conclusion]:
    """Divide a conclusion into parts that fit a message each.

    Args:
        conclusion: The conclusion.
        before: The day that was concluded before it: all parts but the last conclude no further.
    """
    changes: Iterable[RingMembers | NamedReviewer] = chain(conclusion.rings, conclusion.reviewers)
    parts = list(in_parts(changes, lambda change: change.id_count))
    for number, part in enumerate(parts, 1):
        whole = conclusion if number == len(parts) else Conclusion(day=before, accused=[], withdrawn=[])
        rings = [one for one in part if isinstance(one, RingMembers)]
        reviewers = [one for one in part if isinstance(one, NamedReviewer)]
        yield msgspec.structs.replace(whole, rings=rings, reviewers=reviewers)
