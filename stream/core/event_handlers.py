"""What each type of event does to a task's state: one method for each type.

Invariant: a review is at risk while it is critical and its author has neither upgraded nor deleted it. Only an author's
upgrade or deletion is a flip; a removal by the platform is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stream.contract.alerts import Alert
from stream.contract.events import (
    CRITICAL_STARS,
    INCENTIVES,
    CaseAppealed,
    CaseAssigned,
    CaseEvent,
    CaseNoted,
    ContactAccessed,
    Event,
    OutreachSent,
    ReviewCreated,
    ReviewDeleted,
    ReviewEdited,
    SellerLinked,
    VerdictRecorded,
)
from stream.core.alerting.policy import AlertPolicy
from stream.core.case_handlers import CaseHandlers
from stream.core.flip_handler import FlipHandler
from stream.core.messages.reports import ReportedFlip
from stream.core.risk_set import RiskSet
from stream.core.state import codec
from stream.core.state.state import State
from stream.core.subjects.linked_sellers import linked_report
from stream.core.subjects.reviews import Review, review_name
from stream.core.subjects.seller_evidence import evaluate_seller


class EventHandlers:
    """Applies events to a state whose clock stands at their time or, for a late event, after it.

    Args:
        state: The task's state.
        risk_set: The reviews at risk of that state.
        policy: Raises alerts on sellers and products.
        cases: Applies what analysts decide.
    """

    def __init__(self, state: State, risk_set: RiskSet, policy: AlertPolicy, cases: CaseHandlers) -> None:
        self._state = state
        self._risk_set = risk_set
        self._flips = FlipHandler(state, risk_set, policy)
        self._cases = cases
        self._changed_staff = state.changed_names[codec.STAFF_EXPOSURE]
        self._handlers: dict[type[Event], Callable[[Any, float], list[Alert]]] = {
            ReviewCreated: self._created,
            ReviewEdited: self._edited,
            ReviewDeleted: self._deleted,
            SellerLinked: self._linked,
            OutreachSent: self._outreach,
            ContactAccessed: self._access,
            VerdictRecorded: self._case,
            CaseAssigned: self._case,
            CaseNoted: self._case,
            CaseAppealed: self._case,
        }

    def handle(self, event: Event, at: float) -> list[Alert]:
        """Apply an event that occurred `at` (epoch seconds), and return its alerts."""
        return self._handlers[type(event)](event, at)

    def _created(self, event: ReviewCreated, at: float) -> list[Alert]:
        state, name = self._state, review_name(event.seller_id, event.review_id)
        if self._is_repeated(name, at):
            return []
        known = state.reviews.get(name)
        if known is not None:
            return self._created_again(known, event, at)
        rating: int | None = event.rating
        change = state.pending_changes.take(name, at)
        if change is not None:
            state.counts["overtaken_review"] += 1
            rating = change.rating
        if rating is None:
            return []
        alerts = self._flips.record_rating(event.product_id, event.seller_id, 1, rating, 0.0, event.event_id)
        if rating <= CRITICAL_STARS:
            self._risk_set.add(event, rating, at)
        return alerts

    def _created_again(self, review: Review, event: ReviewCreated, at: float) -> list[Alert]:
        """The creation of a review that is at risk already: a repetition, or overtaken by an edit.

        An overtaken creation gives the review's creation time.
        """
        state = self._state
        if at >= review.created_at:
            state.counts["known_review"] += 1
            return []
        state.counts["overtaken_review"] += 1
        review.created_at, review.creation_seen = at, True
        self._risk_set.update(review)
        return self._flips.record_rating(review.product_id, event.seller_id, 1, review.rating, 0.0, event.event_id)

    def _is_repeated(self, name: str, at: float) -> bool:
        """Return whether a review was closed later than `at` (epoch seconds), and count that."""
        repeated = self._state.closed_reviews.covers(name, at)
        if repeated:
            self._state.counts["repeated_change"] += 1
        return repeated

    def _edited(self, event: ReviewEdited, at: float) -> list[Alert]:
        name = review_name(event.seller_id, event.review_id)
        if self._is_repeated(name, at):
            return []
        review = self._state.reviews.get(name)
        if review is None:
            return self._edited_not_at_risk(event, name, at)
        moved = event.rating - review.rating
        if event.rating > CRITICAL_STARS:
            return self._flips.record(review, event.event_id, at, moved, retracted=False)
        alerts = self._flips.record_rating(review.product_id, event.seller_id, 0, moved, float(moved), event.event_id)
        if moved:
            review.rating = event.rating
            self._risk_set.update(review)
        return alerts

    def _edited_not_at_risk(self, event: ReviewEdited, name: str, at: float) -> list[Alert]:
        """The edit of a review that was not critical, was never seen, or whose creation is still to come."""
        state, before = self._state, event.previous_rating
        if before is None or before <= CRITICAL_STARS:
            state.counts["unseen_edit"] += 1
            if event.rating > CRITICAL_STARS:
                state.pending_changes.add(name, at, event.rating, state.counts["applied"])
        moved = event.rating - before if before is not None else 0
        alerts = self._flips.record_rating(event.product_id, event.seller_id, 0, moved, float(moved), event.event_id)
        if event.rating <= CRITICAL_STARS:
            self._risk_set.add(event, event.rating, at)
        return alerts

    def _deleted(self, event: ReviewDeleted, at: float) -> list[Alert]:
        state, name = self._state, review_name(event.seller_id, event.review_id)
        if self._is_repeated(name, at):
            return []
        review = state.reviews.get(name)
        by_platform = event.deleted_by == "platform"
        if review is None:
            if event.rating is None or event.rating <= CRITICAL_STARS:
                state.counts["unseen_deletion"] += 1
                state.pending_changes.add(name, at, None, state.counts["applied"])
            elif by_platform:
                self._removed_by_platform(event, None)
            if event.rating is None:
                return []
            return self._flips.record_rating(event.product_id, event.seller_id, -1, -event.rating, 0.0, event.event_id)
        if not by_platform:
            return self._flips.record(review, event.event_id, at, 0, retracted=True)
        state.counts["removed"] += 1
        if not review.excluded:  # moderators are expected to clear up after a review bomb
            self._removed_by_platform(event, review)
        state.closed_reviews.add(name, at)
        self._risk_set.remove(review)
        return self._flips.record_rating(review.product_id, event.seller_id, -1, -review.rating, 0.0, event.event_id)

    def _removed_by_platform(self, event: ReviewDeleted, review: Review | None) -> None:
        """Count a removal, of an open critical review or (None) of a review that is not critical."""
        state = self._state
        state.baseline.today.removed += 1
        state.baseline.today.critical += review is not None
        if event.actor_id is None:  # removed automatically
            return
        finding = None
        if review is not None:
            product = state.products.get(review.product_id)
            stars_won = max(0.0, product.rating - review.rating) if product else 0.0
            removal = review.to_flip(state.clock, stars_won, False, None)
            finding = ReportedFlip(event.seller_id, event.event_id, None, removal)
        state.get_or_add_staff(event.actor_id).record_removal(finding)
        self._changed_staff.add(event.actor_id)

    def _linked(self, event: SellerLinked, _at: float) -> list[Alert]:
        state = self._state
        seller = state.get_or_add_seller(event.seller_id)
        if seller.add_link(event.link_id, event.relation):
            state.counts["dropped_link"] += 1
        evidence = None
        if seller.flips:  # as after the latest flip: a link moves no number of the seller
            evidence = evaluate_seller(seller, state.baseline, [], in_ring=False)
        seller.linked_report = linked_report(seller, evidence, event.event_id, seller.flips)
        state.linked_sellers.add(seller.seller_id)
        state.changed_names[codec.SELLER].add(event.seller_id)
        return []

    def _outreach(self, event: OutreachSent, at: float) -> list[Alert]:
        reviews = self._contacted_reviews(event)
        for review in reviews:
            if review.contacted_at is None or at > review.contacted_at:
                review.contacted_at = max(at, review.created_at)
                review.channel, review.incentive_value = event.channel, event.incentive_value
                review.currency = event.currency
                review.incentive = review.incentive or event.channel in INCENTIVES
                self._risk_set.update(review)
        if not reviews:
            self._state.counts["unmatched_outreach"] += 1
        return []

    def _contacted_reviews(self, event: OutreachSent) -> list[Review]:
        """The open review that the event names, or all of its reviewer's open reviews of the seller."""
        if event.review_id is not None:
            review = self._state.reviews.get(review_name(event.seller_id, event.review_id))
            return [review] if review is not None else []
        seller = self._state.sellers.get(event.seller_id)
        names = seller.reviewers.get(event.reviewer_id, ()) if seller else ()
        return [self._state.reviews[name] for name in sorted(names)]

    def _access(self, event: ContactAccessed, at: float) -> list[Alert]:
        review = self._state.reviews.get(review_name(event.seller_id, event.review_id))
        if review is None:
            self._state.counts["unmatched_access"] += 1
        elif not review.excluded:
            at = max(at, review.created_at)
            self._risk_set.add_lookup(review, event.actor_id, at, bool(event.purpose))
            review.looked_up_at = max(at, review.looked_up_at or at)
            self._risk_set.update(review)
        return []

    def _case(self, event: CaseEvent, _at: float) -> list[Alert]:
        self._cases.handle(event)
        return []
