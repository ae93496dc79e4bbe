"""A seeded market as a file: the events of all sellers, in the order of arrival.

Invariant: what a seller does unpaid depends on the scenario, the world, the seed and the seller's number only, so
markets of different sizes share their sellers, but for sellers in a group of the scenario. The same arguments give the
same bytes.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from stream.market import cheats, confounders, delivery, honest, payments
from stream.market.cheats import CLIENT, KINDS, Cheat, Run
from stream.market.group_rows import SourcedReview, group_rows
from stream.market.groups import MarketGroups, draw_groups, link_delivery_generator
from stream.market.hazards import DAY
from stream.market.links import link_events
from stream.market.output import Market, MarketBuilder, rfc3339
from stream.market.payments import Deal
from stream.market.plans import SellerPlan, SimulatedReview
from stream.market.review_events import SimulatedOutcome, review_events
from stream.market.run_context import RunContext, run_context
from stream.market.scenarios import SCENARIOS, Scenario, find
from stream.market.worlds import world as find_world

__all__ = ["SCENARIOS", "START", "Market", "make", "market", "simulate", "write"]

#: The begin of every run, epoch seconds.
START: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp()


def simulate(scenario: str, seed: int, sellers: int, days: int, world: int = 0) -> Market:
    """Make a market; raise ValueError for an unknown scenario."""
    return make(find(scenario), Run(scenario, seed, sellers, days, world))


def make(scenario: Scenario, run: Run) -> Market:
    """Make a market of a scenario that need not have a name."""
    builder = MarketBuilder(run)
    groups = draw_groups(scenario.groups, run, _context(scenario, run))
    sourced: list[SourcedReview] = []
    for seller_run in _seller_runs(scenario, groups):
        outcomes = _add_seller(scenario, seller_run, builder)
        sourced += _add_truth(seller_run, groups, outcomes, builder)
    rows = group_rows(groups, sourced)
    for_delivery = link_delivery_generator(run)
    for at_ms, event in link_events(rows):
        builder.add_event(event, delivery.arrival_times(scenario.delivery, at_ms, for_delivery))
    return builder.build(rows)


@dataclass(frozen=True)
class SellerRun:
    """One seller's complete plan, and the generator of its events' delivery."""

    context: RunContext
    plan: SellerPlan
    #: The names of its confounders, and of its groups that are honest or harm it.
    confounders: list[str]
    #: The key of `KINDS` and the deal; None for an honest seller.
    kind: str | None
    deal: Deal | None
    delivery: np.random.Generator


def seller_runs(scenario: Scenario, run: Run) -> Iterator[SellerRun]:
    """Plan all sellers in the order of their numbers; a cheat takes its kind from those left."""
    yield from _seller_runs(scenario, draw_groups(scenario.groups, run, _context(scenario, run)))


def _context(scenario: Scenario, run: Run) -> RunContext:
    return run_context(scenario, find_world(run.world), run.seed, START, START + run.days * DAY)


def _seller_runs(scenario: Scenario, groups: MarketGroups) -> Iterator[SellerRun]:
    run, context = groups.run, groups.context
    left = cheats.wanted_kinds(scenario.cheats, run.sellers)
    for number, seeds in enumerate(np.random.SeedSequence(run.seed).spawn(run.sellers)):
        *drawing, for_confounders = seeds.spawn(5)
        # The order selects the seeds, and so must not change.
        for_honest, for_payments, for_edits, for_delivery = (np.random.default_rng(each) for each in drawing)
        plan = _honest_plan(context, number, for_honest, for_edits)
        kind = cheats.take_kind(left, plan.seller.volume_per_day < context.world.honest.volume_median)
        applied = confounders.apply(scenario.confounders, plan, context, for_confounders)
        applied += groups.apply_unpaid(plan)
        kind = kind or groups.own_kinds.get(number)
        deal = payments.plan_payments(KINDS[kind], plan, context, for_payments) if kind else None
        groups.apply_sales(plan)
        yield SellerRun(context, plan, applied, kind, deal, for_delivery)


def market(
    scenario: str, seed: int, sellers: int, days: int, world: int = 0
) -> tuple[list[dict[str, Any]], list[Cheat]]:
    """Make a market; return its events as decoded JSON objects, and the truth."""
    made = simulate(scenario, seed, sellers, days, world)
    return [msgspec.json.decode(line) for line in made.lines], made.truth


def write(scenario: str, seed: int, sellers: int, days: int, out: Path, truth: Path, world: int = 0) -> int:
    """Make a market, write it, and return the number of lines of `out`.

    `truth` has one JSON line for each cheat: seller_id (or actor_id for staff), kind, started_at, paid_flips,
    paid_review_ids, and the run's parameters in the field `run`. Lines about groups follow, if the scenario has groups
    (`truth.read_truth`). The truth of an honest market without groups is an empty file.
    """
    made = simulate(scenario, seed, sellers, days, world)
    made.write(out, truth)
    return len(made.lines)


def _add_seller(
    scenario: Scenario, seller_run: SellerRun, builder: MarketBuilder
) -> list[tuple[SimulatedReview, SimulatedOutcome]]:
    """Add a seller's events, and return its reviews with a paid end or of a source."""
    context, plan, seller_id = seller_run.context, seller_run.plan, seller_run.plan.seller.seller_id
    builder.confounders[seller_id] = seller_run.confounders
    found: list[tuple[SimulatedReview, SimulatedOutcome]] = []
    count = 0
    for review in plan.reviews:
        outcome = review_events(context.world.hazards, plan, review, context.until)
        if outcome.paid_id or review.source:
            found.append((review, outcome))
        for at, fields in outcome.events:
            at_ms = int(at * 1000)
            event = {"event_id": f"{seller_id}-{count:x}", "occurred_at": rfc3339(at_ms), **fields}
            builder.add_event(event, delivery.arrival_times(scenario.delivery, at_ms, seller_run.delivery))
            count += 1
    return found


def _add_truth(
    seller_run: SellerRun,
    groups: MarketGroups,
    outcomes: list[tuple[SimulatedReview, SimulatedOutcome]],
    builder: MarketBuilder,
) -> list[SourcedReview]:
    """Add the flips and removals that a seller paid for, and return its reviews that have a source."""
    seller = seller_run.plan.seller
    clients = groups.clients(seller.number)
    paid = [outcome.paid_id for _, outcome in outcomes if outcome.paid_id]
    sold = [(one.flip, one.paid_id) for _, one in outcomes if one.paid_id and one.flip and one.flip.source]
    brought = {review_id for _, review_id in sold}
    own = [review_id for review_id in paid if review_id not in brought]
    deal = seller_run.deal
    if deal and deal.channel == "removal":
        paid = [review_id for review_id in paid if review_id in brought]
    if starts := [client.since for _, client in clients] + ([deal.since] if deal else []):
        builder.add_seller(seller.seller_id, seller_run.kind or CLIENT, min(starts), paid)
    if deal:
        builder.add_deal(deal, own)
    for broker, client in clients:
        for tenure in broker.tenures:
            reviews = [each for flip, each in sold if (flip.source, flip.actor_id) == (broker.ring_id, tenure.actor_id)]
            builder.add_sale(tenure.actor_id, "access", max(client.since, tenure.since), reviews)
    return [_sourced(seller.seller_id, review, outcome) for review, outcome in outcomes if _source(review, outcome)]


def _source(review: SimulatedReview, outcome: SimulatedOutcome) -> str:
    return review.source or (outcome.flip.source if outcome.flip else "")


def _sourced(seller_id: str, review: SimulatedReview, outcome: SimulatedOutcome) -> SourcedReview:
    source = _source(review, outcome)
    if outcome.flip and outcome.flip.source == source:
        return SourcedReview(source, seller_id, outcome.flip_id, outcome.flip_at)
    return SourcedReview(source, seller_id, str(outcome.events[0][1]["review_id"]), math.inf)


def _honest_plan(
    context: RunContext, number: int, for_honest: np.random.Generator, for_edits: np.random.Generator
) -> SellerPlan:
    """Draw the plan of a seller without confounders and payments."""
    parameters = context.world.honest
    seller = honest.draw_seller(parameters, number, for_honest)
    span = (context.start, context.until)
    reviews = honest.draw_reviews(
        parameters, context.world.seasonality, seller, seller.volume_per_day, span, 0, for_honest
    )
    for review in reviews:
        review.previous_known = for_edits.random() < parameters.previous_known
    return SellerPlan(seller, reviews, context.start, context.until, numbers_used=len(reviews))
