"""What an event does to a task: `apply` takes the next one and gives alerts (`state` holds what is known, as rows).

Rule of this room: the state follows from the sequence of applied events and nothing else: no clock, no randomness,
no batching. Time is the latest event time seen ("clock"); what falls due before an event happens before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

import msgspec

from stream.alerts import Alert
from stream.core import codec
from stream.core.bands import FOLLOW_SECONDS, HOUR
from stream.core.cases import Accuser
from stream.core.patterns import Display
from stream.core.reviews import Review
from stream.core.state import State
from stream.core.subjects import Flip, Seller
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

#: Edits and deletions remembered whose review has not been seen yet (they overtook it); the oldest go first.
EARLY_LIMIT: Final = 10_000


class Detector(State):
    """A task's state, and what each event does to it."""

    def __init__(self, budget: float, config_digest: str) -> None:
        super().__init__()
        self._accuser = Accuser(budget, config_digest)
        self._handlers: dict[type[Event], Callable[[Any, float], list[Alert]]] = {
            ReviewCreated: self._created,
            ReviewEdited: self._edited,
            ReviewDeleted: self._deleted,
            OutreachSent: self._outreach,
            ContactAccessed: self._access,
        }

    def apply(self, event: Event, late: bool = False) -> list[Alert]:
        """Take the next event; a second delivery is dropped and counted, a late one applied at the clock."""
        if not self._seen.add(event.event_id):
            self.counts["duplicate"] += 1
            return []
        at = event.occurred_at.timestamp()
        if at > self.clock:
            self._advance(at)
        self.counts["applied"] += 1
        if late:
            self.counts["late"] += 1
        alerts = self._handlers[type(event)](event, at)
        return self._sign(alerts, self.sellers[event.seller_id]) if alerts else []

    def _sign(self, alerts: list[Alert], seller: Seller) -> list[Alert]:
        """Give alerts the digest of what they go out with: the rows of their seller and of the norm."""
        self._dirty.add(codec.SELLER + seller.seller_id.encode())
        rows = codec.seller_row(seller) + codec.history_row(seller) + codec.norm_row(self.norm)
        digest = hashlib.blake2b(rows, digest_size=16).hexdigest()
        self.counts["alerts"] += len(alerts)
        return [msgspec.structs.replace(alert, state_digest=digest) for alert in alerts]

    # -- time ---------------------------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        if self.clock == float("-inf"):
            self.norm.start(now)
        timers = self._timers
        while timers and timers[0][0] <= now:
            due, review_id = heappop(timers)
            review = self.reviews.get(review_id)
            if review is not None and review.due == due:
                self.norm.roll(due)
                self.clock = due
                self._retire_or_move(review)
        self.norm.roll(now)
        self.clock = now

    def _retire_or_move(self, review: Review) -> None:
        if self.clock >= review.created_at + FOLLOW_SECONDS:
            self.counts["retired"] += 1
            self._remove(review)
        else:
            self._replace(review)

    # -- events -------------------------------------------------------------------------------------------------

    def _created(self, event: ReviewCreated, at: float) -> list[Alert]:
        if event.review_id in self.reviews:
            self.counts["known_review"] += 1
            return []
        rating: int | None = event.rating
        early = self._early.get(event.review_id)
        if early is not None and early[0] >= at:
            self.counts["overtaken_review"] += 1
            del self._early[event.review_id]
            self._dirty.add(codec.EARLY + event.review_id.encode())
            rating = early[1]
        if rating is None:
            return []
        alerts = self._display(event.product_id, event.seller_id, 1, rating, 0.0, event.event_id)
        if rating <= CRITICAL_STARS:
            self._follow(event, rating, at)
        return alerts

    def _edited(self, event: ReviewEdited, at: float) -> list[Alert]:
        review = self._own(event.review_id, event.seller_id)
        if review is None:
            return self._edited_unseen(event, at)
        moved = event.rating - review.rating
        if event.rating > CRITICAL_STARS:
            return self._flip(review, event.event_id, moved, retracted=False)
        alerts = self._display(review.product_id, review.seller_id, 0, moved, float(moved), event.event_id)
        if moved:
            review.rating = event.rating
            self._replace(review)
        return alerts

    def _edited_unseen(self, event: ReviewEdited, at: float) -> list[Alert]:
        """Not at risk until now: it was uncritical, or was never seen, or its creation is still to come."""
        before = event.previous_rating
        if before is None or before <= CRITICAL_STARS:
            self.counts["unseen_edit"] += 1
            self._remember(event.review_id, at, event.rating)
        moved = event.rating - before if before is not None else 0
        alerts = self._display(event.product_id, event.seller_id, 0, moved, float(moved), event.event_id)
        if event.rating <= CRITICAL_STARS and before is not None:
            self._follow(event, event.rating, at)
        return alerts

    def _deleted(self, event: ReviewDeleted, at: float) -> list[Alert]:
        review = self._own(event.review_id, event.seller_id)
        if review is None:
            if event.rating is None or event.rating <= CRITICAL_STARS:
                self.counts["unseen_deletion"] += 1
                self._remember(event.review_id, at, None)
            if event.rating is None:
                return []
            return self._display(event.product_id, event.seller_id, -1, -event.rating, 0.0, event.event_id)
        if event.deleted_by == "platform":
            self.counts["removed"] += 1
            self._remove(review)
            return self._display(review.product_id, review.seller_id, -1, -review.rating, 0.0, event.event_id)
        return self._flip(review, event.event_id, 0, retracted=True)

    def _outreach(self, event: OutreachSent, at: float) -> list[Alert]:
        touched = 0
        for review in self._concerned(event):
            if review.contacted_at is None or at > review.contacted_at:
                review.contacted_at = max(at, review.created_at)
                review.incentive = review.incentive or event.channel in INCENTIVES
                self._replace(review)
            touched += 1
        if not touched:
            self.counts["unmatched_outreach"] += 1
        return []

    def _access(self, event: ContactAccessed, at: float) -> list[Alert]:
        review = self._own(event.review_id, event.seller_id)
        if review is None:
            self.counts["unmatched_access"] += 1
        elif review.looked_up_at is None or at > review.looked_up_at:
            review.looked_up_at = max(at, review.created_at)
            self._replace(review)
        return []

    def _concerned(self, event: OutreachSent) -> list[Review]:
        if event.review_id is not None:
            review = self._own(event.review_id, event.seller_id)
            return [review] if review is not None else []
        seller = self.sellers.get(event.seller_id)
        ids = seller.reviewers.get(event.reviewer_id, []) if seller else []
        return [self.reviews[review_id] for review_id in sorted(ids)]

    def _own(self, review_id: str, seller_id: str) -> Review | None:
        """The open critical review, unless it is said to be another seller's."""
        review = self.reviews.get(review_id)
        return review if review is not None and review.seller_id == seller_id else None

    # -- reviews at risk ----------------------------------------------------------------------------------------

    def _follow(self, event: ReviewCreated | ReviewEdited, rating: int, at: float) -> None:
        if at + FOLLOW_SECONDS <= self.clock:
            self.counts["retired"] += 1
            return
        review = Review(event.review_id, event.seller_id, event.product_id, event.reviewer_id, rating, at)
        self.reviews[review.review_id] = review
        seller = self._seller(review.seller_id)
        seller.reviewers.setdefault(review.reviewer_id, []).append(review.review_id)
        self._place(review, seller)

    def _place(self, review: Review, seller: Seller) -> None:
        review.place(self.clock)
        seller.move(review.cell, 1, self.norm, self.clock)
        heappush(self._timers, (review.due, review.review_id))
        self._dirty.add(codec.REVIEW + review.review_id.encode())
        self._dirty.add(codec.SELLER + seller.seller_id.encode())

    def _replace(self, review: Review) -> None:
        seller = self.sellers[review.seller_id]
        seller.move(review.cell, -1, self.norm, self.clock)
        self._place(review, seller)

    def _remove(self, review: Review) -> None:
        seller = self.sellers[review.seller_id]
        seller.move(review.cell, -1, self.norm, self.clock)
        ids = seller.reviewers[review.reviewer_id]
        ids.remove(review.review_id)
        if not ids:
            del seller.reviewers[review.reviewer_id]
        del self.reviews[review.review_id]
        self._dirty.add(codec.REVIEW + review.review_id.encode())
        self._dirty.add(codec.SELLER + seller.seller_id.encode())

    def _seller(self, seller_id: str) -> Seller:
        seller = self.sellers.get(seller_id)
        if seller is None:
            seller = self.sellers[seller_id] = Seller(seller_id, self.clock)
        return seller

    def _remember(self, review_id: str, at: float, rating: int | None) -> None:
        self._early[review_id] = (at, rating)
        self._dirty.add(codec.EARLY + review_id.encode())
        if len(self._early) > EARLY_LIMIT:
            oldest = min(self._early, key=lambda name: (self._early[name][0], name))
            del self._early[oldest]
            self._dirty.add(codec.EARLY + oldest.encode())

    # -- flips --------------------------------------------------------------------------------------------------

    def _flip(self, review: Review, event_id: str, moved: int, retracted: bool) -> list[Alert]:
        now, seller = self.clock, self.sellers[review.seller_id]
        shown = self.products.get(review.product_id)
        lift = max(0.0, shown.rating - review.rating) if retracted and shown else float(moved)
        contact = review.contacted_at
        flip = Flip(
            at=now,
            review_id=review.review_id,
            stars=lift,
            retracted=retracted,
            incentive=review.incentive,
            contact_hours=None if contact is None else max(0.0, now - contact) / HOUR,
        )
        self.counts["retracted" if retracted else "upgraded"] += 1
        seller.settle_all(self.norm, now)
        seller.flip(review.cell, flip, self.norm)
        percentile = self.patterns.score(self._accuser.features(seller, flip, now - review.created_at))
        alerts = self._accuser.judge(seller, self.norm, event_id, now, percentile)
        self._remove(review)
        self._dirty.update((codec.HISTORY + seller.seller_id.encode(), codec.PATTERNS))
        stars = -review.rating if retracted else moved
        alerts += self._display(review.product_id, review.seller_id, -1 if retracted else 0, stars, lift, event_id)
        return alerts

    def _display(
        self, product_id: str, seller_id: str, reviews: int, stars: int, lift: float, event_id: str
    ) -> list[Alert]:
        shown = self.products.get(product_id)
        if shown is None:
            shown = self.products[product_id] = Display()
        shown.show(reviews, stars)
        self._dirty.add(codec.PRODUCT + product_id.encode())
        tape = shown.learn(self.clock, lift)
        seller = self.sellers.get(seller_id) if tape else None
        return self._accuser.shift(seller, product_id, tape, event_id, self.clock) if seller else []
