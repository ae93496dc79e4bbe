"""Expected flips of `hazards by stratum`: a weighted Nelson-Aalen estimate in each stratum (Nelson 1972, Aalen 1978).

Invariant: the flips of a stratum are shared out among the reviews at risk in it, by weight. No seller's expected flips
include its own, unless it has more than half of the weight at risk. All times are days since the epoch.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

#: Exposure groups: older than 90 days; contacted, looked up within 30 days; all others.
OLD, OTHER, CONTACTED, LOOKED_UP = range(4)
GROUPS: Final = 4
#: The least weight at risk that is divided by.
_TINY: Final = 1e-9


class StratumKey(NamedTuple):
    """What reviews of one stratum have in common; a bucket is -1 if it does not apply."""

    stars: int
    age_bucket: int
    contact_bucket: int


class HazardCell(NamedTuple):
    """A stratum, an exposure group, and the age class of a review in them (see `stratum_evidence.YOUNGER`)."""

    stratum: StratumKey
    group: int
    age_class: int


class StratumClocks:
    """The weight at risk in one stratum, and its two clocks: the expected flips of a review that is always in it."""

    __slots__ = ("_exposure", "_flips", "_settled", "at_risk", "by_long_run", "by_peers")

    def __init__(self, at: float) -> None:
        #: The sum of the sellers' weights, each times the number of its reviews.
        self.at_risk = 0.0
        self.by_peers = 0.0
        self.by_long_run = 0.0
        #: The weights of all flips, and the integral of `at_risk`.
        self._flips = self._exposure = 0.0
        self._settled = at

    def advance(self, at: float) -> None:
        """Advance the long-run clock at the rate of the past; the rate is constant between two calls."""
        days = at - self._settled
        if days > 0:
            if self._exposure > 0:
                self.by_long_run += self._flips / self._exposure * days
            self._exposure += max(self.at_risk, 0.0) * days
            self._settled = at

    def add_flip(self, weight: float) -> None:
        """Count a flip of a seller of this weight."""
        self.by_peers += weight / max(self.at_risk, _TINY)
        self._flips += weight


class Strata:
    """The strata of a market."""

    def __init__(self) -> None:
        self._clocks: dict[StratumKey, StratumClocks] = {}

    def at(self, key: StratumKey, at: float) -> StratumClocks:
        """Return a stratum, advanced to a time."""
        clocks = self._clocks.get(key)
        if clocks is None:
            clocks = self._clocks[key] = StratumClocks(at)
        clocks.advance(at)
        return clocks


class SellerAtRisk:
    """The reviews at risk of one seller, and the flips expected of them, by exposure group."""

    __slots__ = ("_cells", "_in_stratum", "_settled", "_strata", "by_long_run", "by_peers", "weight")

    def __init__(self, strata: Strata) -> None:
        self.weight = 1.0
        self.by_peers = [0.0] * GROUPS
        self.by_long_run = [0.0] * GROUPS
        self._strata = strata
        #: Numbers of reviews.
        self._cells: Counter[HazardCell] = Counter()
        self._in_stratum: Counter[StratumKey] = Counter()
        #: The clocks up to which a cell's expected flips are settled: by peers, by the long run.
        self._settled: dict[HazardCell, tuple[float, float]] = {}

    def change(self, cell: HazardCell, step: int, at: float) -> None:
        """Add a review to a cell (`step` 1) or remove one (-1)."""
        clocks, key = self.settle(cell, at), cell.stratum
        self._cells[cell] += step
        if not self._cells[cell]:
            del self._cells[cell], self._settled[cell]
        before = self.weight * self._in_stratum[key]
        self._in_stratum[key] += step
        clocks.at_risk += self.weight * self._in_stratum[key] - before
        if not self._in_stratum[key]:
            del self._in_stratum[key]

    def settle(self, cell: HazardCell, at: float) -> StratumClocks:
        """Add the expected flips of a cell up to a time, and return the cell's stratum."""
        clocks = self._strata.at(cell.stratum, at)
        reviews = self._cells[cell]
        if reviews:
            by_peers, by_long_run = self._settled[cell]
            share = self.weight * self._in_stratum[cell.stratum] / max(clocks.at_risk, _TINY)
            # The flips are those of others only: so their share of the weight is the whole.
            self.by_peers[cell.group] += reviews * (clocks.by_peers - by_peers) / max(0.5, 1 - share)
            self.by_long_run[cell.group] += reviews * (clocks.by_long_run - by_long_run)
        self._settled[cell] = clocks.by_peers, clocks.by_long_run
        return clocks

    def settle_all(self, at: float) -> None:
        """Add the expected flips of all cells up to a time."""
        for cell in self._cells:
            self.settle(cell, at)

    def set_weight(self, weight: float, at: float) -> None:
        """Change the weight; the expected flips must be settled."""
        for key, reviews in self._in_stratum.items():
            self._strata.at(key, at).at_risk += weight * reviews - self.weight * reviews
        self.weight = weight

    def add_flip(self, key: StratumKey, at: float) -> None:
        """Count a flip of one of the seller's reviews for all others; the expected flips must be settled."""
        clocks = self._strata.at(key, at)
        own = self.weight * self._in_stratum[key]
        clocks.add_flip(self.weight)
        if own <= max(clocks.at_risk, _TINY) / 2:  # otherwise it has no peers, and must not look guilty for that
            for cell in self._cells:
                if cell.stratum == key:
                    self._settled[cell] = clocks.by_peers, self._settled[cell][1]

    def younger(self, classes: int) -> tuple[float, ...]:
        """Return the shares of the reviews in the first age class, the first two, and so on up to `classes`."""
        counts = [0] * (classes + 1)
        for cell, reviews in self._cells.items():
            counts[cell.age_class] += reviews
        return tuple(sum(counts[:most]) / sum(counts) for most in range(1, classes + 1))
