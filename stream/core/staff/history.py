"""Sums over all tasks of the evidence on a staff member: flips of looked-up reviews, removals of critical reviews.

Invariant: histories are plain values and are encoded as they are. A day's flips are added before the day's expectation,
so a window contains the whole expectation of the day that it begins on, and no flip counts without it.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain

import msgspec
from librt.vecs import vec

from stream.core.messages.reports import ReportedFlip
from stream.core.model.decisions import VerdictDecision
from stream.core.model.finding import Finding
from stream.core.model.flip_windows import MAX_WINDOWS, log_start_prior


class EvidenceHistory(msgspec.Struct, rename={"expected_long_run": "expected_long"}):
    """Flips, or removals of critical reviews: totals, and one row for each of the latest windows."""

    #: All findings, and the deletions by authors among them.
    count: int = 0
    retracted: int = 0
    #: Findings expected by peers, and by the long run: numbers of flips or removals.
    expected: float = 0.0
    expected_long_run: float = 0.0
    #: (w, N_STAFF_COLUMNS), w <= MAX_WINDOWS, the latest last; see `model.flip_windows`.
    history: list[list[float]] = msgspec.field(default_factory=list)
    #: The latest findings, MAX_WINDOWS at most.
    latest: list[ReportedFlip] = msgspec.field(default_factory=list)

    def add(self, findings: list[ReportedFlip], first_seen: float, one_window: bool) -> None:
        """Add one day's findings.

        Args:
            findings: In order of their times.
            first_seen: When the staff member was first seen, in epoch seconds; the first gap starts there.
            one_window: Whether a window begins at the day's first finding only.
        """
        before = [float(self.expected), float(self.expected_long_run)]
        for number, finding in enumerate(findings):
            flip = finding.flip
            if not one_window or not number:
                last_at = self.history[-1][0] if self.history else first_seen
                row = [flip.at, log_start_prior(flip.at - last_at), flip.created_at]
                self.history = [*self.history, [*row, float(self.count), *before, float(self.retracted)]][-MAX_WINDOWS:]
            self.count += 1
            self.retracted += flip.retracted
        self.latest = [*self.latest, *findings][-MAX_WINDOWS:]

    def packed_rows(self) -> vec[float]:
        """Return the history as EvidenceModel takes it: (w * N_STAFF_COLUMNS,)."""
        return vec[float](list(chain.from_iterable(self.history)))

    def totals(self) -> list[float]:
        """Return the count, expected by peers, expected by the long run, and retracted: (4,)."""
        return [float(self.count), float(self.expected), float(self.expected_long_run), float(self.retracted)]

    def since_window(self, window: int) -> tuple[int, list[ReportedFlip]]:
        """Return how many findings there are since a window began, and those of them that are kept."""
        since, count_before = self.history[window][0], self.history[window][3]
        return self.count - int(count_before), [finding for finding in self.latest if finding.flip.at >= since]


class StaffHistory(msgspec.Struct, kw_only=True, rename={"announced": "accused"}):
    """The history of one staff member over all tasks."""

    version: int
    actor_id: str
    #: Epoch seconds.
    first_seen: float
    #: Flips of looked-up reviews.
    flips: EvidenceHistory = msgspec.field(default_factory=EvidenceHistory)
    #: Removals of critical reviews.
    removals: EvidenceHistory = msgspec.field(default_factory=EvidenceHistory)
    #: The staff member's part of the market's sums, see `DaySums`: in seller weights, times each day's forward-decay
    #: weight.
    looked_up_flips: float = 0.0
    looked_up_expected: float = 0.0
    #: All removals, and those of open critical reviews, times each day's forward-decay weight.
    removed: float = 0.0
    critical: float = 0.0
    #: ln R of each of `watches.STAFF_WATCHES`; None before the first evaluation.
    log_odds: list[float | None] = msgspec.field(default_factory=list)
    #: The time of the latest alert by kind, in epoch seconds.
    alerted_at: dict[str, float] = msgspec.field(default_factory=dict)
    #: What alerts have reported about the staff member; None before the first.
    finding: Finding | None = None
    #: One element, the main seller of the latest announced accusation; empty before any accusation.
    announced: list[str | None] = msgspec.field(default_factory=list)
    #: The latest verdict that ended the earlier evidence, in epoch seconds; None before the first.
    verdict_at: float | None = None
    #: Whether a verdict confirmed the accusation: it is then not withdrawn.
    confirmed: bool = False
    #: Until when no alerts are raised, in epoch seconds; 0 if they may be.
    muted_until: float = 0.0

    def evaluated_since(self) -> float:
        """Return since when windows may begin: the first sight, or the latest verdict (epoch seconds)."""
        return self.first_seen if self.verdict_at is None else self.verdict_at

    def main_seller(self) -> str | None:
        """Return the seller that more than three quarters of the kept flips belong to, if there is one."""
        counts = Counter(finding.seller_id for finding in self.flips.latest)
        seller_id, flips = max(counts.items(), key=lambda item: (item[1], item[0]), default=(None, 0))
        return seller_id if 4 * flips > 3 * len(self.flips.latest) else None

    def last_active_at(self) -> float:
        """Return the time of the latest finding, or else of the first sight, in epoch seconds."""
        times = [finding.flip.at for part in (self.flips, self.removals) for finding in part.latest[-1:]]
        return max(times, default=self.first_seen)

    def max_log_odds(self) -> float:
        """Return the largest ln R of all watches; -inf before the first evaluation."""
        return max((value for value in self.log_odds if value is not None), default=-math.inf)

    def decide(self, decision: VerdictDecision) -> None:
        """Apply a verdict.

        "confirmed": the accusation stays until a later verdict. "explained" and "dismissed": the caller withdraws it.
        All three: no window begins before the verdict. "inconclusive": the evidence stays.
        """
        self.muted_until = decision.muted_until
        self.confirmed = decision.verdict == "confirmed"
        if decision.verdict == "inconclusive":
            return
        self.verdict_at = decision.at
        self.finding = None
        self.flips.history = []
        self.removals.history = []
