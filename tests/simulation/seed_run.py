"""One seed: a market, a feed, faults, a fault-free end, and the comparison with a clean run.

Invariant: the seed determines the run; the same seed gives the same result.
"""

from __future__ import annotations

import traceback
from collections import Counter
from random import Random
from typing import Final, NamedTuple

from tests.simulation.cluster import Cluster, Variant
from tests.simulation.fault_schedule import FaultSchedule
from tests.simulation.input_markets import MARKET_SPECS, VARIANTS, input_market
from tests.simulation.outcome import differences, read_outcome
from tests.simulation.small_trees import small_trees

#: One seed in this many has the larger scenario, in which staff are accused.
_SEEDS_PER_LARGE_SCENARIO: Final = 10
CORRECT_VARIANT: Final = Variant()


class SeedResult(NamedTuple):
    """The result of a seed."""

    seed: int
    #: Scenario and number.
    market: str
    live: bool
    #: Differences from a clean run; empty if the seed passes.
    problems: list[str]
    #: How often each fault and each reaction occurred.
    counts: Counter[str]


def scenario_of(seed: int) -> str:
    """Return the scenario of a seed."""
    names = list(MARKET_SPECS)
    return names[-1] if seed % _SEEDS_PER_LARGE_SCENARIO == 0 else names[seed % (len(names) - 1)]


def run(seed: int, scenario: str | None = None, variant: Variant = CORRECT_VARIANT) -> SeedResult:
    """Run a seed; with `scenario` None the seed determines the scenario."""
    chance, name = Random(seed), scenario or scenario_of(seed)
    number, live = chance.randrange(VARIANTS), chance.random() < 0.3
    with small_trees():
        cluster = Cluster(input_market(name, number), chance, live, variant)
        try:
            problems = _problems(cluster)
        except Exception:  # a task with a wrong state may raise any error
            problems = [traceback.format_exc()]
    return SeedResult(seed, f"{name} {number}", live, problems, cluster.counts)


def _problems(cluster: Cluster) -> list[str]:
    """Run a cluster with faults, then without; return the differences from a clean run."""
    FaultSchedule(cluster).run(cluster.chance.randint(20, 200))
    stuck = [] if cluster.run_until_idle() is not None else ["the run does not finish: a task waits for ever"]
    outcome = read_outcome(cluster.log, cluster.market.partition_count, cluster.written_since)
    return stuck + differences(cluster.market, cluster.processed_records(), outcome, cluster.live)
