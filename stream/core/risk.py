"""Reviews at risk, and what time does to them: they come, change band, go; subjects of the past are forgotten.

Rule of this room: what falls due before an event happens before it, each thing at its own time.
"""

from __future__ import annotations

import math
from typing import Final

from stream.core import codec
from stream.core.bands import DAY, FOLLOW_SECONDS, LOOKED_UP
from stream.core.panel import Judge
from stream.core.reports import DayReport, Report, Sums, exact
from stream.core.reviews import FORGOTTEN, Review
from stream.core.staff import Access, Staff
from stream.core.state import State
from stream.core.subjects import Seller
from stream.events import ReviewCreated, ReviewEdited

#: Subjects are looked through for those to be forgotten when such a stretch of event time has passed.
_MONTH_SECONDS: Final = 30 * DAY
#: Members of staff who answer for one review at a time.
MOST_ACCESSES: Final = 8


class AtRisk(State):
    """A task's state with its clock, and the ways in which a review comes to be at risk, moves and ends."""

    def __init__(self, number: int, tasks: int, judge: Judge, pseudonyms: str) -> None:
        super().__init__(number, tasks, judge, pseudonyms)
        #: What is to be told to other tasks, in order; whoever runs the task takes it away.
        self.outbox: list[Report] = []
        self._changed_reviews = self._changed[codec.REVIEW]
        self._changed_sellers = self._changed[codec.SELLER]
        self._changed_products = self._changed[codec.PRODUCT]
        self._changed_staff = self._changed[codec.STAFF]

    def _advance(self, now: float) -> None:
        norm, timers, changed = self.norm, self._timers, self._changed_sellers.add
        if self.clock == float("-inf"):
            norm.start(now)
            self._say(int(now // DAY) - 1, int(now // DAY) - 1)
            self.accusations.begin(int(now // DAY))
        while timers.next_due <= now and (review := timers.pop(now)) is not None:
            self.clock = due = review.due
            if due >= norm.next_day:
                self._pass_midnight(due)
            if due >= review.created_at + FOLLOW_SECONDS:
                self.counts["retired"] += 1
                self._remove(review)
            else:
                seller = review.seller
                seller.leave(review.cell, norm, due)
                if review.accesses:
                    self._disown(review, review.cell, due)
                review.advance()
                seller.enter(review.cell, norm, due)
                if review.accesses:
                    self._own_up(review, due)
                changed(seller.seller_id)
                timers.set(review)
        if now >= norm.next_day:
            self._pass_midnight(now)
        self.clock = now

    def _pass_midnight(self, now: float) -> None:
        """One midnight or more have passed: what the day has brought for staff is told, and the next one begins."""
        norm = self.norm
        midnight, day = norm.next_day, int(norm.day_began // DAY)
        for name in sorted(self.staff):
            staff = self.staff[name]
            said = staff.report(day, norm, midnight)
            if not said.empty:
                self.outbox.append(said)
            if not staff.held:
                del self.staff[name]
            self._changed_staff.add(name)
        sums, norm.today = norm.today, Sums()
        sums.looked_up_flips, sums.looked_up_expected = exact(sums.looked_up_flips), exact(sums.looked_up_expected)
        self._say(day, int(now // DAY) - 1, sums)
        month = norm.day_began // _MONTH_SECONDS
        norm.roll(now)
        self._timers.sweep(len(self.reviews))
        # By the midnight, not by what came first after it: that depends on whether the task was held back there.
        if norm.day_began // _MONTH_SECONDS != month:
            self._forget(norm.day_began // _MONTH_SECONDS * _MONTH_SECONDS - FOLLOW_SECONDS)

    def _say(self, day: int, through: int, sums: Sums | None = None) -> None:
        self.outbox.append(DayReport(writer=self.number, day=day, through=through, sums=sums or Sums()))
        self.told = through

    def answer(self) -> None:
        """There is nothing to read: nobody who has come further need wait for this task."""
        furthest = max(self.panel.progress.through.values(), default=-1)
        if furthest > self.told:
            self._say(furthest, furthest)

    def wake(self, now: float) -> None:
        """Something comes after such an answer, or is held back until others have come as far: its day begins here."""
        if math.isfinite(self.clock):
            if (self.told + 1) * DAY > self.clock:
                self._say(int(self.clock // DAY) - 1, int(self.clock // DAY) - 1)
            if now // DAY * DAY > self.clock:
                self._advance(now // DAY * DAY)

    def at_most(self, events: int) -> int:
        """How many events may be taken before `until` is asked again: it is not known before the first."""
        return events if math.isfinite(self.clock) else 1

    def until(self) -> float:
        """The time that events must stay below until more is heard from other tasks (epoch seconds)."""
        return self.accusations.until(self.tasks)

    def _forget(self, horizon: float) -> None:
        """Let go of products and sellers of which nothing was heard since: the bound on a task's memory.

        A seller without an open review has had no critical review that stayed for as long as reviews are followed.
        """
        for name in [name for name, product in self.products.items() if product.last_at < horizon]:
            del self.products[name]
            self._changed_products.add(name)
        for name in [name for name, seller in self.sellers.items() if seller.silent_since(horizon)]:
            self._changed[codec.FLIP].update(codec.flip_names(self.sellers.pop(name)))
            self._changed_sellers.add(name)

    def _disown(self, review: Review, cell: int, now: float) -> None:
        """The review goes out of a cell for those who looked it up."""
        for access in review.accesses:
            access.staff.leave(cell >> 1, access, self.norm, now)
            self._changed_staff.add(access.staff.actor_id)

    def _own_up(self, review: Review, now: float) -> None:
        """It comes into its band for those who still answer for it."""
        kept = tuple(access for access in review.accesses if access.reaches(now))
        if len(kept) < len(review.accesses):
            review.accesses = kept
            self._changed_reviews.add(review.review_id)
        for access in kept:
            access.staff.enter(review.cell >> 1, access, self.norm, now)
            self._changed_staff.add(access.staff.actor_id)

    def _look_up(self, review: Review, actor_id: str, at: float) -> None:
        """Somebody looked the review up; only the latest MOST_ACCESSES members of staff answer for it."""
        staff = self._member(actor_id)
        own = next((each for each in review.accesses if each.staff is staff), None)
        if own is not None and own.at >= at:
            return
        self._disown(review, review.cell, self.clock)
        if own is None:
            review.seller.settle_all(self.norm, self.clock)
            self._changed_sellers.add(review.seller.seller_id)
            access = Access(staff, at, max(1.0, review.seller.level(LOOKED_UP)), review.seller.voice)
        else:
            access = Access(staff, at, own.weight, own.voice)
        others = (each for each in review.accesses if each is not own)
        review.accesses = tuple(sorted((*others, access), key=lambda each: (each.at, each.staff.actor_id)))[
            -MOST_ACCESSES:
        ]
        self._own_up(review, self.clock)

    def _follow(self, event: ReviewCreated | ReviewEdited, rating: int, at: float) -> None:
        if at + FOLLOW_SECONDS <= self.clock:
            self.counts["retired"] += 1
            return
        seller = self._seller(event.seller_id)
        review = Review(event.review_id, seller, event.product_id, event.reviewer_id, rating, at)
        self.reviews[review.review_id] = review
        seller.follow(review.reviewer_id, review.review_id)
        bombed_before = seller.births.bombed
        review.outside = seller.births.count(self.clock)
        review.place(self.clock)
        if not review.outside:
            seller.enter(review.cell, self.norm, self.clock)
        else:
            self.counts["bombed"] += 1
            if not bombed_before:
                self._leave_since(seller, (seller.births.day - 1) * DAY)
        self._timers.set(review)
        self._changed_reviews.add(review.review_id)
        self._changed_sellers.add(seller.seller_id)

    def _leave_since(self, seller: Seller, since: float) -> None:
        """A bomb shows itself only after some of it has fallen: what was born since leaves the comparison, too."""
        for review_id in seller.open_ids():
            review = self.reviews[review_id]
            if review.created_at >= since and not review.outside:
                seller.leave(review.cell, self.norm, self.clock)
                self._disown(review, review.cell, self.clock)
                review.outside, review.accesses = True, ()
                review.place(self.clock)
                self._timers.set(review)
                self._changed_reviews.add(review_id)
                self.counts["bombed"] += 1

    def _replace(self, review: Review) -> None:
        """Something about the review has changed: it may lie in another band, and have another timer."""
        seller, now, cell, due = review.seller, self.clock, review.cell, review.due
        review.place(now)
        if review.cell != cell:
            seller.leave(cell, self.norm, now)
            seller.enter(review.cell, self.norm, now)
            self._changed_sellers.add(seller.seller_id)
            self._disown(review, cell, now)
            self._own_up(review, now)
        if review.due != due:
            self._timers.set(review)
        self._changed_reviews.add(review.review_id)

    def _remove(self, review: Review) -> None:
        seller = review.seller
        if not review.outside:
            seller.leave(review.cell, self.norm, self.clock)
            self._disown(review, review.cell, self.clock)
        seller.unfollow(review.reviewer_id, review.review_id)
        review.due = math.inf
        del self.reviews[review.review_id]
        self._changed_reviews.add(review.review_id)
        self._changed_sellers.add(seller.seller_id)

    def _erase(self, reviewer_id: str) -> None:
        """Forget who wrote a reviewer's open reviews; nothing that counts goes by the author."""
        for name, review in self.reviews.items():
            if review.reviewer_id == reviewer_id:
                review.seller.unfollow(reviewer_id, name)
                review.reviewer_id = FORGOTTEN
                review.seller.follow(FORGOTTEN, name)
                self._changed_reviews.add(name)

    def _seller(self, seller_id: str) -> Seller:
        seller = self.sellers.get(seller_id)
        if seller is None:
            seller = self.sellers[seller_id] = Seller(seller_id, self.clock)
        return seller

    def _member(self, actor_id: str) -> Staff:
        staff = self.staff.get(actor_id)
        if staff is None:
            staff = self.staff[actor_id] = Staff(actor_id, self.clock, self.number)
        return staff
