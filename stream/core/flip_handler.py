"""What a flip does to a task's state: to the seller, the product, the staff who looked the review up; and its alerts.

Invariant: the evidence is evaluated after the seller's expectation is settled and the flip is recorded, and before the
review leaves the risk set. An alert shows the product's rating after the flip.
"""

from __future__ import annotations

from collections import Counter

from stream.contract.alerts import Alert
from stream.core.alerting import seller_alerts
from stream.core.alerting.policy import AlertPolicy
from stream.core.alerting.seller_alerts import FlipContext
from stream.core.messages.reports import ReportedFlip
from stream.core.model.strata import DAY
from stream.core.risk_set import RiskSet
from stream.core.staff.client_exposure import client_name
from stream.core.state import codec
from stream.core.state.state import State
from stream.core.subjects.patterns import flip_features
from stream.core.subjects.product_rating import DriftBuffer, ProductRating
from stream.core.subjects.reviews import FORGOTTEN_REVIEWER, Review
from stream.core.subjects.seller import Seller


class FlipHandler:
    """Records flips and changes of displayed ratings.

    Args:
        state: The task's state.
        risk_set: The reviews at risk of that state.
        policy: Raises alerts on sellers and products.
    """

    def __init__(self, state: State, risk_set: RiskSet, policy: AlertPolicy) -> None:
        self._state = state
        self._risk_set = risk_set
        self._policy = policy
        self._changed_staff = state.changed_names[codec.STAFF_EXPOSURE]
        self._changed_clients = state.changed_names[codec.CLIENT_EXPOSURE]

    def record(self, review: Review, event_id: str, at: float, moved: int, retracted: bool) -> list[Alert]:
        """Record that an author turned a critical review.

        Args:
            review: The review.
            event_id: The event of the change.
            at: When it occurred (epoch seconds); the clock may be later.
            moved: By how many stars the rating rose; 0 for a deletion.
            retracted: Whether the author deleted it.
        """
        state, now, seller = self._state, self._state.clock, review.seller
        state.closed_reviews.add(review.name, at)
        product = state.products.get(review.product_id)
        stars_won = max(0.0, product.rating - review.rating) if retracted and product else float(moved)
        stars = -review.rating if retracted else moved
        # Before the evaluation: an alert shows the rating after this flip.
        buffer = self._rate(review.product_id, -1 if retracted else 0, stars, stars_won)
        if review.excluded:
            self._risk_set.remove(review)
            return self._rating_shift(review.product_id, seller.seller_id, buffer, event_id)
        exposures = [lookup.staff for lookup in review.lookups]
        flip = review.to_flip(now, stars_won, retracted, None if retracted else review.rating + moved)
        state.counts["retracted" if retracted else "upgraded"] += 1
        seller.settle(state.baseline, now)
        weight = seller.weight
        seller.record_flip(review.cell, flip, state.baseline)
        percentile = state.patterns.score(flip_features(seller, flip, now - review.created_at))
        if review.reviewer_id != FORGOTTEN_REVIEWER:
            state.reviewers.record_flip(review.reviewer_id, ReportedFlip(seller.seller_id, event_id, None, flip))
        context = FlipContext(
            event_id=event_id,
            at=now,
            percentile=percentile,
            linked=self._linked_to_accused(seller),
            rings=state.conclusions.rings_of(seller.seller_id, int(now // DAY)),
            turned_by=lambda: state.reviewers.turned_by(seller.seller_id),
            open_products=lambda: self._open_products(seller),
            ratings=state.products,
        )
        alerts = seller_alerts.evaluate(self._policy, seller, state.baseline, context)
        if seller.links:
            state.linked_sellers.add(seller.seller_id)
        for exposure in exposures:
            finding = ReportedFlip(seller.seller_id, event_id, percentile, flip)
            exposure.record_flip(finding, weight, state.baseline)
            self._changed_staff.add(exposure.actor_id)
            self._changed_clients.add(client_name(seller.seller_id, exposure.actor_id))
        self._risk_set.remove(review)
        state.changed_names[codec.FLIP].add(codec.flip_name(seller.seller_id, seller.flip_count - 1))
        alerts += self._rating_shift(review.product_id, seller.seller_id, buffer, event_id)
        return alerts

    def _open_products(self, seller: Seller) -> Counter[str]:
        """Return the seller's open critical reviews by product."""
        return Counter(self._state.reviews[name].product_id for name in seller.open_review_names())

    def _linked_to_accused(self, seller: Seller) -> list[bool]:
        """For each kept flip, whether staff accused over other sellers looked its review up; empty if nobody is."""
        name, accused = seller.seller_id, self._state.conclusions.in_force(int(self._state.clock // DAY))
        if not accused:
            return []
        return [any(actor in accused and accused[actor] != name for actor in flip.actor_ids) for flip in seller.flips]

    def record_rating(
        self, product_id: str, seller_id: str, reviews: int, stars: int, stars_won: float, event_id: str
    ) -> list[Alert]:
        """Change a product's displayed rating, and raise an alert if changed reviews have shifted it: see `_rate`."""
        return self._rating_shift(product_id, seller_id, self._rate(product_id, reviews, stars, stars_won), event_id)

    def _rate(self, product_id: str, reviews: int, stars: int, stars_won: float) -> DriftBuffer | None:
        """Change a product's displayed rating; return its drift buffer if changed reviews have shifted it.

        Args:
            reviews: Change of the number of reviews: 1, 0 or -1.
            stars: Change of the sum of stars.
            stars_won: Stars that the change of a review adds to what is displayed; 0 for a new review.
        """
        state = self._state
        product = state.products.get(product_id)
        if product is None:
            product = state.products[product_id] = ProductRating()
        state.changed_names[codec.PRODUCT].add(product_id)
        return product.record(state.clock, reviews, stars, stars_won)

    def _rating_shift(self, product_id: str, seller_id: str, buffer: DriftBuffer | None, event_id: str) -> list[Alert]:
        """Raise an alert about a product's rating shift, if there is one: `buffer` is what `_rate` returned."""
        state = self._state
        seller = state.sellers.get(seller_id) if buffer else None
        if buffer is None or seller is None:
            return []
        return seller_alerts.evaluate_rating_shift(self._policy, seller, product_id, buffer, event_id, state.clock)
