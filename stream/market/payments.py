"""Payments: what dishonest sellers add to an honest life.

Rule of this room: a cheat changes plans (a contact more, a paid flip) with draws of its own and never an honest draw.
What came of it is for `story` to tell: whoever turns before the money comes was not paid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from stream.market import confounders
from stream.market.chance import between, lognormal, one_of
from stream.market.cheats import Channel, Kind
from stream.market.habits import Payments
from stream.market.hazards import DAY
from stream.market.honest import contact
from stream.market.life import Life, LookUp, Review, Turn
from stream.market.setting import Setting

#: Who replies to everybody forgets some, all the same.
_REPLIES: Final = 0.95


@dataclass(frozen=True)
class Deal:
    """What a seller has agreed with those it pays."""

    since: float
    ends: float
    channel: Channel
    #: The member of staff who gets a part.
    actor_id: str
    #: Shares: of critical reviews that are approached, of those with success, of successes that are deletions.
    approached: float
    power: float
    retracts: float


def plan(kind: Kind, life: Life, here: Setting, random: np.random.Generator) -> Deal:
    """Make the deal, and plan what it does to the seller's reviews."""
    deal = _deal(kind, life, here, random)
    if kind.replies:
        _reply(life, random)
    if kind.covered:
        hide = one_of(random, (confounders.fix_at, confounders.bomb_at))
        hide(life, here, deal.since, random)
    for review in life.reviews:
        if review.critical and review.seller_id is None:  # what went to another seller is not its own to care for
            _treat(kind, deal, life, here.world.payments, review, random)
    return deal


def _deal(kind: Kind, life: Life, here: Setting, random: np.random.Generator) -> Deal:
    since = life.at(between(random, kind.start))
    if kind.ring:  # members sign within the broker's first days, if they are there yet
        since = max(life.begin, here.ring_at + between(random, (0.0, 3.0)) * DAY)
    ways = here.world.payments
    approached, power, retracts = (between(random, ends) for ends in (ways.approached, ways.power, ways.retracts))
    channel = one_of(random, kind.channels)
    ends = since + between(random, kind.lasts_days) * DAY if kind.lasts_days else math.inf
    if kind.flips_a_month:
        critical = sum(review.critical for review in life.reviews)
        possible = max(power * critical * 30 * DAY / (life.end - life.begin), 1e-9)
        approached = min(approached, between(random, kind.flips_a_month) / possible)
    actors = {"access": (here.roles.broker,) if kind.ring else here.roles.leaking, "removal": (here.roles.remover,)}
    actor_id = one_of(random, actors[channel]) if channel in actors else ""
    return Deal(since, ends, channel, actor_id, approached, power, retracts)


def _reply(life: Life, random: np.random.Generator) -> None:
    for review in life.reviews:
        if review.critical and random.random() < _REPLIES:
            at = review.critical_from + lognormal(random, 1.0, 0.8) * DAY
            review.contacts.append(contact(life.seller, at, "public_reply", 0.0, random))


def _treat(kind: Kind, deal: Deal, life: Life, ways: Payments, review: Review, random: np.random.Generator) -> None:
    """Approach the author of a critical review, perhaps, and pay, perhaps."""
    if random.random() >= _share(kind, deal, ways, deal.since - review.critical_from):
        return
    ripe = review.critical_from + (between(random, kind.ripe_days) * DAY if kind.ripe_days else 0.0)
    ready = max(deal.since, ripe)
    if kind.lasts_days and ready < deal.ends:
        ready = between(random, (ready, deal.ends))  # the list is worked through, not done at once
    at = ready + kind.hurry * lognormal(random, ways.approach_days, ways.approach_sigma) * DAY
    if at >= deal.ends:
        return
    if deal.channel == "contact":
        review.contacts.append(contact(life.seller, at, ways.channels.draw(random), ways.unnamed, random))
    elif deal.channel == "access":
        review.look_ups.append(LookUp(at, deal.actor_id))
    if random.random() < deal.power:
        paid_at = at + kind.hurry * lognormal(random, ways.delay_days, ways.delay_sigma) * DAY
        if deal.channel == "removal":
            review.remove(paid_at, deal.actor_id, paid=True)
        elif paid_at < deal.ends:
            review.turns.append(Turn(paid_at, _bought(deal, ways, random), paid=True))


def _bought(deal: Deal, ways: Payments, random: np.random.Generator) -> int | None:
    """The rating that is paid for; None: that it goes."""
    if random.random() < deal.retracts:
        return None
    return 5 if random.random() < ways.five_stars else 4


def _share(kind: Kind, deal: Deal, ways: Payments, open_before_start_seconds: float) -> float:
    """The chance that a critical review is approached, by how long it had stood when the cheating began."""
    if open_before_start_seconds <= 0:
        return deal.approached
    if open_before_start_seconds >= kind.old_days * DAY:
        return 0.0
    return ways.approached_old if kind.approached_old is None else kind.approached_old
