"""The competitors of the arena, by name.

Invariant: one entry a competitor; the names are those of docs/arena.json and of `--competitors`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from stream.arena import drift_detectors
from stream.arena.ablations import ABLATIONS, without
from stream.arena.anomaly_detectors import OddFlips, OddSellers
from stream.arena.charts import MaxSprt, PoissonCusum
from stream.arena.competitor import Competitor, Factory
from stream.arena.counting import CountThreshold, RatioToPeers, WeeklyZScore
from stream.arena.level_learning_bound import level_learning_oracle
from stream.arena.oracle import oracle
from stream.arena.product import Product
from stream.arena.shrinkage import Eb05
from stream.arena.stratum_hazards import StratumHazards
from stream.market.output import Market


def _ignore_market(make: Callable[[], Competitor]) -> Factory:
    """Make a factory of competitors that do not use the market's truth and parameters."""

    def factory(_: Market) -> Competitor:
        return make()

    return factory


PRODUCTS: Final[dict[str, Factory]] = {
    "volteface": _ignore_market(Product),
    "volteface in 16 tasks": _ignore_market(partial(Product, tasks=16)),
}
BASELINES: Final[dict[str, Factory]] = {
    "count in 30 days": _ignore_market(CountThreshold),
    "ratio to peers": _ignore_market(RatioToPeers),
    "weekly z-score": _ignore_market(WeeklyZScore),
    "Poisson CUSUM": _ignore_market(PoissonCusum),
    "MaxSPRT": _ignore_market(MaxSprt),
    "EB05": _ignore_market(Eb05),
    "ADWIN": _ignore_market(drift_detectors.adwin),
    "Page-Hinkley": _ignore_market(drift_detectors.page_hinkley),
    "HDDM-A": _ignore_market(drift_detectors.hddm_a),
    "HDDM-W": _ignore_market(drift_detectors.hddm_w),
    "HalfSpaceTrees": _ignore_market(OddFlips),
    "LODA": _ignore_market(OddSellers),
    "hazards by stratum": _ignore_market(StratumHazards),
}
#: Groups by name, for `--competitors`.
GROUPS: Final[dict[str, dict[str, Factory]]] = {
    "products": PRODUCTS,
    "baselines": BASELINES,
    "bounds": {"oracle": oracle, "stranger": level_learning_oracle},
    "ablations": {name: _ignore_market(partial(without, name)) for name in ABLATIONS},
}
ROSTER: Final[dict[str, Factory]] = {name: make for group in GROUPS.values() for name, make in group.items()}


def select(names: list[str]) -> dict[str, Factory]:
    """Return competitors by their names or their groups' names; raise LookupError with all names for an unknown one."""
    found: dict[str, Factory] = {}
    for name in names:
        if name not in GROUPS and name not in ROSTER:
            raise LookupError(f"no competitor {name!r}: there are {'; '.join((*GROUPS, *ROSTER))}")
        found |= GROUPS.get(name) or {name: ROSTER[name]}
    return found
