"""Who takes part: every competitor by name.

Rule of this room: a line a competitor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from stream.arena import drifts
from stream.arena.ablations import ABLATIONS, without
from stream.arena.charts import MaxSprt, PoissonCusum
from stream.arena.competitor import Competitor, Factory
from stream.arena.counting import CountThreshold, RatioToPeers, WeeklyZScore
from stream.arena.oddities import OddFlips, OddSellers
from stream.arena.oracle import oracle
from stream.arena.product import Product
from stream.arena.shrinker import Eb05
from stream.arena.stranger import stranger
from stream.market.output import Market


def _blind(make: Callable[[], Competitor]) -> Factory:
    """A competitor that does not look at what the market knows."""

    def made(_: Market) -> Competitor:
        return make()

    return made


PRODUCTS: Final[dict[str, Factory]] = {
    "volteface": _blind(Product),
    "volteface in 16 tasks": _blind(partial(Product, tasks=16)),
}
BASELINES: Final[dict[str, Factory]] = {
    "count in 30 days": _blind(CountThreshold),
    "ratio to peers": _blind(RatioToPeers),
    "weekly z-score": _blind(WeeklyZScore),
    "Poisson CUSUM": _blind(PoissonCusum),
    "MaxSPRT": _blind(MaxSprt),
    "EB05": _blind(Eb05),
    "ADWIN": _blind(drifts.adwin),
    "Page-Hinkley": _blind(drifts.page_hinkley),
    "HDDM-A": _blind(drifts.hddm_a),
    "HDDM-W": _blind(drifts.hddm_w),
    "HalfSpaceTrees": _blind(OddFlips),
    "LODA": _blind(OddSellers),
}
#: Groups by name, as `--competitors` takes them.
GROUPS: Final[dict[str, dict[str, Factory]]] = {
    "products": PRODUCTS,
    "baselines": BASELINES,
    "bounds": {"oracle": oracle, "stranger": stranger},
    "ablations": {name: _blind(partial(without, name)) for name in ABLATIONS},
}
ROSTER: Final[dict[str, Factory]] = {name: make for group in GROUPS.values() for name, make in group.items()}


def chosen(names: list[str]) -> dict[str, Factory]:
    """Competitors by their names or their groups' names; LookupError tells the names there are."""
    found: dict[str, Factory] = {}
    for name in names:
        if name not in GROUPS and name not in ROSTER:
            raise LookupError(f"no competitor {name!r}: there are {'; '.join((*GROUPS, *ROSTER))}")
        found |= GROUPS.get(name) or {name: ROSTER[name]}
    return found
