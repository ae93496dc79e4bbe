"""What an event does to a task: `apply` takes the next one and gives alerts.

What is known lies in `state`, as rows; `risk` keeps the reviews that could flip in their places.

Rule of this room: the state follows from the sequence of applied events and nothing else: no clock, no randomness,
no batching. Time is the latest event time seen ("clock"); what falls due before an event happens before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from stream.alerts import Alert
from stream.core import codec
from stream.core.bands import DAY
from stream.core.cases import Accuser
from stream.core.display import Display
from stream.core.dossiers import Dossier
from stream.core.panel import Market
from stream.core.past import WINDOWS
from stream.core.reports import Forget, Judgement, Report, Told
from stream.core.reviews import Review
from stream.core.risk import AtRisk
from stream.core.subjects import Seller
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


class Detector(AtRisk):
    """A task's state, and what each event does to it."""

    def __init__(
        self, budget: float, config_digest: str, number: int = 0, tasks: int = 1, pseudonyms: str = ""
    ) -> None:
        super().__init__(number, tasks, self._judge_staff, pseudonyms)
        self._accuser = Accuser(budget, config_digest)
        self._about_staff: list[Alert] = []
        self._handlers: dict[type[Event], Callable[[Any, float], list[Alert]]] = {
            ReviewCreated: self._created,
            ReviewEdited: self._edited,
            ReviewDeleted: self._deleted,
            OutreachSent: self._outreach,
            ContactAccessed: self._access,
        }

    def apply(self, event: Event, at: float, late: bool = False) -> list[Alert]:
        """Take the next event, which occurred `at` (epoch seconds).

        A second delivery is dropped and counted, a late event applied at the clock.
        """
        if not self._seen.add(event.event_id):
            self.counts["duplicate"] += 1
            return []
        if (self.told + 1) * DAY > self.clock:
            self.wake(at)
        if at > self.clock:
            self._advance(at)
        self.counts["applied"] += 1
        if late:
            self.counts["late"] += 1
        alerts = self._handlers[type(event)](event, at)
        if not alerts:
            return []
        seller = self.sellers[event.seller_id]
        self._changed_sellers.add(seller.seller_id)  # the time of the alert is part of its row
        flip = codec.flip_row(seller, (seller.flip_count - 1) % WINDOWS) if seller.flips else b""
        return self._sign(alerts, codec.seller_row(seller) + flip + codec.norm_row(self.norm))

    def hear(self, report: Report) -> list[Alert]:
        """Take what a task has told about staff, what was judged of it, or whom to forget."""
        if isinstance(report, Judgement):
            self.accusations.hear(report)
            return []
        if isinstance(report, Forget):
            self._erase(report.reviewer_id)
            return []
        judgement = self.panel.hear(report)
        if judgement is not None:
            self.outbox.append(judgement)
        alerts, self._about_staff = self._about_staff, []
        return alerts

    def _judge_staff(self, dossier: Dossier, market: Market, day: int, flips: bool, removals: bool) -> None:
        alerts: list[Alert] = []
        if flips:
            alerts += self._accuser.judge_staff(dossier, market, day)
        if removals:
            alerts += self._accuser.judge_removals(dossier, day)
        if alerts:
            self._about_staff += self._sign(alerts, codec.encode(dossier) + codec.encode(market))

    def _sign(self, alerts: list[Alert], rows: bytes) -> list[Alert]:
        """Give alerts the digest of what they go out with: what is known of their subject and of its market."""
        digest = hashlib.blake2b(rows, digest_size=16).hexdigest()
        self.counts["alerts"] += len(alerts)
        return [msgspec.structs.replace(alert, state_digest=digest) for alert in alerts]

    def _created(self, event: ReviewCreated, at: float) -> list[Alert]:
        known = self.reviews.get(event.review_id)
        if known is not None:
            return self._created_again(known, event, at)
        rating: int | None = event.rating
        early = self._early.take(event.review_id, at)
        if early is not None:
            self.counts["overtaken_review"] += 1
            rating = early.rating
        if rating is None:
            return []
        alerts = self._display(event.product_id, event.seller_id, 1, rating, 0.0, event.event_id)
        if rating <= CRITICAL_STARS:
            self._follow(event, rating, at)
        return alerts

    def _created_again(self, review: Review, event: ReviewCreated, at: float) -> list[Alert]:
        """Told twice, or followed since an edit that overtook this creation: then its age is known only now."""
        if review.seller.seller_id != event.seller_id or at >= review.created_at:
            self.counts["known_review"] += 1
            return []
        self.counts["overtaken_review"] += 1
        review.created_at = at
        self._replace(review)
        return self._display(review.product_id, event.seller_id, 1, review.rating, 0.0, event.event_id)

    def _edited(self, event: ReviewEdited, at: float) -> list[Alert]:
        review = self.reviews.get(event.review_id)
        if review is None:
            return self._edited_unfollowed(event, at)
        if review.seller.seller_id != event.seller_id:
            self.counts["foreign_review"] += 1
            return []
        moved = event.rating - review.rating
        if event.rating > CRITICAL_STARS:
            return self._flip(review, event.event_id, moved, retracted=False)
        alerts = self._display(review.product_id, event.seller_id, 0, moved, float(moved), event.event_id)
        if moved:
            review.rating = event.rating
            self._replace(review)
        return alerts

    def _edited_unfollowed(self, event: ReviewEdited, at: float) -> list[Alert]:
        """Not at risk until now: it was uncritical, or was never seen, or its creation is still to come."""
        before = event.previous_rating
        if before is None or before <= CRITICAL_STARS:
            self.counts["unseen_edit"] += 1
            if event.rating > CRITICAL_STARS:
                self._early.remember(event.review_id, at, event.rating, self.counts["applied"])
        moved = event.rating - before if before is not None else 0
        alerts = self._display(event.product_id, event.seller_id, 0, moved, float(moved), event.event_id)
        if event.rating <= CRITICAL_STARS:
            self._follow(event, event.rating, at)
        return alerts

    def _deleted(self, event: ReviewDeleted, at: float) -> list[Alert]:
        review = self._own(event.review_id, event.seller_id)
        by_platform = event.deleted_by == "platform"
        if review is None:
            if event.rating is None or event.rating <= CRITICAL_STARS:
                self.counts["unseen_deletion"] += 1
                self._early.remember(event.review_id, at, None, self.counts["applied"])
            elif by_platform:
                self._removed(event, None)
            if event.rating is None:
                return []
            return self._display(event.product_id, event.seller_id, -1, -event.rating, 0.0, event.event_id)
        if not by_platform:
            return self._flip(review, event.event_id, 0, retracted=True)
        self.counts["removed"] += 1
        if not review.outside:  # to clear up after a bomb is what moderators are for
            self._removed(event, review)
        self._remove(review)
        return self._display(review.product_id, event.seller_id, -1, -review.rating, 0.0, event.event_id)

    def _removed(self, event: ReviewDeleted, review: Review | None) -> None:
        """The platform removes a review that is critical, or (None) one that is not."""
        self.norm.today.removed += 1
        self.norm.today.critical += review is not None
        if event.actor_id is None:  # a machine
            return
        told = None
        if review is not None:
            shown = self.products.get(review.product_id)
            lift = max(0.0, shown.rating - review.rating) if shown else 0.0
            told = Told(event.seller_id, event.event_id, None, review.told(self.clock, lift, False))
        self._member(event.actor_id).remove(told)
        self._changed_staff.add(event.actor_id)

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
        elif not review.outside:
            at = max(at, review.created_at)
            self._look_up(review, event.actor_id, at)
            review.looked_up_at = max(at, review.looked_up_at or at)
            self._replace(review)
        return []

    def _concerned(self, event: OutreachSent) -> list[Review]:
        if event.review_id is not None:
            review = self._own(event.review_id, event.seller_id)
            return [review] if review is not None else []
        seller = self.sellers.get(event.seller_id)
        ids = seller.reviewers.get(event.reviewer_id, ()) if seller else ()
        return [self.reviews[review_id] for review_id in sorted(ids)]

    def _own(self, review_id: str, seller_id: str) -> Review | None:
        """The open critical review, unless it is said to be another seller's."""
        review = self.reviews.get(review_id)
        return review if review is not None and review.seller.seller_id == seller_id else None

    def _flip(self, review: Review, event_id: str, moved: int, retracted: bool) -> list[Alert]:
        now, seller = self.clock, review.seller
        shown = self.products.get(review.product_id)
        lift = max(0.0, shown.rating - review.rating) if retracted and shown else float(moved)
        stars = -review.rating if retracted else moved
        gone = -1 if retracted else 0
        if review.outside:
            self._remove(review)
            return self._display(review.product_id, seller.seller_id, gone, stars, lift, event_id)
        staff = [access.staff for access in review.accesses]
        flip = review.told(now, lift, retracted)
        self.counts["retracted" if retracted else "upgraded"] += 1
        seller.settle_all(self.norm, now)
        voice = seller.voice
        seller.flip(review.cell, flip, self.norm)
        percentile = self.patterns.score(self._accuser.features(seller, flip, now - review.created_at))
        alerts = self._accuser.judge(seller, self.norm, self._sold(seller), event_id, now, percentile)
        for each in staff:
            each.flip(Told(seller.seller_id, event_id, percentile, flip), voice, self.norm)
            self._changed_staff.add(each.actor_id)
        self._remove(review)
        self._changed[codec.FLIP].add(codec.flip_name(seller.seller_id, seller.flip_count - 1))
        alerts += self._display(review.product_id, seller.seller_id, gone, stars, lift, event_id)
        return alerts

    def _sold(self, seller: Seller) -> list[bool]:
        """Of each of the seller's kept flips, whether staff answer for it who are accused over others' reviews.

        Empty where nobody is accused.
        """
        name, accused = seller.seller_id, self.accusations.by(int(self.clock // DAY))
        if not accused:
            return []
        return [any(actor in accused and accused[actor] != name for actor in flip.actors) for flip in seller.flips]

    def _display(
        self, product_id: str, seller_id: str, reviews: int, stars: int, lift: float, event_id: str
    ) -> list[Alert]:
        shown = self.products.get(product_id)
        if shown is None:
            shown = self.products[product_id] = Display()
        self._changed_products.add(product_id)
        tape = shown.show(self.clock, reviews, stars, lift)
        seller = self.sellers.get(seller_id) if tape else None
        return self._accuser.shift(seller, product_id, tape, event_id, self.clock) if seller and tape else []
