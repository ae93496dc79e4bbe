"""One seed: a market, a feed, trouble, calm, and the verdict.

Rule of this room: a seed says everything; run again it does the same.
"""

from __future__ import annotations

import traceback
from collections import Counter
from random import Random
from typing import Final, NamedTuple

from tests.simulation.markets import SIZES, VARIANTS, market
from tests.simulation.trees import low_trees
from tests.simulation.trouble import Trouble
from tests.simulation.verdict import differences, outcome
from tests.simulation.world import Parts, World

#: The larger scenario, in which accusations count, has one seed in so many.
_SELDOM: Final = 10
SOUND: Final = Parts()


class Ran(NamedTuple):
    """What became of a seed."""

    seed: int
    market: str
    live: bool
    wrong: list[str]
    happened: Counter[str]


def scenario_of(seed: int) -> str:
    """The scenario of a seed, if none is asked for."""
    names = list(SIZES)
    return names[-1] if seed % _SELDOM == 0 else names[seed % (len(names) - 1)]


def run(seed: int, scenario: str | None = None, parts: Parts = SOUND) -> Ran:
    """Run it."""
    chance, name = Random(seed), scenario or scenario_of(seed)
    variant, live = chance.randrange(VARIANTS), chance.random() < 0.3
    with low_trees():
        world = World(market(name, variant), chance, live, parts)
        try:
            wrong = _lived_through(world)
        except Exception:  # a task that goes by a spoilt state may fall over in any way
            wrong = [traceback.format_exc()]
    return Ran(seed, f"{name} {variant}", live, wrong, world.counts)


def _lived_through(world: World) -> list[str]:
    """What is not as it should be in the end."""
    Trouble(world).run(world.chance.randint(20, 200))
    ended = [] if world.calm() is not None else ["it does not come to its end: something waits for ever"]
    return ended + differences(world.market, outcome(world.log, world.market.partitions), world.live)
