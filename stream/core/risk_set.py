"""The risk set: the open critical reviews that could still flip, and the strata that they lie in.

Invariant: a review that is not excluded counts in exactly one cell of its seller, and in the stratum of that cell for
each staff member whose look-up of it is still active. Every method settles a review's old cell before it enters the new
one.
"""

from __future__ import annotations

import math
from typing import Final

from stream.contract.events import ReviewCreated, ReviewEdited
from stream.core.model.strata import DAY, FOLLOW_UP_SECONDS, LOOKED_UP
from stream.core.staff.exposure import Lookup
from stream.core.state import codec
from stream.core.state.state import State
from stream.core.subjects.reviews import FORGOTTEN_REVIEWER, Review
from stream.core.subjects.seller import Seller

#: Staff members whose look-ups of one review are kept, the latest ones.
MAX_LOOKUPS: Final = 8


class RiskSet:
    """Adds, moves and removes the reviews at risk of a task's state.

    Args:
        state: The task's state. The risk set reads its clock and changes its reviews, timers, sellers and staff.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._changed_reviews = state.changed_names[codec.REVIEW]
        self._changed_sellers = state.changed_names[codec.SELLER]
        self._changed_staff = state.changed_names[codec.STAFF_EXPOSURE]
        self._changed_clients = state.changed_names[codec.CLIENT_EXPOSURE]

    def add(self, event: ReviewCreated | ReviewEdited, rating: int, created_at: float) -> None:
        """Add a critical review.

        Args:
            event: The event that the review became known by.
            rating: 1 to 3 stars.
            created_at: Epoch seconds. A review older than the follow-up time is counted as retired and not added.
        """
        state = self._state
        if created_at + FOLLOW_UP_SECONDS <= state.clock:
            state.counts["retired"] += 1
            return
        seller = state.get_or_add_seller(event.seller_id)
        if not seller.has_had_reviews:
            seller.begin(state.clock)
        review = Review(event.review_id, seller, event.product_id, event.reviewer_id, rating, created_at)
        review.creation_seen = isinstance(event, ReviewCreated)
        state.reviews[review.name] = review
        seller.add_review(review.reviewer_id, review.name)
        bombed_before = seller.arrivals.bombed
        review.excluded = seller.arrivals.add(state.clock)
        review.update_cell(state.clock)
        if not review.excluded:
            seller.enter(review.cell, state.baseline, state.clock)
            state.baseline.today.written += 1
        else:
            state.counts["bombed"] += 1
            if not bombed_before:
                self._exclude_since(seller, (seller.arrivals.day - 1) * DAY)
        state.reviewers.record_review(review.reviewer_id)
        state.timers.set(review)
        self._changed_reviews.add(review.name)
        self._changed_sellers.add(seller.seller_id)

    def _exclude_since(self, seller: Seller, since: float) -> None:
        """Exclude the reviews created from `since` on: a bomb is detected only after some of it has arrived."""
        state = self._state
        for name in seller.open_review_names():
            review = state.reviews[name]
            if review.created_at >= since and not review.excluded:
                seller.leave(review.cell, state.baseline, state.clock)
                self._detach_lookups(review, review.cell, state.clock)
                review.excluded, review.lookups = True, ()
                review.update_cell(state.clock)
                state.timers.set(review)
                self._changed_reviews.add(name)
                state.counts["bombed"] += 1

    def fire_timer(self, review: Review) -> None:
        """Move a review whose timer is due to its next cell, or remove it at the end of its follow-up.

        The state's clock stands at `review.due_at`.
        """
        baseline, due_at = self._state.baseline, review.due_at
        if due_at >= review.created_at + FOLLOW_UP_SECONDS:
            self._state.counts["retired"] += 1
            self.remove(review)
            return
        seller = review.seller
        seller.leave(review.cell, baseline, due_at)
        if review.lookups:
            self._detach_lookups(review, review.cell, due_at)
        review.advance()
        seller.enter(review.cell, baseline, due_at)
        if review.lookups:
            self._attach_lookups(review, due_at)
        self._changed_sellers.add(seller.seller_id)
        self._state.timers.set(review)

    def update(self, review: Review) -> None:
        """Find a review's cell and timer again after one of its fields has changed."""
        state, seller = self._state, review.seller
        now, cell, due_at = state.clock, review.cell, review.due_at
        review.update_cell(now)
        if review.cell != cell:
            seller.leave(cell, state.baseline, now)
            seller.enter(review.cell, state.baseline, now)
            self._changed_sellers.add(seller.seller_id)
            self._detach_lookups(review, cell, now)
            self._attach_lookups(review, now)
        if review.due_at != due_at:
            state.timers.set(review)
        self._changed_reviews.add(review.name)

    def remove(self, review: Review) -> None:
        """Remove a review that flipped, was removed by the platform, or reached the end of its follow-up."""
        state, seller = self._state, review.seller
        if not review.excluded:
            seller.leave(review.cell, state.baseline, state.clock)
            self._detach_lookups(review, review.cell, state.clock)
        seller.remove_review(review.reviewer_id, review.name)
        review.due_at = math.inf
        del state.reviews[review.name]
        self._changed_reviews.add(review.name)
        self._changed_sellers.add(seller.seller_id)

    def add_lookup(self, review: Review, actor_id: str, at: float, has_purpose: bool) -> None:
        """Attribute a review to a staff member who looked it up at `at` (epoch seconds).

        A staff member's latest look-up of a review counts; of several staff members the latest MAX_LOOKUPS do.
        """
        state = self._state
        staff = state.get_or_add_staff(actor_id)
        earlier = next((lookup for lookup in review.lookups if lookup.staff is staff), None)
        if earlier is not None and earlier.at >= at:
            return
        self._detach_lookups(review, review.cell, state.clock)
        if earlier is None:
            review.seller.settle(state.baseline, state.clock)
            self._changed_sellers.add(review.seller.seller_id)
            level, weight = max(1.0, review.seller.level(LOOKED_UP)), review.seller.weight
        else:
            level, weight = earlier.level, earlier.seller_weight
        lookup = Lookup(staff, staff.get_or_add_client(review.seller.seller_id), at, level, weight, has_purpose)
        others = (other for other in review.lookups if other is not earlier)
        in_order = sorted((*others, lookup), key=lambda one: (one.at, one.staff.actor_id))
        review.lookups = tuple(in_order[-MAX_LOOKUPS:])
        self._attach_lookups(review, state.clock)

    def _detach_lookups(self, review: Review, cell: int, now: float) -> None:
        """Take a review out of its stratum for each staff member who looked it up."""
        for lookup in review.lookups:
            lookup.staff.leave(cell >> 1, lookup, self._state.baseline, now)
            self._changed_staff.add(lookup.staff.actor_id)
            self._changed_clients.add(lookup.client.name)

    def _attach_lookups(self, review: Review, now: float) -> None:
        """Put a review into its stratum for each staff member whose look-up is still active; drop the other ones."""
        active = tuple(lookup for lookup in review.lookups if lookup.is_active(now))
        if len(active) < len(review.lookups):
            review.lookups = active
            self._changed_reviews.add(review.name)
        for lookup in active:
            lookup.staff.enter(review.cell >> 1, lookup, self._state.baseline, now)
            self._changed_staff.add(lookup.staff.actor_id)
            self._changed_clients.add(lookup.client.name)

    def forget_reviewer(self, reviewer_id: str) -> None:
        """Replace a reviewer's id in all open reviews. No statistic depends on the id."""
        for name, review in self._state.reviews.items():
            if review.reviewer_id == reviewer_id:
                review.seller.remove_review(reviewer_id, name)
                review.reviewer_id = FORGOTTEN_REVIEWER
                review.seller.add_review(FORGOTTEN_REVIEWER, name)
                self._changed_reviews.add(name)
