"""What all tasks together know about one reviewer: when its critical reviews turned, and how many it has written.

Invariant: plain values that are encoded as they are. All flips of one day are one decision, because an author who
clears up or closes an account changes many reviews at once; each still counts among the reviews that have turned.
"""

from __future__ import annotations

import math

import msgspec

from stream.core.evidence.flip_share import MIN_FLIPS, log_share_factor
from stream.core.messages.conclusions import NamedReviewer
from stream.core.messages.reports import ReportedFlip, ReviewerReport
from stream.core.model.decisions import VerdictDecision
from stream.core.model.finding import Finding
from stream.core.model.flip_windows import MAX_WINDOWS
from stream.core.model.sums import total


class ReviewerHistory(msgspec.Struct, kw_only=True):
    """One reviewer over all tasks."""

    version: int
    reviewer_id: str
    #: Days with a flip, and the last of them (days since 1970-01-01; -1 before the first).
    flip_days: int = 0
    last_day: int = -1
    #: All flips, and those from before the watch in their task: their reviews are not among `critical`.
    flips: int = 0
    flips_before: int = 0
    #: Reviews that turned before the latest verdict: they count no more.
    excluded: int = 0
    #: Critical reviews by task, see `ReviewerReport.critical`; empty before a task has reported them.
    critical: dict[int, int] = msgspec.field(default_factory=dict)
    #: The latest flips, MAX_WINDOWS at most.
    latest: list[ReportedFlip] = msgspec.field(default_factory=list)
    #: The day on which the watch began (days since 1970-01-01); None before it.
    watched_on: int | None = None
    #: Natural log; None before the first evaluation.
    log_odds: float | None = None
    #: Whether tasks know the reviewer as one that turns a large part of its critical reviews.
    is_named: bool = False
    #: Whether a verdict has confirmed that: it is then named until a later verdict.
    confirmed: bool = False
    #: As in `StaffHistory`.
    alerted_at: dict[str, float] = msgspec.field(default_factory=dict)
    finding: Finding | None = None
    verdict_at: float | None = None
    muted_until: float = 0.0

    @property
    def reviews(self) -> int:
        """The critical reviews that count; those that turned at least, while a task has not counted them."""
        counted = round(self.flips_before + total(self.critical.values()) - self.excluded)
        return max(counted, self.flip_days)

    def add(self, reports: dict[int, ReviewerReport], day: int) -> list[ReportedFlip]:
        """Add the reports of one day; return their flips.

        Args:
            reports: By the number of the task.
            day: Days since 1970-01-01.
        """
        for task, report in sorted(reports.items()):
            self.flips += report.flips
            if report.critical is None:
                self.flips_before += report.flips
            else:
                self.critical[task] = report.critical
        findings = [one for _, report in sorted(reports.items()) for one in report.latest]
        findings.sort(key=lambda one: (one.flip.at, one.event_id))
        self.latest = [*self.latest, *findings][-MAX_WINDOWS:]
        if findings and day > self.last_day:
            self.flip_days += 1
            self.last_day = day
        return findings

    def evaluate(self, market_share: float) -> float:
        """Evaluate all flips since the latest verdict; return the log odds, -inf with too few flips.

        Args:
            market_share: The share of all critical reviews that turn.
        """
        if self.flip_days < MIN_FLIPS:
            self.log_odds = None
            return -math.inf
        self.log_odds = log_share_factor(self.flip_days, self.reviews, market_share)
        return self.log_odds

    def named(self, day: int, flips: list[ReportedFlip]) -> NamedReviewer:
        """Return what tasks must know after a day: whether the reviewer is named, and with which flips."""
        reviews = [(one.seller_id, one.flip.review_id) for one in flips] if self.is_named else []
        return NamedReviewer(day, self.reviewer_id, self.is_named, reviews)

    def decide(self, decision: VerdictDecision) -> None:
        """Apply a verdict that came into force.

        "confirmed": the reviewer stays named until a later verdict. "explained" and "dismissed": it is named no longer,
        and what has turned says nothing. After all three the evidence begins anew. "inconclusive": it stays.
        """
        self.muted_until, self.confirmed = decision.muted_until, decision.verdict == "confirmed"
        if decision.verdict == "inconclusive":
            return
        self.is_named = self.confirmed
        if decision.clears:
            self.latest = []
        self.excluded, self.flip_days, self.verdict_at, self.finding = self.flips, 0, decision.at, None
