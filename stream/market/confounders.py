"""Confounders: honest causes that look like cheating, each a switch of the scenario.

Invariant: each confounder has its own random generator, so one confounder more or less changes nothing else. It adds
plans to a seller, takes reviews out or adds some; the remaining reviews stay as they were drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from stream.market import honest, staff
from stream.market.hazards import DAY, HOUR, YEAR, Boost, fading
from stream.market.plans import PlannedFlip, PlannedLookUp, SellerPlan, SimulatedReview, seller_id_of
from stream.market.run_context import RunContext
from stream.market.sampling import choose, log_uniform, lognormal, uniform
from stream.market.scenarios import Confounders

#: When a confounder begins, in shares of the seller's span: a later one does not end within the run, an earlier one has
#: no time before it.
_MIDDLE: Final = (0.15, 0.8)

#: A month of a seller's level, and the variances of its log: gone by the next month, and kept for a year.
_MONTH: Final = 30 * DAY
_MONTHLY_VARIANCE: Final = 0.15
_SLOW_VARIANCE: Final = 0.12


def apply(scenario: Confounders, plan: SellerPlan, context: RunContext, seeds: np.random.SeedSequence) -> list[str]:
    """Draw which of the scenario's confounders a seller has, apply them, and return their names."""
    applied: list[str] = []
    for (name, confounder), seed in zip(_ALL.items(), seeds.spawn(len(_ALL)), strict=True):
        share: float = getattr(scenario, name)
        if share:
            random = np.random.default_rng(seed)
            if random.random() < share:
                confounder(plan, context, random)
                applied.append(name)
    return applied


def tiny(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """Thin the reviews to one a week."""
    kept = 1 / 7 / plan.seller.volume_per_day
    plan.reviews = [review for review in plan.reviews if random.random() < kept]


def giant(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """Add reviews until the seller has twenty times the volume of the median seller."""
    parameters = context.world.honest
    more = max(20 * parameters.volume_median - plan.seller.volume_per_day, 0.0)
    span = (context.start, context.until)
    added = honest.draw_reviews(
        parameters, context.world.seasonality, plan.seller, more, span, plan.numbers_used, random
    )
    for review in added:
        review.previous_known = random.random() < parameters.previous_known
    plan.numbers_used += len(added)
    plan.reviews += added


def new(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """The seller opens in the middle of the run."""
    _limit(plan, plan.time_at(uniform(random, _MIDDLE)), plan.end)


def passing(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """A giant with a third or three times the usual frailty opens late and closes early: the baseline moves."""
    giant(plan, context, random)
    plan.seller = replace(plan.seller, frailty=choose(random, (1 / 3, 3.0)))
    _limit(plan, plan.time_at(uniform(random, (0.1, 0.4))), plan.time_at(uniform(random, (0.6, 0.9))))
    for review in plan.reviews:
        review.remove(plan.end, None)  # the platform removes the reviews of a closed account


def bomb(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """A review bomb, most of which its authors withdraw."""
    add_bomb(plan, context, plan.time_at(uniform(random, _MIDDLE)), random)


def add_bomb(plan: SellerPlan, context: RunContext, since: float, random: np.random.Generator) -> None:
    """Add 30-150 one-star reviews within one or two days; most authors flip them within two weeks."""
    days, withdrawn = uniform(random, (1.0, 2.0)), uniform(random, (0.6, 0.9))
    product = int(random.integers(plan.seller.products))
    for _ in range(int(random.integers(30, 151))):
        number = plan.next_number()
        review = SimulatedReview(
            number=number,
            created_at=since + random.uniform(0, days) * DAY,
            rating=1,
            product=product,
            reviewer_id=f"u{plan.seller.number:04d}x{number}",
            verified=random.random() < 0.3,  # few authors of a review bomb have bought the product
            previous_known=random.random() < context.world.honest.previous_known,
        )
        review.critical_from = review.created_at
        if random.random() < withdrawn:
            # Authors of a review bomb who withdraw delete the review more often than they upgrade it.
            rating = None if random.random() < 0.7 else int(random.integers(4, 6))
            review.flips.append(PlannedFlip(review.created_at + uniform(random, (1.0, 14.0)) * DAY, rating))
        if review.created_at < plan.end:
            plan.reviews.append(review)


def superb(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """Superb support: nearly all critical reviewers get an answer within hours, and the frailty is two to three."""
    plan.seller = replace(plan.seller, frailty=uniform(random, (2.0, 3.0)))
    for review in plan.reviews:
        if review.critical and random.random() < 0.9:
            at = review.critical_from + lognormal(random, 2.0, 0.7) * HOUR
            review.contacts.append(honest.draw_contact(plan.seller, at, "message", 0.0, random))


def mass_reply(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """From some day the seller replies to all critical reviews in public, and clears its backlog within days."""
    since = plan.time_at(uniform(random, _MIDDLE))
    for review in plan.reviews:
        if review.critical:
            at = max(since, review.critical_from) + lognormal(random, 1.5, 0.8) * DAY
            review.contacts.append(honest.draw_contact(plan.seller, at, "public_reply", 0.0, random))


def fix(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """A product fix."""
    add_fix(plan, context, plan.time_at(uniform(random, _MIDDLE)), random)


def add_fix(plan: SellerPlan, context: RunContext, since: float, random: np.random.Generator) -> None:
    """Add a product fix: for 5-15 days reviews of all ages flip 5-20 times as often, fading."""
    plan.boosts += fading(since, uniform(random, (5.0, 15.0)), log_uniform(random, (5.0, 20.0)))


def season(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """The seller takes part in the platform's campaign."""
    plan.boosts.append(context.season)


def desk(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """The support desk looks up 5-25 % of the critical reviewers and solves their tickets."""
    share = uniform(random, (0.05, 0.25))
    for review in plan.reviews:
        if review.critical and random.random() < share:
            at = review.critical_from + lognormal(random, 1.0, 1.0) * DAY
            review.look_ups.append(PlannedLookUp(at, choose(random, context.roles.desk)))
            review.boosts.append(Boost(at, at + 14 * DAY, uniform(random, (2.0, 4.0))))


def sweep(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """The platform removes many of the seller's reviews within two days, by one staff member or automatically."""
    since, share = plan.time_at(uniform(random, _MIDDLE)), uniform(random, (0.2, 0.6))
    actor_id = staff.any_member(random) if random.random() < 0.5 else None
    for review in plan.reviews:
        if review.created_at < since and random.random() < share:
            review.remove(since + uniform(random, (0.0, 2.0)) * DAY, actor_id)


def reimport(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """The platform deletes all the seller's reviews and creates them again under new ids, at one moment."""
    at = plan.time_at(uniform(random, _MIDDLE))
    for review in plan.reviews:
        if review.created_at < at:
            review.imported_at = at


def merge(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """The seller's catalogue goes to the seller with the number before it, which then owns all new reviews."""
    since = plan.time_at(uniform(random, _MIDDLE))
    for review in plan.reviews:
        if plan.seller.number and review.created_at >= since:
            review.seller_id = seller_id_of(plan.seller.number - 1)


def drift(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """The seller's level moves, as those of real sellers do: from month to month, and slowly over a year.

    The variances were measured on 1,023 years of real sellers: 0.15 is gone by the next month, and 0.12 lasts a year.
    """
    slow = random.normal(0.0, math.sqrt(_SLOW_VARIANCE))
    kept = math.exp(-_MONTH / YEAR)
    begin = context.start
    while begin < context.until:
        noise = random.normal(0.0, math.sqrt(_MONTHLY_VARIANCE))
        log_level = slow + noise - (_SLOW_VARIANCE + _MONTHLY_VARIANCE) / 2  # the mean level stays 1
        plan.boosts.append(Boost(begin, begin + _MONTH, math.exp(log_level)))
        slow = kept * slow + random.normal(0.0, math.sqrt(_SLOW_VARIANCE * (1 - kept**2)))
        begin += _MONTH


def growth(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """The seller begins with a quarter of its reviews a day and grows evenly to all of them."""
    span = plan.end - plan.begin
    plan.reviews = [
        review for review in plan.reviews if random.random() < 0.25 + 0.75 * (review.created_at - plan.begin) / span
    ]


def sale(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """In five weeks of a sale the platform asks reviewers to update; sellers take it up unequally, some not at all."""
    since = context.season.since
    plan.boosts.append(Boost(since, since + 35 * DAY, log_uniform(random, (1.0, 4.0))))


def release(plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
    """A bad release, and its repair after one to three weeks, which fades over four to eight: longer than a fix."""
    begin, days = plan.time_at(uniform(random, _MIDDLE)), uniform(random, (7.0, 21.0))
    add_bad_reviews(plan, context, begin, begin + days * DAY, random)
    add_repair(plan, begin, begin + days * DAY, uniform(random, (28.0, 56.0)), log_uniform(random, (3.0, 10.0)))


def add_bad_reviews(
    plan: SellerPlan, context: RunContext, begin: float, repaired: float, random: np.random.Generator
) -> None:
    """For every critical review between a bad release and its repair, add two more."""
    span = (begin, min(repaired, plan.end))
    parameters = context.world.honest
    worse = replace(plan.seller, critical_share=1.0)
    per_day = 2 * plan.seller.critical_share * plan.seller.volume_per_day
    added = honest.draw_reviews(parameters, context.world.seasonality, worse, per_day, span, plan.numbers_used, random)
    for review in added:
        review.previous_known = random.random() < parameters.previous_known
    plan.numbers_used += len(added)
    plan.reviews += added


def add_repair(plan: SellerPlan, begin: float, repaired: float, days: float, factor: float) -> None:
    """After a repair the reviews since the bad release flip this many times as often, fading over these days."""
    boosts = fading(repaired, days, factor)
    for review in plan.reviews:
        if review.critical and begin <= review.created_at < repaired:
            review.boosts += boosts


def _limit(plan: SellerPlan, begin: float, end: float) -> None:
    plan.begin, plan.end = begin, end
    plan.reviews = [review for review in plan.reviews if begin <= review.created_at < end]


#: By name, in the order of application: first those that set which reviews there are, then those that act on reviews.
#: The position in this table also selects the seed: append only.
_ALL: Final[dict[str, Callable[[SellerPlan, RunContext, np.random.Generator], None]]] = {
    each.__name__: each
    for each in (
        *(tiny, giant, new, passing, bomb, superb, mass_reply, fix, season, desk, sweep, reimport, merge),
        *(drift, growth, sale, release),
    )
}
