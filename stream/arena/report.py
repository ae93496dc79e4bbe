"""The report of a contest: a Markdown page, and the same numbers as JSON.

Invariant: the report contains words and tables; every number comes from `evaluation`. The names in the JSON are fixed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Final

import msgspec

from stream.arena.evaluation import (
    FALSE_A_MARKET,
    FEWEST,
    SIZES,
    BudgetResult,
    OperatingPoint,
    Share,
    budget_result,
    operating_point,
    threshold,
)
from stream.arena.product import BUDGET
from stream.arena.records import Performance
from stream.market.cheats import Run
from stream.market.scenarios import SCENARIOS

_HEAD: Final = """# The arena

`make arena` writes this page. It compares detectors on the same markets, at equal numbers of false alarms. Every
competitor receives the same events one by one, and after each event it scores how suspicious the event's seller is.
Each competitor has one threshold for all markets: the score above which it accuses the given number of honest sellers a
market. A cheat can be found from its first paid flip on. Sellers that bought removals, and cheats without a paid flip,
count neither as cheats nor as honest. The docstrings of the baselines give their sources. All baselines but one share
one plain bookkeeping (`stream/arena/bookkeeping.py`). That one, `hazards by stratum`, asks the product's questions by
another and simpler design: if it does better, this page shows it. The oracle knows the hazard of every honest flip. The
`stranger` knows the hazards, too, but not the sellers' levels, and is the bound for detectors that must learn these
levels. `no ...` is Volteface without one of its parts. With 16 tasks, each task has a sixteenth of the market."""


class CompetitorResult(msgspec.Struct):
    """The results of one competitor."""

    name: str
    #: Microseconds an event.
    micros: float
    #: By false sellers a market, as in FALSE_A_MARKET.
    operating_points: dict[str, OperatingPoint] = msgspec.field(name="levels")
    #: Of products only.
    at_budget: BudgetResult | None = msgspec.field(name="own")


class Report(msgspec.Struct):
    """The results of a contest."""

    markets: list[Run]
    events: int
    #: Number of honest sellers by confounder.
    confounders: dict[str, int] = msgspec.field(name="befallen")
    competitors: list[CompetitorResult]


def by_name(performances: Iterable[Performance]) -> dict[str, list[Performance]]:
    """Group performances by competitor."""
    groups: dict[str, list[Performance]] = {}
    for one in performances:
        groups.setdefault(one.name, []).append(one)
    return groups


def report(performances: list[Performance]) -> Report:
    """Evaluate a contest; competitors are sorted by the cheats found at one false seller a market, large ones first."""
    groups = by_name(performances)
    results = [_result(name, group) for name, group in groups.items()]
    results.sort(key=lambda one: [share.found for share in _middle(one).by_size.values()], reverse=True)
    first = next(iter(groups.values()), [])
    confounders = Counter(
        name for one in first for seller in one.honest for name in one.confounders.get(seller, ["nothing"])
    )
    return Report([one.run for one in first], sum(one.events for one in first), dict(confounders), results)


def _result(name: str, performances: list[Performance]) -> CompetitorResult:
    points = {str(rate): operating_point(performances, threshold(performances, rate)) for rate in FALSE_A_MARKET}
    has_alerts = any(one.staff or one.accused for one in performances)
    at_budget = budget_result(performances, BUDGET) if has_alerts else None
    return CompetitorResult(name, mean(one.micros for one in performances), points, at_budget)


def write(results: Report, drawn: list[Path], folder: Path) -> str:
    """Write page and JSON, and return the page."""
    page = markdown(results, drawn)
    (folder / "arena.md").write_text(page)
    (folder / "arena.json").write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    return page


def markdown(results: Report, drawn: Iterable[Path]) -> str:
    """Return the page; it links to the figures in a folder beside it."""
    pictures = [f"![{file.stem.replace('_', ': ')}]({file.parent.name}/{file.name})" for file in drawn]
    rates = ", ".join(f"{rate:g}" for rate in FALSE_A_MARKET)
    parts = [
        _HEAD,
        _markets(results),
        *pictures,
        "## At equal numbers of false alarms\n\n"
        f"Cheats found, by number of paid flips, at {rates} false sellers a market.",
        _sizes(results),
        f"## By kind of cheat\n\nCheats found with {FEWEST} paid flips or more, at one false seller a market.",
        _kinds(results),
        "## Detection delay\n\n"
        f"Medians over the found cheats with {FEWEST} paid flips or more, at one false seller a market.\n"
        "A detector that finds only plain cheats has short delays. Microseconds are the whole cost of an event, "
        "bookkeeping included.",
        _delays(results),
        "## False alarms by confounder\n\n"
        "Honest sellers accused at one false seller a market, by the seller's confounders.",
        _confounders(results),
    ]
    if any(one.at_budget for one in results.competitors):
        parts += [
            f"## At the default budget\n\n{BUDGET:g} false alarms are allowed per 1,000 subjects a year. An insider is "
            "found by an alert about the insider.",
            _at_budget(results),
        ]
    return "\n\n".join(parts) + "\n"


def _markets(results: Report) -> str:
    kinds = ", ".join(dict.fromkeys(run.scenario for run in results.markets))
    worlds = ", ".join(str(world) for world in sorted({run.world for run in results.markets}))
    simulated = [run for run in results.markets if run.scenario in SCENARIOS]
    sizes = sorted({f"{run.sellers} sellers and {run.days} days" for run in simulated})
    head = f"{len(results.markets)} markets, {results.events:,} events. Kinds: {kinds}; worlds: {worlds}."
    return f"{head}\nA simulated market has {' or '.join(sizes)}." if sizes else head


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _of(share: Share | None) -> str:
    return f"{share.found} of {share.total}" if share and share.total else "-"


def _middle(one: CompetitorResult) -> OperatingPoint:
    return one.operating_points[str(FALSE_A_MARKET[1])]


def _sizes(results: Report) -> str:
    head = ["", *(f"{size}, at {rate:g}" for rate in FALSE_A_MARKET for size in SIZES)]
    rows = (
        [one.name, *(_of(point.by_size[size]) for point in one.operating_points.values() for size in SIZES)]
        for one in results.competitors
    )
    return _table(head, rows)


def _kinds(results: Report) -> str:
    kinds = sorted({kind for one in results.competitors for kind in _middle(one).by_kind})
    return _table(
        ["", *kinds],
        ([one.name, *(_of(_middle(one).by_kind.get(kind)) for kind in kinds)] for one in results.competitors),
    )


def _delays(results: Report) -> str:
    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f}"

    head = ["", "own paid flips", "days since it began", "us an event", "false sellers a market"]
    rows = (
        [
            one.name,
            shown(_middle(one).delay_flips),
            shown(_middle(one).delay_days),
            f"{one.micros:.1f}",
            f"{_middle(one).false_a_market:.2f}",
        ]
        for one in results.competitors
    )
    return _table(head, rows)


def _confounders(results: Report) -> str:
    names = sorted({name for one in results.competitors for name in _middle(one).by_confounder})
    rows = [
        [one.name, *(str(_middle(one).by_confounder.get(name, 0)) for name in names)] for one in results.competitors
    ]
    return _table(
        ["", *names], [*rows, ["all honest sellers", *(str(results.confounders.get(name, 0)) for name in names)]]
    )


def _at_budget(results: Report) -> str:
    head = ["", *SIZES, "false sellers", "allowed", "sold look-ups", "sold removals", "false staff", "allowed"]
    rows = (
        [
            one.name,
            *(_of(result.by_size[size]) for size in SIZES),
            str(result.false_sellers),
            f"{result.allowed_sellers:.1f}",
            *(_of(share) for share in result.insiders.values()),
            str(result.false_staff),
            f"{result.allowed_staff:.2f}",
        ]
        for one in results.competitors
        if (result := one.at_budget)
    )
    return _table(head, rows)
