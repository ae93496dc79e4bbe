"""Hazards by stratum: a detector of another design, so that a simpler one that does better is noticed.

Unlike the product it compares each stratum by itself (no hazard ratio of the whole market), and it has four exposure
groups, one variant a contrast, no arrival clusters, no looked-up ratio, no insider clients and no staff.

Invariant: nothing is shared with the product's core. All times are days since the epoch.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections import deque
from typing import Final

from stream.arena.competitor import NO_EVIDENCE
from stream.arena.stratum_clocks import CONTACTED, LOOKED_UP, OLD, OTHER, HazardCell, SellerAtRisk, Strata, StratumKey
from stream.arena.stratum_evidence import ALL_FLIPS, BY_GROUP, YOUNGER, PastFlip, log_odds
from stream.contract.events import (
    CRITICAL_STARS,
    ContactAccessed,
    OutreachSent,
    ReviewCreated,
    ReviewDeleted,
    ReviewEdited,
    SellerEvent,
)

#: Edges of the age buckets, and of the buckets of the time since a contact.
_AGE_EDGES: Final = (1 / 24, 1.0, 7.0, 30.0, 60.0, 90.0, 180.0)
_CONTACT_EDGES: Final = (1 / 24, 1.0, 3.0, 7.0, 30.0)
#: How long a contact or a look-up may explain a flip.
_REACH: Final = 30.0
#: The age from which a review is old.
_OLD: Final = 90.0
#: A review changes its cell this much after the edge, so that rounding does not leave it below.
_AFTER: Final = 1e-9
#: The memory of the expected flips that lower a weight; with this number of them the weight is half.
_MEMORY, _HALF_WEIGHT = 60.0, 2.0
_LEAST_WEIGHT: Final = 1e-6
#: A weight is renewed this long after each flip; ln R counts for a weight this much less at each later evaluation.
_RENEWAL, _FADING = 14.0, 0.1
#: A review bomb: critical reviews within so many days, above the usual number by so many deviations and reviews.
_BOMB_DAYS, _BOMB = 2.0, 5.0
#: Deletions and flips of each number of stars, before any was seen.
_DELETIONS, _FLIPS = 1.0, 4.0

#: Seller and review.
ReviewKey = tuple[str, str]


class _Seller:
    def __init__(self, strata: Strata, at: float) -> None:
        self.at_risk = SellerAtRisk(strata)
        self.flips: list[PastFlip] = []
        #: The largest ln R at the latest flip, and ln R that lowers the weight.
        self.score = self.suspicion = NO_EVIDENCE
        #: The latest critical reviews, with their times; the number of earlier ones.
        self._arrivals: deque[tuple[float, ReviewKey]] = deque()
        self._earlier = 0
        self._since = at
        #: Expected flips: decaying, their total when they last decayed, and when that was.
        self._recent, self._total, self._decayed = 0.0, 0.0, at

    def renew_weight(self, at: float) -> None:
        """Set the weight by the seller's recent expected flips and its evidence."""
        self.at_risk.settle_all(at)
        total = sum(self.at_risk.by_peers)
        self._recent = self._recent * math.exp((self._decayed - at) / _MEMORY) + total - self._total
        self._total, self._decayed = total, at
        honest = 1 / (1 + math.exp(min(self.suspicion, 50.0)))  # a larger one could overflow
        self.at_risk.set_weight(max(_LEAST_WEIGHT, honest / (1 + self._recent / _HALF_WEIGHT)), at)

    def bomb(self, review: ReviewKey, at: float) -> list[ReviewKey]:
        """Count an arrival; return the reviews of the review bomb that it belongs to, if any."""
        arrivals = self._arrivals
        arrivals.append((at, review))
        while arrivals[0][0] < at - _BOMB_DAYS:
            arrivals.popleft()
            self._earlier += 1
        usual = _BOMB_DAYS * (1 + self._earlier) / (2 * _BOMB_DAYS + at - self._since)
        is_bomb = len(arrivals) > usual + _BOMB * math.sqrt(usual) + _BOMB
        return [each for _, each in arrivals] if is_bomb else []


class _Review:
    """A critical review; `cell` is None while it is not at risk, `timer` is the number of its valid timer."""

    __slots__ = ("cell", "contacted_at", "created_at", "looked_up_at", "seller", "stars", "timer")

    def __init__(self, seller: _Seller, stars: int, at: float) -> None:
        self.seller = seller
        self.stars = stars
        self.created_at = at
        self.contacted_at = self.looked_up_at = -math.inf
        self.cell: HazardCell | None = None
        self.timer = 0

    def cell_at(self, at: float) -> HazardCell:
        """Return the cell at a time."""
        age, since_contact = at - self.created_at, at - self.contacted_at
        age_bucket, contact_bucket, group = bisect_right(_AGE_EDGES, age), -1, OLD if age >= _OLD else OTHER
        if since_contact < _REACH:
            age_bucket, contact_bucket, group = -1, bisect_right(_CONTACT_EDGES, since_contact), CONTACTED
        if at - self.looked_up_at < _REACH:
            group = LOOKED_UP
        return HazardCell(StratumKey(self.stars, age_bucket, contact_bucket), group, bisect_right(YOUNGER, age))

    def next_edge(self, at: float) -> float:
        """Return when the cell may change next by the passing of time; infinity if it does not."""
        edges = [
            *(self.created_at + age for age in _AGE_EDGES),
            *(self.contacted_at + age for age in _CONTACT_EDGES),
            self.looked_up_at + _REACH,
        ]
        return min((edge for edge in edges if edge > at + _AFTER), default=math.inf)


class StratumHazards:
    """Scores a seller by the largest ln R at its latest flip.

    It ignores contacts that name no review, and reviews that become critical by an edit.
    """

    def __init__(self) -> None:
        self._now = -math.inf
        self._strata = Strata()
        self._sellers: dict[str, _Seller] = {}
        #: Critical reviews that have not ended, by seller and review.
        self._open: dict[ReviewKey, _Review] = {}
        #: Time, number, review: when reviews change their cells.
        self._timers: list[tuple[float, int, _Review]] = []
        self._timer_count = 0
        #: Times at which weights are renewed.
        self._renewals: deque[tuple[float, _Seller]] = deque()
        #: By stars: deletions and flips, by weight.
        self._endings = {stars: [_DELETIONS, _FLIPS] for stars in range(1, CRITICAL_STARS + 1)}

    def learn_one(self, x: SellerEvent) -> None:
        """Process the next event."""
        now = self._now = max(self._now, x.occurred_at.timestamp() / 86_400)
        self._advance(now)
        if isinstance(x, ReviewCreated):
            self._on_created(x, now)
            return
        key = x.seller_id, getattr(x, "review_id", None) or ""
        review = self._open.get(key)
        if review is None:
            return
        if isinstance(x, OutreachSent):
            review.contacted_at = now
            self._place(review, now)
        elif isinstance(x, ContactAccessed):
            self._leave(review, now)  # so that a second look-up settles the stratum, too
            review.looked_up_at = now
            self._place(review, now)
        elif isinstance(x, ReviewEdited) and x.rating <= CRITICAL_STARS:
            review.stars = x.rating
            self._place(review, now)
        elif isinstance(x, ReviewEdited | ReviewDeleted):
            if isinstance(x, ReviewEdited) or x.deleted_by == "author":
                self._on_flip(review, isinstance(x, ReviewDeleted), now)
            self._end(key, now)

    def score_one(self, x: SellerEvent) -> float:
        """Return the seller's score after its latest flip."""
        seller = self._sellers.get(x.seller_id)
        return seller.score if seller else NO_EVIDENCE

    def _advance(self, now: float) -> None:
        """Move reviews to the cells of their ages, and renew weights that are due."""
        while self._timers and self._timers[0][0] <= now:
            at, number, review = heapq.heappop(self._timers)
            if review.cell and review.timer == number:
                self._place(review, at)
        while self._renewals and self._renewals[0][0] <= now:
            self._renewals.popleft()[1].renew_weight(now)

    def _on_created(self, x: ReviewCreated, now: float) -> None:
        key = x.seller_id, x.review_id
        if x.rating > CRITICAL_STARS or key in self._open:
            return
        seller = self._sellers.get(x.seller_id)
        if seller is None:
            seller = self._sellers[x.seller_id] = _Seller(self._strata, now)
        review = self._open[key] = _Review(seller, x.rating, now)
        bomb = seller.bomb(key, now)
        for each in bomb:
            self._end(each, now)
        if not bomb:
            self._place(review, now)

    def _place(self, review: _Review, at: float) -> None:
        """Move a review to its cell at a time, and set its timer."""
        cell, at_risk = review.cell_at(at + _AFTER), review.seller.at_risk
        if review.cell != cell:
            self._leave(review, at)
            at_risk.change(cell, 1, at)
            review.cell = cell
        edge = review.next_edge(at)
        if edge < math.inf:
            self._timer_count += 1
            review.timer = self._timer_count
            heapq.heappush(self._timers, (edge, review.timer, review))

    def _end(self, key: ReviewKey, at: float) -> None:
        """End a review, if it has not ended."""
        if review := self._open.pop(key, None):
            self._leave(review, at)

    def _leave(self, review: _Review, at: float) -> None:
        """Take a review out of the risk set."""
        if review.cell:
            review.seller.at_risk.change(review.cell, -1, at)
            review.cell = None

    def _on_flip(self, review: _Review, retracted: bool, now: float) -> None:
        seller, cell = review.seller, review.cell
        assert cell, "an open review is at risk"
        seller.renew_weight(now)
        at_risk, endings = seller.at_risk, self._endings[review.stars]
        at_risk.add_flip(cell.stratum, now)
        seller.flips.append(
            PastFlip(
                *(now, cell.group, retracted, endings[0] / endings[1], cell.age_class),
                at_risk.younger(len(YOUNGER)),
                tuple(at_risk.by_peers),
                tuple(at_risk.by_long_run),
            )
        )
        endings[0] += retracted * at_risk.weight
        endings[1] += at_risk.weight
        self._renewals.append((now + _RENEWAL, seller))
        seller.score = NO_EVIDENCE
        for contrast in (ALL_FLIPS, BY_GROUP.get(cell.group)):
            if contrast:
                found = max(log_odds(seller.flips, contrast), NO_EVIDENCE)
                seller.score = max(seller.score, found)
                seller.suspicion = max(seller.suspicion - _FADING, found)
