"""The results of a contest: in simulated markets, among planted cheats by file, and on real events as they are.

Invariant: the markets that a threshold is set on are all simulated, or all of one file. The names in the JSON are
fixed: older files must stay readable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import mean

import msgspec

from stream.arena.competitor import NO_EVIDENCE
from stream.arena.evaluation import (
    FALSE_A_MARKET,
    BudgetResult,
    OperatingPoint,
    budget_result,
    operating_point,
    threshold,
)
from stream.arena.product import BUDGET
from stream.arena.records import Performance, is_simulated
from stream.arena.rings import RingScores, add_scores
from stream.market.cheats import Run


class CompetitorResult(msgspec.Struct):
    """The results of one competitor."""

    name: str
    #: Microseconds an event.
    micros: float
    #: By false sellers a market, as in FALSE_A_MARKET.
    operating_points: dict[str, OperatingPoint] = msgspec.field(name="levels")
    #: Of products only.
    at_budget: BudgetResult | None = msgspec.field(name="own")

    @property
    def usual(self) -> OperatingPoint:
        """The results at the number of false sellers a market that most tables are about."""
        return self.operating_points[str(FALSE_A_MARKET[1])]


class PlantedResult(msgspec.Struct):
    """The results in the markets made of one file of real events, by planting cheats."""

    file: str
    markets: list[Run]
    events: int
    competitors: list[CompetitorResult]


class AsIsResult(msgspec.Struct):
    """The results of one competitor on a file of real events as they are, with all sellers taken as honest."""

    file: str
    name: str
    sellers: int
    #: From the first event of each seller to its last.
    seller_years: float
    largest_score: float
    #: Sellers above the competitor's threshold in simulated markets at the usual number of false sellers; None without
    #: such markets.
    above_threshold: int | None
    #: Of products, at the default budget.
    accused: int | None
    allowed: float | None


class RingResult(msgspec.Struct):
    """The rings that a product names in all markets with groups."""

    name: str
    markets: int
    scores: RingScores


class Report(msgspec.Struct):
    """The results of a contest; markets, events, confounders and competitors are those of simulated markets."""

    markets: list[Run]
    events: int
    #: Number of honest sellers by confounder.
    confounders: dict[str, int] = msgspec.field(name="befallen")
    competitors: list[CompetitorResult]
    planted: list[PlantedResult] = []
    as_is: list[AsIsResult] = []
    rings: list[RingResult] = []


def by_name(performances: Iterable[Performance]) -> dict[str, list[Performance]]:
    """Group performances by competitor."""
    groups: dict[str, list[Performance]] = {}
    for one in performances:
        groups.setdefault(one.name, []).append(one)
    return groups


def evaluate(performances: list[Performance]) -> Report:
    """Evaluate a contest; competitors are sorted by the cheats found at one false seller a market, large ones first."""
    simulated = [one for one in performances if is_simulated(one.run)]
    competitors, first = _competitors(simulated), _of_first(simulated)
    confounders = Counter(
        name for one in first for seller in one.honest for name in one.confounders.get(seller, ["nothing"])
    )
    thresholds = {one.name: one.usual.threshold for one in competitors}
    return Report(
        [one.run for one in first],
        sum(one.events for one in first),
        dict(confounders),
        competitors,
        _planted([one for one in performances if not is_simulated(one.run) and not one.run.as_is]),
        [_as_is(one, thresholds.get(one.name)) for one in performances if one.run.as_is],
        _rings(simulated),
    )


def _rings(performances: list[Performance]) -> list[RingResult]:
    scores = {
        name: [one.rings for one in group if one.rings is not None] for name, group in by_name(performances).items()
    }
    return [RingResult(name, len(each), add_scores(each)) for name, each in scores.items() if each]


def _of_first(performances: list[Performance]) -> list[Performance]:
    """Return the performances of the first competitor: one for each market."""
    return next(iter(by_name(performances).values()), [])


def _competitors(performances: list[Performance]) -> list[CompetitorResult]:
    results = [_competitor(name, group) for name, group in by_name(performances).items()]
    return sorted(results, key=lambda one: [share.found for share in one.usual.by_size.values()], reverse=True)


def _competitor(name: str, performances: list[Performance]) -> CompetitorResult:
    points = {str(rate): operating_point(performances, threshold(performances, rate)) for rate in FALSE_A_MARKET}
    at_budget = budget_result(performances, BUDGET) if any(one.raises_alerts() for one in performances) else None
    return CompetitorResult(name, mean(one.micros for one in performances), points, at_budget)


def _planted(performances: list[Performance]) -> list[PlantedResult]:
    files = dict.fromkeys(one.run.scenario for one in performances)
    return [
        PlantedResult(
            file,
            [one.run for one in _of_first(of_file)],
            sum(one.events for one in _of_first(of_file)),
            _competitors(of_file),
        )
        for file in files
        if (of_file := [one for one in performances if one.run.scenario == file])
    ]


def _as_is(one: Performance, above: float | None) -> AsIsResult:
    at_budget = budget_result([one], BUDGET) if one.raises_alerts() else None
    return AsIsResult(
        file=one.run.scenario,
        name=one.name,
        sellers=len(one.honest),
        seller_years=one.seller_years(),
        largest_score=max(one.honest.values(), default=NO_EVIDENCE),
        above_threshold=None if above is None else sum(score > above for score in one.honest.values()),
        accused=at_budget.false_sellers if at_budget else None,
        allowed=at_budget.allowed_sellers if at_budget else None,
    )
