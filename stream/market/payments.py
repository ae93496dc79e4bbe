"""Payments: what cheating sellers add to the plans of an honest seller.

Invariant: a cheat adds plans (a contact, a paid flip) with its own draws and never changes an honest draw.
`review_events` decides the outcome: an author who flips before the payment comes was not paid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream.market import confounders
from stream.market.cheats import ApproachChannel, CheatKind
from stream.market.hazards import DAY
from stream.market.honest import draw_contact
from stream.market.parameters import PaymentParameters
from stream.market.plans import PlannedFlip, PlannedLookUp, SellerPlan, SimulatedReview
from stream.market.run_context import RunContext
from stream.market.sampling import choose, lognormal, uniform

#: A seller that replies to all critical reviews still misses some.
_REPLIES: Final = 0.95


@dataclass(frozen=True)
class Deal:
    """The draws of one cheating seller; times are epoch seconds."""

    since: float
    ends: float
    channel: ApproachChannel
    #: The insider who sells the look-ups or the removals; empty for other channels.
    actor_id: str
    #: Shares: of critical reviews that the seller approaches, of approaches that succeed, of paid flips that are
    #: deletions.
    approached: float
    power: float
    retracts: float


def plan_payments(kind: CheatKind, plan: SellerPlan, context: RunContext, random: np.random.Generator) -> Deal:
    """Draw the seller's deal, and add its effects to the seller's plan."""
    deal = _draw_deal(kind, plan, context, random)
    if kind.replies:
        _add_replies(plan, random)
    if kind.covered:
        add_cover = choose(random, (confounders.add_fix, confounders.add_bomb))
        add_cover(plan, context, deal.since, random)
    for review in plan.reviews:
        if (
            review.critical and review.seller_id is None
        ):  # a seller does not pay for reviews that moved to another seller
            _approach(kind, deal, plan, context.world.payments, review, random)
    return deal


def _draw_deal(kind: CheatKind, plan: SellerPlan, context: RunContext, random: np.random.Generator) -> Deal:
    since = plan.time_at(uniform(random, kind.start))
    if kind.ring:  # members join within the broker's first three days, or when they open
        since = max(plan.begin, context.ring_at + uniform(random, (0.0, 3.0)) * DAY)
    parameters = context.world.payments
    ranges = (parameters.approached, parameters.power, parameters.retracts)
    approached, power, retracts = (uniform(random, ends) for ends in ranges)
    channel = choose(random, kind.channels)
    ends = since + uniform(random, kind.lasts_days) * DAY if kind.lasts_days else math.inf
    if kind.flips_a_month:
        critical = sum(review.critical for review in plan.reviews)
        possible = max(power * critical * 30 * DAY / (plan.end - plan.begin), 1e-9)
        approached = min(approached, uniform(random, kind.flips_a_month) / possible)
    roles = context.roles
    actors = {"access": (roles.broker,) if kind.ring else roles.leaking, "removal": (roles.remover,)}
    actor_id = choose(random, actors[channel]) if channel in actors else ""
    return Deal(since, ends, channel, actor_id, approached, power, retracts)


def _add_replies(plan: SellerPlan, random: np.random.Generator) -> None:
    for review in plan.reviews:
        if review.critical and random.random() < _REPLIES:
            at = review.critical_from + lognormal(random, 1.0, 0.8) * DAY
            review.contacts.append(draw_contact(plan.seller, at, "public_reply", 0.0, random))


def _approach(
    kind: CheatKind,
    deal: Deal,
    plan: SellerPlan,
    parameters: PaymentParameters,
    review: SimulatedReview,
    random: np.random.Generator,
) -> None:
    """Draw whether the seller approaches the author of a critical review, and whether the approach succeeds."""
    if random.random() >= _approach_share(kind, deal, parameters, deal.since - review.critical_from):
        return
    old_enough = review.critical_from + (uniform(random, kind.min_age_days) * DAY if kind.min_age_days else 0.0)
    ready = max(deal.since, old_enough)
    if kind.lasts_days and ready < deal.ends:
        ready = uniform(random, (ready, deal.ends))  # the approaches are spread over the days
    at = ready + kind.delay_factor * lognormal(random, parameters.approach_days, parameters.approach_sigma) * DAY
    if at >= deal.ends:
        return
    if deal.channel == "contact":
        channel = parameters.channels.draw(random)
        review.contacts.append(draw_contact(plan.seller, at, channel, parameters.unnamed, random))
    elif deal.channel == "access":
        review.look_ups.append(PlannedLookUp(at, deal.actor_id))
    if random.random() < deal.power:
        paid_at = at + kind.delay_factor * lognormal(random, parameters.delay_days, parameters.delay_sigma) * DAY
        if deal.channel == "removal":
            review.remove(paid_at, deal.actor_id, paid=True)
        elif paid_at < deal.ends:
            review.flips.append(PlannedFlip(paid_at, draw_paid_rating(deal.retracts, parameters, random), paid=True))


def draw_paid_rating(retracts: float, parameters: PaymentParameters, random: np.random.Generator) -> int | None:
    """Draw the rating of a paid flip; None: a deletion.

    Args:
        retracts: The share of paid flips that are deletions.
    """
    if random.random() < retracts:
        return None
    return 5 if random.random() < parameters.five_stars else 4


def _approach_share(
    kind: CheatKind, deal: Deal, parameters: PaymentParameters, open_before_start_seconds: float
) -> float:
    """Return the chance of an approach, by how long the review was critical when the cheating began."""
    if open_before_start_seconds <= 0:
        return deal.approached
    if open_before_start_seconds >= kind.old_days * DAY:
        return 0.0
    return parameters.approached_old if kind.approached_old is None else kind.approached_old
