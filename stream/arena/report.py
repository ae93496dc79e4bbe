"""The report of a contest: a Markdown page, and the same numbers as JSON.

Invariant: the report contains words and tables; every number comes from `results`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from stream.arena.evaluation import FALSE_A_MARKET, FEWEST, SIZES
from stream.arena.product import BUDGET
from stream.arena.results import AsIsResult, CompetitorResult, PlantedResult, Report, RingResult
from stream.arena.shares import Share

_RATES: Final = ", ".join(f"{rate:g}" for rate in FALSE_A_MARKET)
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


def write(results: Report, drawn: list[Path], folder: Path) -> str:
    """Write page and JSON, and return the page."""
    page = markdown(results, drawn)
    (folder / "arena.md").write_text(page)
    (folder / "arena.json").write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    return page


def markdown(results: Report, drawn: Iterable[Path]) -> str:
    """Return the page; it links to the figures in a folder beside it."""
    parts = [_HEAD]
    if results.competitors:
        parts += _simulated(results, drawn)
    if results.rings:
        parts += _rings(results.rings)
    if results.planted:
        parts += _planted(results.planted)
    if results.as_is:
        parts += _as_is(results.as_is)
    return "\n\n".join(parts) + "\n"


def _simulated(results: Report, drawn: Iterable[Path]) -> list[str]:
    competitors = results.competitors
    parts = [
        _markets(results),
        *(f"![{file.stem.replace('_', ': ')}]({file.parent.name}/{file.name})" for file in drawn),
        "## At equal numbers of false alarms\n\n"
        f"Cheats found, by number of paid flips, at {_RATES} false sellers a market.",
        _sizes(competitors),
        f"## By kind of cheat\n\nCheats found with {FEWEST} paid flips or more, at one false seller a market.",
        _kinds(competitors),
        "## Detection delay\n\n"
        f"Medians over the found cheats with {FEWEST} paid flips or more, at one false seller a market.\n"
        "A detector that finds only plain cheats has short delays. Microseconds are the whole cost of an event, "
        "bookkeeping included.",
        _delays(competitors),
        "## False alarms by confounder\n\n"
        "Honest sellers accused at one false seller a market, by the seller's confounders.",
        _confounders(results),
    ]
    if any(one.at_budget for one in competitors):
        parts += [
            f"## At the default budget\n\n{BUDGET:g} false alarms are allowed per 1,000 subjects a year. An insider is "
            "found by an alert about the insider.",
            _at_budget(competitors),
        ]
    return parts


def _rings(rings: list[RingResult]) -> list[str]:
    """Return the section on rings and extortionists.

    An honest group is accused by its connector, or by half of its innocent members.
    """
    kinds, honest = rings[0].scores.rings, rings[0].scores.honest_groups
    head = ["", "markets", "insiders", *(f"rings ({kind})" for kind in kinds), "members"]
    head += [*(f"accused: {kind}" for kind in honest), "victims", "innocent sellers", "innocent staff"]
    head += ["extortionists", "innocent reviewers"]
    rows = (
        [
            one.name,
            str(one.markets),
            _of(one.scores.insiders),
            *(_of(share) for share in one.scores.rings.values()),
            _of(one.scores.members),
            *(_of(share) for share in one.scores.honest_groups.values()),
            _of(one.scores.victims),
            str(one.scores.innocent_sellers),
            str(one.scores.innocent_staff),
            _of(one.scores.extortionists),
            str(one.scores.innocent_reviewers),
        ]
        for one in rings
    )
    return [
        "## Rings and extortionists\n\nAt the default budget. A ring is found if one named ring holds half of its "
        "members. Insiders are found if they tie a named ring, members if they are in any, extortionists if an alert "
        "names them.",
        _table(head, rows),
    ]


def _planted(files: list[PlantedResult]) -> list[str]:
    parts = [
        "## Cheats planted among real events\n\n"
        "`volteface market --background` splits each seller of a file of real events into parts, and plants cheats in\n"
        "some of them. Each world is another draw. A competitor has thresholds of its own for each file, which accuse\n"
        f"{_RATES} honest parts a market. The bounds take no part: the hazards of real reviews are not known."
    ]
    for one in files:
        parts += [
            f"### {one.file}\n\nMarkets: {len(one.markets)}. Events: {one.events:,}. "
            f"Cheats found, by number of paid flips, at {_RATES} false sellers a market.",
            _sizes(one.competitors),
        ]
        if any(each.at_budget for each in one.competitors):
            parts += [
                "At the default budget; a part counts from its first event to its last:",
                _at_budget(one.competitors),
            ]
    return parts


def _as_is(rows: list[AsIsResult]) -> list[str]:
    return [
        "## Real events as they are\n\n"
        "All sellers of these files are taken as honest: each one accused is a false alarm. A seller counts from its\n"
        "first event to its last. Competitors score on different scales: *above the threshold* are the sellers with a\n"
        "higher score than the one that leaves one honest seller accused a simulated market. *Accused* and *allowed*\n"
        "are at the default budget.",
        _table(
            [
                "file",
                "competitor",
                "sellers",
                "seller-years",
                "largest score",
                "above the threshold",
                "accused",
                "allowed",
            ],
            (
                [
                    *(row.file, row.name, str(row.sellers), f"{row.seller_years:.1f}", f"{row.largest_score:.1f}"),
                    *("-" if count is None else str(count) for count in (row.above_threshold, row.accused)),
                    "-" if row.allowed is None else f"{row.allowed:.2f}",
                ]
                for row in rows
            ),
        ),
    ]


def _markets(results: Report) -> str:
    kinds = ", ".join(dict.fromkeys(run.scenario for run in results.markets))
    worlds = ", ".join(str(world) for world in sorted({run.world for run in results.markets}))
    sizes = sorted({f"{run.sellers} sellers and {run.days} days" for run in results.markets})
    head = f"{len(results.markets)} simulated markets, {results.events:,} events. Kinds: {kinds}; worlds: {worlds}."
    return f"{head}\nA market has {' or '.join(sizes)}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _of(share: Share | None) -> str:
    return f"{share.found} of {share.total}" if share and share.total else "-"


def _sizes(competitors: list[CompetitorResult]) -> str:
    head = ["", *(f"{size}, at {rate:g}" for rate in FALSE_A_MARKET for size in SIZES)]
    rows = (
        [one.name, *(_of(point.by_size[size]) for point in one.operating_points.values() for size in SIZES)]
        for one in competitors
    )
    return _table(head, rows)


def _kinds(competitors: list[CompetitorResult]) -> str:
    kinds = sorted({kind for one in competitors for kind in one.usual.by_kind})
    return _table(
        ["", *kinds],
        ([one.name, *(_of(one.usual.by_kind.get(kind)) for kind in kinds)] for one in competitors),
    )


def _delays(competitors: list[CompetitorResult]) -> str:
    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f}"

    head = ["", "own paid flips", "days since it began", "us an event", "false sellers a market"]
    rows = (
        [
            one.name,
            shown(one.usual.delay_flips),
            shown(one.usual.delay_days),
            f"{one.micros:.1f}",
            f"{one.usual.false_a_market:.2f}",
        ]
        for one in competitors
    )
    return _table(head, rows)


def _confounders(results: Report) -> str:
    names = sorted({name for one in results.competitors for name in one.usual.by_confounder})
    rows = [[one.name, *(str(one.usual.by_confounder.get(name, 0)) for name in names)] for one in results.competitors]
    return _table(
        ["", *names], [*rows, ["all honest sellers", *(str(results.confounders.get(name, 0)) for name in names)]]
    )


def _at_budget(competitors: list[CompetitorResult]) -> str:
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
        for one in competitors
        if (result := one.at_budget)
    )
    return _table(head, rows)
