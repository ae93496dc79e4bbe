"""Extortionists: reviewers who write critical reviews at many sellers and turn them for money that they ask for.

Invariant: the sellers are victims. Their extorted flips are no paid flips of a cheat, and change nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from stream.market.hazards import DAY, HOUR
from stream.market.honest import draw_contact
from stream.market.plans import PlannedFlip, SellerPlan, SimulatedReview
from stream.market.run_context import RunContext
from stream.market.sampling import choose, lognormal, uniform

#: Victims of an extortionist, and the days that it is at work.
VICTIMS: Final = (6, 20)
_DAYS: Final = (45.0, 150.0)
#: Share of the victims that it comes back to.
_AGAIN: Final = 0.1
#: Days from the review to the money, lognormal: the demand, and the seller's decision.
_TURN_DAYS: Final = 4.0
_TURN_SIGMA: Final = 0.7


@dataclass(frozen=True)
class Attack:
    """One critical review at a victim; the time in epoch seconds."""

    number: int
    at: float


@dataclass(frozen=True)
class Extortionist:
    """A reviewer with a frequent reviewer's account, which also writes honest reviews."""

    reviewer_id: str
    attacks: tuple[Attack, ...]
    #: Shares: of the victims that pay, and of the turned reviews that are deleted.
    power: float
    retracts: float
    #: Share of the payments that go through the platform, as a refund or a gift card.
    seen: float

    @property
    def name(self) -> str:
        return "extorted"

    def concerns(self, number: int) -> bool:
        return any(attack.number == number for attack in self.attacks)

    def apply(self, plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
        """Add the reviews at a victim, and plan their flips."""
        for attack in self.attacks:
            if attack.number == plan.seller.number and plan.begin <= attack.at < plan.end:
                plan.reviews.append(self._review(attack, plan, context, random))

    def _review(
        self, attack: Attack, plan: SellerPlan, context: RunContext, random: np.random.Generator
    ) -> SimulatedReview:
        review = SimulatedReview(
            number=plan.next_number(),
            created_at=attack.at,
            rating=int(random.integers(1, 3)),
            product=int(random.integers(plan.seller.products)),
            reviewer_id=self.reviewer_id,
            verified=random.random() < 0.9,  # it buys what it reviews
            previous_known=random.random() < context.world.honest.previous_known,
            critical_from=attack.at,
            source=self.reviewer_id,
        )
        if random.random() < self.power:
            turned_at = attack.at + lognormal(random, _TURN_DAYS, _TURN_SIGMA) * DAY
            rating = None if random.random() < self.retracts else 5
            review.flips.append(PlannedFlip(turned_at, rating, source=self.reviewer_id))
            if random.random() < self.seen:
                at = max(attack.at, turned_at - uniform(random, (0.5, 24.0)) * HOUR)
                channel = choose(random, ("refund", "gift_card"))
                review.contacts.append(draw_contact(plan.seller, at, channel, 0.0, random))
        return review


def draw_extortionist(reviewer_id: str, context: RunContext, sellers: int, random: np.random.Generator) -> Extortionist:
    """Draw an extortionist and its victims."""
    run = context.until - context.start
    length = min(uniform(random, _DAYS) * DAY, 0.8 * run)
    since = uniform(random, (context.start, context.until - length))
    count = min(int(random.integers(VICTIMS[0], VICTIMS[1] + 1)), sellers // 2)
    attacks = []
    for number in random.permutation(sellers)[:count]:
        for _ in range(2 if random.random() < _AGAIN else 1):
            attacks.append(Attack(int(number), since + random.uniform(0, length)))  # noqa: PERF401
    return Extortionist(
        reviewer_id,
        tuple(sorted(attacks, key=lambda attack: attack.at)),
        uniform(random, (0.5, 0.9)),
        uniform(random, (0.3, 0.7)),
        uniform(random, (0.0, 0.6)),
    )
