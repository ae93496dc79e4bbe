"""What all baselines stand on: open critical reviews, what becomes of them, and accounts of sellers and market.

Rule of this room: plain bookkeeping that any team would write first; no judgement, and nothing of the product's core.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

from stream.events import (
    CRITICAL_STARS,
    INCENTIVES,
    ContactAccessed,
    Event,
    OutreachSent,
    ReviewCreated,
    ReviewDeleted,
    ReviewEdited,
)

HOUR: Final = 3600.0
DAY: Final = 86_400.0
#: For so long after a contact or a look-up a flip is put down to it; for so long a review counts as exposed, because
#: most who change their mind do so within that time; and so long is the window of recent flips.
MONTH: Final = 30 * DAY


class Account:
    """Of a seller, or of the whole market: reviews at risk, the time they were so, and flips."""

    __slots__ = ("_exposure", "_settled", "flips", "fresh", "recent", "seller_id", "since")

    def __init__(self, seller_id: str, since: float) -> None:
        self.seller_id = seller_id
        self.since = since
        self.fresh = 0  # open critical reviews of less than a month
        self.flips = 0
        #: Times of the flips within the last month.
        self.recent: deque[float] = deque()
        self._exposure = 0.0
        self._settled = since

    def exposure(self, now: float) -> float:
        """Days that its reviews have been exposed, all together."""
        return self._exposure + self.fresh * (now - self._settled) / DAY

    def change(self, reviews: int, now: float) -> None:
        """So many fresh reviews more or fewer."""
        self._exposure, self._settled = self.exposure(now), now
        self.fresh += reviews

    def flip(self, now: float) -> None:
        """One of its reviews flips."""
        self.flips += 1
        self.recent.append(now)

    def flips_within_month(self, now: float) -> int:
        """Flips of the month up to now."""
        while self.recent and self.recent[0] <= now - MONTH:
            self.recent.popleft()
        return len(self.recent)


class Open:
    """An open critical review."""

    __slots__ = ("account", "born", "contacted_at", "fresh", "incentive", "looked_up_at", "rating", "reviewer_id")

    def __init__(self, account: Account, reviewer_id: str, rating: int, born: float) -> None:
        self.account = account
        self.reviewer_id = reviewer_id
        self.rating = rating
        self.born = born
        self.fresh = True
        self.contacted_at = -math.inf
        self.looked_up_at = -math.inf
        self.incentive = False


class Outcome(NamedTuple):
    """A critical review has flipped, or has stood for a month (it may flip later all the same)."""

    account: Account
    at: float
    flipped: bool
    age_days: float
    #: Since the latest contact; None where there was none within a month.
    contact_hours: float | None
    looked_up: bool
    incentive: bool
    retracted: bool
    #: By how much the rating rose; a retraction counts as a rise to five.
    stars: int


class Follower:
    """Follows a market's critical reviews."""

    def __init__(self) -> None:
        self.market = Account("", 0.0)
        self.accounts: dict[str, Account] = {}
        self.clock = -math.inf
        self._open: dict[str, Open] = {}
        self._by_reviewer: dict[tuple[str, str], list[str]] = {}
        #: Fresh reviews in order of birth; some are closed by now.
        self._fresh: deque[tuple[str, Open]] = deque()

    def learn_one(self, x: Event) -> list[Outcome]:
        """Take the next event; what became of reviews by it, and by the time that has passed."""
        now = self.clock = max(self.clock, x.occurred_at.timestamp())
        fresh = self._fresh
        outcomes = self._ripen(now) if fresh and fresh[0][1].born <= now - MONTH else []
        if isinstance(x, ReviewCreated):
            if x.rating <= CRITICAL_STARS:
                self._follow(x, now)
        elif isinstance(x, ReviewEdited | ReviewDeleted):
            known = self._open.get(x.review_id)
            if known is None:
                if isinstance(x, ReviewEdited) and x.rating <= CRITICAL_STARS:
                    self._follow(x, now)
            elif known.account.seller_id == x.seller_id:
                outcomes += self._changed(x, known, now)
        elif isinstance(x, OutreachSent):
            self._contacted(x, now)
        elif isinstance(x, ContactAccessed) and x.review_id in self._open:
            self._open[x.review_id].looked_up_at = now
        return outcomes

    def _follow(self, x: ReviewCreated | ReviewEdited, now: float) -> None:
        if x.review_id in self._open:
            return
        account = self.accounts.get(x.seller_id)
        if account is None:
            account = self.accounts[x.seller_id] = Account(x.seller_id, now)
        review = self._open[x.review_id] = Open(account, x.reviewer_id, x.rating, now)
        self._fresh.append((x.review_id, review))
        self._by_reviewer.setdefault((x.seller_id, x.reviewer_id), []).append(x.review_id)
        account.change(1, now)
        self.market.change(1, now)

    def _ripen(self, now: float) -> list[Outcome]:
        outcomes = []
        while self._fresh and self._fresh[0][1].born <= now - MONTH:
            review_id, review = self._fresh.popleft()
            if self._open.get(review_id) is review:
                self._no_longer_fresh(review, now)
                outcomes.append(_outcome(review, now, flipped=False, retracted=False, stars=0))
        return outcomes

    def _no_longer_fresh(self, review: Open, now: float) -> None:
        if review.fresh:
            review.fresh = False
            review.account.change(-1, now)
            self.market.change(-1, now)

    def _changed(self, x: ReviewEdited | ReviewDeleted, review: Open, now: float) -> list[Outcome]:
        if isinstance(x, ReviewEdited) and x.rating <= CRITICAL_STARS:
            review.rating = x.rating
            return []
        del self._open[x.review_id]
        self._by_reviewer[x.seller_id, review.reviewer_id].remove(x.review_id)
        self._no_longer_fresh(review, now)
        if isinstance(x, ReviewDeleted) and x.deleted_by == "platform":
            return []
        review.account.flip(now)
        self.market.flip(now)
        stars = x.rating if isinstance(x, ReviewEdited) else 5
        return [_outcome(review, now, True, isinstance(x, ReviewDeleted), stars - review.rating)]

    def _contacted(self, x: OutreachSent, now: float) -> None:
        of = [x.review_id] if x.review_id else self._by_reviewer.get((x.seller_id, x.reviewer_id), [])
        for review_id in of:
            review = self._open.get(review_id)
            if review is not None:
                review.contacted_at = now
                review.incentive = review.incentive or x.channel in INCENTIVES


def _outcome(review: Open, now: float, flipped: bool, retracted: bool, stars: int) -> Outcome:
    since_contact = now - review.contacted_at
    return Outcome(
        account=review.account,
        at=now,
        flipped=flipped,
        age_days=(now - review.born) / DAY,
        contact_hours=since_contact / HOUR if since_contact <= MONTH else None,
        looked_up=now - review.looked_up_at <= MONTH,
        incentive=review.incentive,
        retracted=retracted,
        stars=stars,
    )
