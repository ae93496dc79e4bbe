"""What the sellers of one run share: its world, its staff, and the platform's campaign.

Invariant: the context is drawn from the seed alone, apart from all sellers. So it is the same for markets of any size,
and for all scenarios with the same number of leaking staff members.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from stream.market.hazards import DAY, Boost
from stream.market.sampling import uniform
from stream.market.scenarios import Scenario
from stream.market.staff import Roles, assign_roles
from stream.market.worlds import World

#: Sellers are the children 0, 1, ... of the seed; this child is none of them.
_NO_SELLER: Final = 2**32 - 1
#: Members of the support desk: few enough that each looks up more reviews than any insider.
_DESK: Final = 2


@dataclass(frozen=True)
class RunContext:
    """What all sellers of a run have in common; times are epoch seconds."""

    world: World
    start: float
    until: float
    roles: Roles
    #: The campaign in which the platform asks all reviewers to update old reviews.
    season: Boost
    #: When the ring's broker starts.
    ring_at: float


def run_context(scenario: Scenario, world: World, seed: int, start: float, until: float) -> RunContext:
    """Draw the context of a run."""
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_NO_SELLER,)))
    roles = assign_roles(_DESK, scenario.cheats.leaking, random)
    begin = start + uniform(random, (0.2, 0.8)) * (until - start)
    season = Boost(begin, begin + uniform(random, (14.0, 28.0)) * DAY, uniform(random, (1.5, 3.0)))
    # Early enough that small sellers buy a detectable number of flips.
    return RunContext(world, start, until, roles, season, start + uniform(random, (0.2, 0.6)) * (until - start))
