"""The bookkeeping of all baselines: open critical reviews, their outcomes, and counts of sellers and market.

Invariant: plain counting that any team would write first; no scores, and nothing of the product's core.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

from stream.contract.events import (
    CRITICAL_STARS,
    INCENTIVES,
    ContactAccessed,
    OutreachSent,
    ReviewCreated,
    ReviewDeleted,
    ReviewEdited,
    SellerEvent,
)

HOUR: Final = 3600.0
DAY: Final = 86_400.0
#: Three spans in one: how long after a contact or a look-up a flip is attributed to it; the age up to which a review
#: counts as fresh, because most authors who flip do so by then; and the window of recent flips.
MONTH: Final = 30 * DAY


class ExposureCounts:
    """The fresh reviews, exposure and flips of one seller, or of the whole market."""

    __slots__ = ("_exposure", "_settled", "flips", "fresh", "recent", "seller_id", "since")

    def __init__(self, seller_id: str, since: float) -> None:
        self.seller_id = seller_id
        self.since = since
        self.fresh = 0  # open critical reviews younger than a month
        self.flips = 0
        #: Times of the flips within the last month.
        self.recent: deque[float] = deque()
        self._exposure = 0.0
        self._settled = since

    def exposure(self, now: float) -> float:
        """Return the exposure in review-days: the sum of the days that its reviews were fresh."""
        return self._exposure + self.fresh * (now - self._settled) / DAY

    def change(self, reviews: int, now: float) -> None:
        """Change the number of fresh reviews."""
        self._exposure, self._settled = self.exposure(now), now
        self.fresh += reviews

    def flip(self, now: float) -> None:
        """Count a flip."""
        self.flips += 1
        self.recent.append(now)

    def flips_within_month(self, now: float) -> int:
        """Return the number of flips in the month up to now."""
        while self.recent and self.recent[0] <= now - MONTH:
            self.recent.popleft()
        return len(self.recent)


class OpenReview:
    """An open critical review; times are epoch seconds, minus infinity if there was no contact or look-up."""

    __slots__ = ("contacted_at", "counts", "created_at", "fresh", "incentive", "looked_up_at", "rating", "reviewer_id")

    def __init__(self, counts: ExposureCounts, reviewer_id: str, rating: int, created_at: float) -> None:
        self.counts = counts
        self.reviewer_id = reviewer_id
        self.rating = rating
        self.created_at = created_at  # or when it became critical, if by an edit
        self.fresh = True
        self.contacted_at = -math.inf
        self.looked_up_at = -math.inf
        self.incentive = False


class ReviewOutcome(NamedTuple):
    """A critical review has flipped, or has stood for a month (it may still flip later)."""

    #: The seller's counts.
    counts: ExposureCounts
    at: float
    flipped: bool
    age_days: float
    #: Since the latest contact; None if there was none within a month.
    contact_hours: float | None
    looked_up: bool
    incentive: bool
    retracted: bool
    #: By how many stars the rating rose; a retraction counts as a rise to five.
    stars: int


class ReviewTracker:
    """Tracks the critical reviews of a market."""

    def __init__(self) -> None:
        self.market = ExposureCounts("", 0.0)
        #: By seller.
        self.sellers: dict[str, ExposureCounts] = {}
        self.clock = -math.inf
        self._open: dict[str, OpenReview] = {}
        self._by_reviewer: dict[tuple[str, str], list[str]] = {}
        #: Fresh reviews in order of creation; some are closed by now.
        self._fresh: deque[tuple[str, OpenReview]] = deque()

    def learn_one(self, x: SellerEvent) -> list[ReviewOutcome]:
        """Process the next event; return the outcomes caused by it and by the time that has passed."""
        now = self.clock = max(self.clock, x.occurred_at.timestamp())
        fresh = self._fresh
        outcomes = self._expire_fresh(now) if fresh and fresh[0][1].created_at <= now - MONTH else []
        if isinstance(x, ReviewCreated):
            if x.rating <= CRITICAL_STARS:
                self._open_review(x, now)
        elif isinstance(x, ReviewEdited | ReviewDeleted):
            review = self._open.get(x.review_id)
            if review is None:
                if isinstance(x, ReviewEdited) and x.rating <= CRITICAL_STARS:
                    self._open_review(x, now)
            elif review.counts.seller_id == x.seller_id:
                outcomes += self._on_change(x, review, now)
        elif isinstance(x, OutreachSent):
            self._on_contact(x, now)
        elif isinstance(x, ContactAccessed) and x.review_id in self._open:
            self._open[x.review_id].looked_up_at = now
        return outcomes

    def _open_review(self, x: ReviewCreated | ReviewEdited, now: float) -> None:
        if x.review_id in self._open:
            return
        counts = self.sellers.get(x.seller_id)
        if counts is None:
            counts = self.sellers[x.seller_id] = ExposureCounts(x.seller_id, now)
        review = self._open[x.review_id] = OpenReview(counts, x.reviewer_id, x.rating, now)
        self._fresh.append((x.review_id, review))
        self._by_reviewer.setdefault((x.seller_id, x.reviewer_id), []).append(x.review_id)
        counts.change(1, now)
        self.market.change(1, now)

    def _expire_fresh(self, now: float) -> list[ReviewOutcome]:
        outcomes = []
        while self._fresh and self._fresh[0][1].created_at <= now - MONTH:
            review_id, review = self._fresh.popleft()
            if self._open.get(review_id) is review:
                self._end_fresh(review, now)
                outcomes.append(_outcome(review, now, flipped=False, retracted=False, stars=0))
        return outcomes

    def _end_fresh(self, review: OpenReview, now: float) -> None:
        if review.fresh:
            review.fresh = False
            review.counts.change(-1, now)
            self.market.change(-1, now)

    def _on_change(self, x: ReviewEdited | ReviewDeleted, review: OpenReview, now: float) -> list[ReviewOutcome]:
        if isinstance(x, ReviewEdited) and x.rating <= CRITICAL_STARS:
            review.rating = x.rating
            return []
        del self._open[x.review_id]
        self._by_reviewer[x.seller_id, review.reviewer_id].remove(x.review_id)
        self._end_fresh(review, now)
        if isinstance(x, ReviewDeleted) and x.deleted_by == "platform":
            return []
        review.counts.flip(now)
        self.market.flip(now)
        stars = x.rating if isinstance(x, ReviewEdited) else 5
        return [_outcome(review, now, True, isinstance(x, ReviewDeleted), stars - review.rating)]

    def _on_contact(self, x: OutreachSent, now: float) -> None:
        review_ids = [x.review_id] if x.review_id else self._by_reviewer.get((x.seller_id, x.reviewer_id), [])
        for review_id in review_ids:
            review = self._open.get(review_id)
            if review is not None:
                review.contacted_at = now
                review.incentive = review.incentive or x.channel in INCENTIVES


def _outcome(review: OpenReview, now: float, flipped: bool, retracted: bool, stars: int) -> ReviewOutcome:
    since_contact = now - review.contacted_at
    return ReviewOutcome(
        counts=review.counts,
        at=now,
        flipped=flipped,
        age_days=(now - review.created_at) / DAY,
        contact_hours=since_contact / HOUR if since_contact <= MONTH else None,
        looked_up=now - review.looked_up_at <= MONTH,
        incentive=review.incentive,
        retracted=retracted,
        stars=stars,
    )
