"""Changes of many sellers' reviews at one time: closed accounts of reviewers, and changes that the platform held back.

Invariant: an equal time comes from the platform's own work. It says nothing about the sellers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from stream.market.hazards import DAY, HOUR
from stream.market.honest import draw_review
from stream.market.plans import PlannedFlip, SellerPlan
from stream.market.run_context import RunContext
from stream.market.sampling import uniform

#: Sellers that a reviewer with a closed account has reviewed, at least and at most.
REVIEWED: Final = (5, 15)
#: The platform deletes all reviews of an account within this time.
_CLOSING_SECONDS: Final = 0.9
#: Share of the reviews of such a person that are critical: it writes many, and is hard to please.
_CRITICAL: Final = 0.5
#: The platform holds changes back for a part of a day or for two.
_HELD_HOURS: Final = (6.0, 36.0)


@dataclass(frozen=True)
class Closure:
    """A reviewer with reviews at many sellers, whose account is closed; the time in epoch seconds."""

    reviewer_id: str
    members: frozenset[int]
    at: float

    @property
    def name(self) -> str:
        return ""

    def concerns(self, number: int) -> bool:
        return True  # a frequent reviewer may have a review at any seller

    def apply(self, plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
        """Add a review at a member, and delete all reviews of the account."""
        if plan.seller.number in self.members:
            created_at = uniform(random, (context.start, self.at))
            if plan.begin <= created_at < plan.end:
                self._add_review(created_at, plan, context, random)
        plan.reviews = [
            review for review in plan.reviews if review.reviewer_id != self.reviewer_id or review.created_at < self.at
        ]
        for review in plan.reviews:
            if review.reviewer_id == self.reviewer_id:
                review.closed_at = self.at + random.uniform(0, _CLOSING_SECONDS)
                if review.critical_from < review.closed_at:
                    review.flips.append(PlannedFlip(review.closed_at, None))

    def _add_review(
        self, created_at: float, plan: SellerPlan, context: RunContext, random: np.random.Generator
    ) -> None:
        strict = replace(plan.seller, critical_share=_CRITICAL)
        review = draw_review(context.world.honest, strict, plan.next_number(), created_at, random)
        review.reviewer_id = self.reviewer_id
        review.previous_known = random.random() < context.world.honest.previous_known
        plan.reviews.append(review)


@dataclass(frozen=True)
class HeldChanges:
    """Spans in which the platform holds back all changes of reviews."""

    spans: tuple[tuple[float, float], ...]

    @property
    def name(self) -> str:
        return ""

    def concerns(self, number: int) -> bool:
        return True

    def apply(self, plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
        """Hold the seller's changes back."""
        plan.held = self.spans


def draw_closure(reviewer_id: str, context: RunContext, sellers: int, random: np.random.Generator) -> Closure:
    """Draw the sellers that a person reviews, and when its account is closed."""
    count = min(int(random.integers(REVIEWED[0], REVIEWED[1] + 1)), sellers)
    members = frozenset(int(number) for number in random.permutation(sellers)[:count])
    return Closure(reviewer_id, members, context.start + uniform(random, (0.3, 0.95)) * (context.until - context.start))


def draw_held_changes(a_month: float, context: RunContext, random: np.random.Generator) -> HeldChanges:
    """Draw this many spans in 30 days, and at least one."""
    run = context.until - context.start
    begins = [context.start + random.uniform(0.0, 0.9) * run for _ in range(max(round(a_month * run / (30 * DAY)), 1))]
    return HeldChanges(tuple((begin, begin + uniform(random, _HELD_HOURS) * HOUR) for begin in sorted(begins)))
