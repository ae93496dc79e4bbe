"""A seeded market as a file: all sellers' stories, put in the order in which they arrive.

Rule of this room: a seller's life depends on the world, the seed and its own number only, so markets of different
sizes share their sellers, and the same arguments give the same bytes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from stream.market import cheats, confounders, dirt, honest, payments, story
from stream.market.cheats import KINDS, Cheat, Run
from stream.market.hazards import DAY
from stream.market.life import Life
from stream.market.output import Making, Market, written
from stream.market.payments import Deal
from stream.market.scenarios import SCENARIOS, Scenario, find
from stream.market.setting import Setting, setting
from stream.market.worlds import world as find_world

__all__ = ["SCENARIOS", "START", "Market", "make", "market", "simulate", "write"]

#: Every run begins here.
START: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp()


def simulate(scenario: str, seed: int, sellers: int, days: int, world: int = 0) -> Market:
    """Make a market; ValueError for a scenario that is not known."""
    return make(find(scenario), Run(scenario, seed, sellers, days, world))


def make(ways: Scenario, run: Run) -> Market:
    """Make a market of a scenario that need not have a name."""
    making = Making(run)
    for lived in lives(ways, run):
        _tell(ways, lived, making)
    return making.market()


@dataclass(frozen=True)
class Lived:
    """One seller's life with all that it plans, and what is left to draw for its telling."""

    here: Setting
    life: Life
    befallen: list[str]
    kind: str | None
    deal: Deal | None
    delivering: np.random.Generator


def lives(ways: Scenario, run: Run) -> Iterator[Lived]:
    """All sellers' lives; a seller takes the kind of its cheating, if any, from those that are left."""
    here = setting(ways, find_world(run.world), run.seed, START, START + run.days * DAY)
    left = cheats.wanted(ways.cheats, run.sellers)
    for number, seeds in enumerate(np.random.SeedSequence(run.seed).spawn(run.sellers)):
        *drawing, confounding = seeds.spawn(5)
        honestly, dishonestly, telling, delivering = (np.random.default_rng(each) for each in drawing)
        life = _born(here, number, honestly, telling)
        kind = cheats.take(left, life.seller.volume_per_day < here.world.honest.volume_median)
        befallen = confounders.apply(ways.confounders, life, here, confounding)
        deal = payments.plan(KINDS[kind], life, here, dishonestly) if kind else None
        yield Lived(here, life, befallen, kind, deal, delivering)


def market(
    scenario: str, seed: int, sellers: int, days: int, world: int = 0
) -> tuple[list[dict[str, Any]], list[Cheat]]:
    """The same, with events as plain objects."""
    made = simulate(scenario, seed, sellers, days, world)
    return [msgspec.json.decode(line) for line in made.lines], made.truth


def write(scenario: str, seed: int, sellers: int, days: int, out: Path, truth: Path, world: int = 0) -> int:
    """Make a market and write it; the number of lines of `out`.

    `truth` has one JSON line for each cheat: seller_id (or actor_id for staff), kind, started_at, paid_flips,
    paid_review_ids, and the run's parameters in the field `run`. An honest market's truth is an empty file.
    """
    made = simulate(scenario, seed, sellers, days, world)
    made.write(out, truth)
    return len(made.lines)


def _tell(ways: Scenario, lived: Lived, making: Making) -> None:
    """Deliver what happens in a seller's life, and put on record what it paid for."""
    here, life, seller_id = lived.here, lived.life, lived.life.seller.seller_id
    making.befallen[seller_id] = lived.befallen
    paid: list[str] = []
    count = 0
    for review in life.reviews:
        told, bought = story.tell(here.world.hazards, life, review, here.until)
        paid += [bought] if bought else []
        for at, fields in told:
            at_ms = int(at * 1000)
            event = {"event_id": f"{seller_id}-{count:x}", "occurred_at": written(at_ms), **fields}
            making.deliver(event, dirt.arrivals(ways.dirt, at_ms, lived.delivering))
            count += 1
    if lived.kind and lived.deal:
        making.judge(seller_id, lived.kind, lived.deal, paid)


def _born(here: Setting, number: int, honestly: np.random.Generator, telling: np.random.Generator) -> Life:
    """The life that a seller has if nothing befalls it."""
    ways = here.world.honest
    seller = honest.seller(ways, number, honestly)
    span = (here.start, here.until)
    reviews = honest.reviews(ways, here.world.rhythm, seller, seller.volume_per_day, span, 0, honestly)
    for review in reviews:
        review.previous_known = telling.random() < ways.previous_known
    return Life(seller, reviews, here.start, here.until, numbers=len(reviews))
