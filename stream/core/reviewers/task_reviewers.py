"""The reviewers of one task: flips to report, critical reviews of the watched ones, what the named ones have turned.

Invariant: a reviewer has an entry if it is watched or named, or something is to be reported about it. Nothing is
evaluated here: at each midnight the day's reports go to the aggregator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import msgspec

from stream.core.messages.reports import ReportedFlip, ReviewerReport
from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.model.flip_windows import MAX_WINDOWS

#: The most reviews of one named reviewer that a task keeps: a row stays below 300 kB.
MAX_TURNED: Final = 1000


class TaskReviewer(msgspec.Struct, array_like=True):
    """A reviewer in one task."""

    version: int
    #: Flips of the present day, and the latest of them, MAX_WINDOWS at most.
    flips: int = 0
    latest: list[ReportedFlip] = msgspec.field(default_factory=list)
    #: Critical reviews: those that were open when the watch began, and those written since; None if it is not watched.
    critical: int | None = None
    #: Whether `critical` has changed since it was last reported.
    is_changed: bool = False
    #: Whether the aggregator names it, and the latest reviews of this task's sellers that it has turned, by seller and
    #: id, MAX_TURNED at most.
    is_named: bool = False
    turned: list[tuple[str, str]] = msgspec.field(default_factory=list)


class TaskReviewers:
    """All reviewers of a task of whom something is kept.

    Args:
        is_on: Whether reviewers are watched; without it nothing is kept.

    Attributes:
        reviewers: By id.
        changed: Names of the rows that have changed since they were last written.
    """

    def __init__(self, is_on: bool) -> None:
        self.is_on = is_on
        self.reviewers: dict[str, TaskReviewer] = {}
        self.changed: set[str] = set()
        #: By seller, the named reviewers who have turned some of its reviews; derived.
        self._named_at: defaultdict[str, set[str]] = defaultdict(set)

    def record_flip(self, reviewer_id: str, finding: ReportedFlip) -> None:
        """Note a flip of one of a reviewer's reviews."""
        if self.is_on:
            reviewer = self.reviewers.setdefault(reviewer_id, TaskReviewer(ROW_VERSION))
            reviewer.flips += 1
            reviewer.latest = [*reviewer.latest, finding][-MAX_WINDOWS:]
            if reviewer.is_named:  # that it turns reviews is known: this one counts at once
                self._add_turned(reviewer_id, [(finding.seller_id, finding.flip.review_id)])
            self.changed.add(reviewer_id)

    def record_review(self, reviewer_id: str) -> None:
        """Note a new critical review."""
        reviewer = self.reviewers.get(reviewer_id)
        if reviewer is not None and reviewer.critical is not None:
            reviewer.critical += 1
            reviewer.is_changed = True
            self.changed.add(reviewer_id)

    def watch(self, reviewer_id: str, open_reviews: int) -> None:
        """Begin to watch a reviewer with this many open critical reviews in this task."""
        if self.is_on:
            reviewer = self.reviewers.setdefault(reviewer_id, TaskReviewer(ROW_VERSION))
            reviewer.critical = open_reviews + reviewer.flips
            reviewer.is_changed = True
            self.changed.add(reviewer_id)

    def end_watch(self, reviewer_id: str) -> None:
        """Watch a reviewer no longer."""
        reviewer = self.reviewers.get(reviewer_id)
        if reviewer is not None:
            reviewer.critical, reviewer.is_changed = None, False
            self._drop_idle(reviewer_id, reviewer)

    def name(self, reviewer_id: str, reviews: Iterable[tuple[str, str]]) -> set[str]:
        """Note reviews (seller, id) that a named reviewer has turned; return the sellers whose case that changes."""
        if not self.is_on:
            return set()
        self.reviewers.setdefault(reviewer_id, TaskReviewer(ROW_VERSION)).is_named = True
        self.changed.add(reviewer_id)
        return self._add_turned(reviewer_id, reviews)

    def end_name(self, reviewer_id: str) -> set[str]:
        """Name a reviewer no longer; return the sellers whose case that changes."""
        reviewer = self.reviewers.get(reviewer_id)
        if reviewer is None:
            return set()
        sellers = {seller_id for seller_id, _ in reviewer.turned}
        self._set_turned(reviewer_id, [])
        reviewer.is_named = False
        self._drop_idle(reviewer_id, reviewer)
        return sellers

    def turned_by(self, seller_id: str) -> dict[str, set[str]]:
        """Return the reviews of a seller that named reviewers have turned, by reviewer."""
        return {
            reviewer_id: {review_id for its, review_id in self.reviewers[reviewer_id].turned if its == seller_id}
            for reviewer_id in sorted(self._named_at.get(seller_id, ()))
        }

    def _add_turned(self, reviewer_id: str, reviews: Iterable[tuple[str, str]]) -> set[str]:
        """Add reviews that a named reviewer has turned; return their sellers."""
        known = dict.fromkeys(self.reviewers[reviewer_id].turned)
        added = [one for one in reviews if one not in known]
        self._set_turned(reviewer_id, [*known, *added][-MAX_TURNED:])
        return {seller_id for seller_id, _ in added}

    def _set_turned(self, reviewer_id: str, turned: list[tuple[str, str]]) -> None:
        reviewer = self.reviewers[reviewer_id]
        for seller_id in {seller_id for seller_id, _ in reviewer.turned}:
            self._named_at[seller_id].discard(reviewer_id)
            if not self._named_at[seller_id]:
                del self._named_at[seller_id]
        reviewer.turned = turned
        for seller_id, _ in turned:
            self._named_at[seller_id].add(reviewer_id)

    def take_reports(self) -> list[ReviewerReport]:
        """Return what the day has brought, in order of the reviewers' ids, and begin anew."""
        reports: list[ReviewerReport] = []
        for reviewer_id in sorted(name for name, one in self.reviewers.items() if one.flips or one.is_changed):
            reviewer = self.reviewers[reviewer_id]
            reports.append(ReviewerReport(reviewer_id, reviewer.flips, reviewer.latest, reviewer.critical))
            reviewer.flips, reviewer.latest, reviewer.is_changed = 0, [], False
            self._drop_idle(reviewer_id, reviewer)
        return reports

    def forget(self, reviewer_id: str) -> None:
        """Erase a reviewer."""
        if reviewer_id in self.reviewers:
            self._set_turned(reviewer_id, [])
            del self.reviewers[reviewer_id]
            self.changed.add(reviewer_id)

    def forget_all(self) -> None:
        """Erase all reviewers."""
        self.changed.update(self.reviewers)
        self.reviewers.clear()
        self._named_at.clear()

    def row(self, name: str) -> bytes | None:
        """Return the state row of a reviewer; None if nothing is kept of it."""
        reviewer = self.reviewers.get(name)
        return None if reviewer is None else encode(reviewer)

    def load(self, name: str, value: bytes) -> None:
        """Restore a reviewer from its state row."""
        self.reviewers[name] = reviewer = decode(value, TaskReviewer)
        for seller_id, _ in reviewer.turned:
            self._named_at[seller_id].add(name)

    def names(self) -> Iterable[str]:
        """Return the names of all rows."""
        return self.reviewers

    def _drop_idle(self, reviewer_id: str, reviewer: TaskReviewer) -> None:
        if reviewer.critical is None and not reviewer.flips and not reviewer.is_named:
            del self.reviewers[reviewer_id]
        self.changed.add(reviewer_id)
