"""What the lives of one market share: its world, its staff, and what happens to everybody at once.

Rule of this room: drawn from the seed alone, apart from all sellers, so it is the same for markets of any size and for
all scenarios that ask for it alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from stream.market.chance import between
from stream.market.hazards import DAY, Boost
from stream.market.scenarios import Scenario
from stream.market.staff import Roles, roles
from stream.market.worlds import World

#: Sellers are the children 0, 1, ... of the seed; this child is none of them.
_NO_SELLER: Final = 2**32 - 1
#: Members of the support desk when there is one: few enough that each looks up more than any rogue.
_DESK: Final = 2


@dataclass(frozen=True)
class Setting:
    """What all sellers of a run have in common."""

    world: World
    start: float
    until: float
    roles: Roles
    #: The platform asks everybody to bring old reviews up to date.
    season: Boost
    #: When the ring's broker opens.
    ring_at: float


def setting(ways: Scenario, world: World, seed: int, start: float, until: float) -> Setting:
    """Draw the setting of a run."""
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_NO_SELLER,)))
    cast = roles(_DESK, ways.cheats.leaking, random)
    begin = start + between(random, (0.2, 0.8)) * (until - start)
    season = Boost(begin, begin + between(random, (14.0, 28.0)) * DAY, between(random, (1.5, 3.0)))
    # Early enough that small sellers buy something worth finding.
    return Setting(world, start, until, cast, season, start + between(random, (0.2, 0.6)) * (until - start))
