"""The reviewers of one task: flips that are to be reported, and how many critical reviews the watched ones have.

Invariant: a reviewer has an entry if it is watched or something is to be reported about it. Nothing is evaluated here:
at each midnight the day's reports go to the aggregator.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from stream.core.messages.reports import ReportedFlip, ReviewerReport
from stream.core.model.encoding import ROW_VERSION, decode, encode
from stream.core.model.flip_windows import MAX_WINDOWS


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

    def record_flip(self, reviewer_id: str, finding: ReportedFlip) -> None:
        """Note a flip of one of a reviewer's reviews."""
        if self.is_on:
            reviewer = self.reviewers.setdefault(reviewer_id, TaskReviewer(ROW_VERSION))
            reviewer.flips += 1
            reviewer.latest = [*reviewer.latest, finding][-MAX_WINDOWS:]
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
        if self.reviewers.pop(reviewer_id, None) is not None:
            self.changed.add(reviewer_id)

    def forget_all(self) -> None:
        """Erase all reviewers."""
        self.changed.update(self.reviewers)
        self.reviewers.clear()

    def row(self, name: str) -> bytes | None:
        """Return the state row of a reviewer; None if nothing is kept of it."""
        reviewer = self.reviewers.get(name)
        return None if reviewer is None else encode(reviewer)

    def load(self, name: str, value: bytes) -> None:
        """Restore a reviewer from its state row."""
        self.reviewers[name] = decode(value, TaskReviewer)

    def names(self) -> Iterable[str]:
        """Return the names of all rows."""
        return self.reviewers

    def _drop_idle(self, reviewer_id: str, reviewer: TaskReviewer) -> None:
        if reviewer.critical is None and not reviewer.flips:
            del self.reviewers[reviewer_id]
        self.changed.add(reviewer_id)
