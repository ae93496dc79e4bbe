"""What a broker adds to the plan of a client: look-ups, contacts, and paid flips.

Invariant: sales come after all honest plans, so a flip counts as delivered only if the author would not have flipped
before it. A client gets at most what it ordered.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stream.market.brokers import Client, FlipBroker
from stream.market.hazards import DAY
from stream.market.honest import draw_contact
from stream.market.payments import draw_paid_rating
from stream.market.plans import PlannedFlip, PlannedLookUp, SellerPlan, SimulatedReview
from stream.market.review_events import first_flip
from stream.market.run_context import RunContext
from stream.market.sampling import lognormal, uniform

#: The oldest review (days) that a client with an insider asks for, and that a list contains: lists are older.
_INSIDER_OLD_DAYS = 30.0
_LIST_OLD_DAYS = 90.0


def serve(
    broker: FlipBroker, client: Client, plan: SellerPlan, context: RunContext, random: np.random.Generator
) -> None:
    """Plan what the broker does for a client."""
    if broker.tenures:
        _sell_look_ups(broker, client, plan, context, random)
    else:
        for bundle in client.bundles:
            _deliver(broker, client, bundle.at, bundle.ordered, plan, context, random)


def _sell_look_ups(
    broker: FlipBroker, client: Client, plan: SellerPlan, context: RunContext, random: np.random.Generator
) -> None:
    """Plan look-ups of the client's critical reviews through its time, until the order is delivered."""
    payments = context.world.payments
    won = 0
    for review in _reviews(plan, client.since - _INSIDER_OLD_DAYS * DAY, client.until, random):
        if won == client.ordered:
            return
        ready = max(review.critical_from, client.since)
        if review.critical_from < client.since:  # the orders for older reviews come one by one
            ready += uniform(random, (0.0, 14.0)) * DAY
        at = ready + lognormal(random, payments.approach_days, payments.approach_sigma) * DAY
        tenure = broker.tenure_at(at)
        if tenure is None:
            continue
        if at < tenure.since:  # the order waits for the next insider
            at = tenure.since + uniform(random, (0.0, 5.0)) * DAY
        if broker.sittings:
            at = broker.sittings.after(at, random)
        if at >= min(tenure.until, client.until) or not _open(plan, review, at, context):
            continue
        review.look_ups.append(PlannedLookUp(at, tenure.actor_id))
        won += _approach(broker, client, at, tenure.actor_id, plan, review, context, random)


def _approach(
    broker: FlipBroker,
    client: Client,
    at: float,
    actor_id: str,
    plan: SellerPlan,
    review: SimulatedReview,
    context: RunContext,
    random: np.random.Generator,
) -> bool:
    """Plan an approach after a look-up, and return whether it brings a paid flip."""
    payments = context.world.payments
    if client.contacts:
        contacted = at + uniform(random, (0.02, 1.0)) * DAY
        channel = payments.channels.draw(random)
        review.contacts.append(draw_contact(plan.seller, contacted, channel, payments.unnamed, random))
        at = contacted
    if random.random() >= client.power:
        return False
    paid_at = at + lognormal(random, payments.delay_days, payments.delay_sigma) * DAY
    rating = draw_paid_rating(client.retracts, payments, random)
    return _add_flip(plan, review, PlannedFlip(paid_at, rating, True, broker.ring_id, actor_id), context)


def _deliver(
    broker: FlipBroker,
    client: Client,
    since: float,
    ordered: int,
    plan: SellerPlan,
    context: RunContext,
    random: np.random.Generator,
) -> None:
    """Plan the flips that one bundle of a list brings the client."""
    payments = context.world.payments
    left = ordered
    for review in _reviews(plan, since - _LIST_OLD_DAYS * DAY, since, random):
        if not left:
            return
        at = since + random.uniform(0, broker.bundle_days) * DAY
        if not _open(plan, review, at, context):
            continue
        if client.contacts:
            contacted = uniform(random, (since, at))
            channel = payments.channels.draw(random)
            review.contacts.append(draw_contact(plan.seller, contacted, channel, payments.unnamed, random))
        if random.random() < client.power:
            rating = draw_paid_rating(client.retracts, payments, random)
            left -= _add_flip(plan, review, PlannedFlip(at, rating, True, broker.ring_id), context)


def _reviews(plan: SellerPlan, since: float, until: float, random: np.random.Generator) -> Iterator[SimulatedReview]:
    """Yield the seller's own reviews that become critical in a span, in random order."""
    found = [review for review in plan.reviews if review.seller_id is None and since <= review.critical_from < until]
    for place in random.permutation(len(found)):
        yield found[int(place)]


def _open(plan: SellerPlan, review: SimulatedReview, at: float, context: RunContext) -> bool:
    """Return whether the review is still critical at a time."""
    return at < min(context.until, review.removed_at) and first_flip(context.world.hazards, plan, review, at) is None


def _add_flip(plan: SellerPlan, review: SimulatedReview, flip: PlannedFlip, context: RunContext) -> bool:
    """Plan a paid flip if nothing ends the review before it, and return whether it was planned."""
    if not _open(plan, review, flip.at, context):
        return False
    review.flips.append(flip)
    return True
