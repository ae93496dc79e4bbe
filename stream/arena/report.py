"""A contest told: Markdown for people, JSON for others.

Rule of this room: words and tables; every number comes from `judge`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Final

import msgspec

from stream.arena.judge import FALSE_A_MARKET, FEWEST, SIZES, Level, Own, Share, level, own, threshold
from stream.arena.product import BUDGET
from stream.arena.records import Performance
from stream.market.cheats import Run
from stream.market.scenarios import SCENARIOS

_HEAD: Final = """# The arena

Detectors compared on the same markets, at equal numbers of false alarms: `make arena` writes this page. Every
competitor sees the same events one by one and says after each how suspicious its seller is; it is given the threshold
that leaves so many honest sellers accused a market, the same in all markets. A cheat can be found from its first paid
flip on. Who bought removals, or whose money nobody took, counts neither as cheat nor as honest. The baselines stand on
one plain bookkeeping (`stream/arena/follow.py`) and have their sources in their docstrings; the oracle knows how
readily every reviewer would turn by itself; the stranger knows it, too, but for the sellers' levels, and is the bound
for whoever must learn them. `no ...` is Volteface without one of its parts; in 16 tasks each knows a sixteenth of the
market."""


class Told(msgspec.Struct):
    """What is told of one competitor."""

    name: str
    micros: float
    #: By false alarms a market, as in FALSE_A_MARKET.
    levels: dict[str, Level]
    own: Own | None


class Report(msgspec.Struct):
    """All of it."""

    markets: list[Run]
    events: int
    #: Honest sellers by what befell them.
    befallen: dict[str, int]
    competitors: list[Told]


def by_name(performances: Iterable[Performance]) -> dict[str, list[Performance]]:
    """Each competitor's performances."""
    groups: dict[str, list[Performance]] = {}
    for one in performances:
        groups.setdefault(one.name, []).append(one)
    return groups


def report(performances: list[Performance]) -> Report:
    """Judge a contest; those who find most large cheats at one false alarm a market come first."""
    groups = by_name(performances)
    told = [_told(name, group) for name, group in groups.items()]
    middle = str(FALSE_A_MARKET[1])
    told.sort(key=lambda one: [share.found for share in one.levels[middle].by_size.values()], reverse=True)
    first = next(iter(groups.values()), [])
    befallen = Counter(what for one in first for who in one.honest for what in one.befallen.get(who, ["nothing"]))
    return Report([one.run for one in first], sum(one.events for one in first), dict(befallen), told)


def _told(name: str, performances: list[Performance]) -> Told:
    levels = {str(rate): level(performances, threshold(performances, rate)) for rate in FALSE_A_MARKET}
    raised = own(performances, BUDGET) if any(one.staff or one.accused for one in performances) else None
    return Told(name, mean(one.micros for one in performances), levels, raised)


def write(told: Report, drawn: list[Path], folder: Path) -> str:
    """Write page and JSON; the page."""
    page = markdown(told, drawn)
    (folder / "arena.md").write_text(page)
    (folder / "arena.json").write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")
    return page


def markdown(told: Report, drawn: Iterable[Path]) -> str:
    """The page, with pictures that lie beside it."""
    pictures = [f"![{file.stem.replace('_', ': ')}]({file.parent.name}/{file.name})" for file in drawn]
    parts = [
        _HEAD,
        _markets(told),
        *pictures,
        "## At equal numbers of false alarms\n\nFound of the cheats with so many paid flips, at thresholds that leave "
        f"{', '.join(f'{rate:g}' for rate in FALSE_A_MARKET)} false sellers a market.",
        _sizes(told),
        f"## By kind of cheat\n\nOf those with {FEWEST} paid flips or more, at one false seller a market.",
        _kinds(told),
        f"## How soon\n\nMedians over the cheats with {FEWEST} paid flips or more that were found, at one false seller "
        "a market; who finds only what is plain is quick. Microseconds are an event's whole cost, following included.",
        _delays(told),
        "## Whom false alarms are about\n\nAt one false seller a market, by what befell the seller.",
        _confounders(told),
    ]
    if any(one.own for one in told.competitors):
        parts += [
            f"## At the default budget\n\n{BUDGET:g} false alarms are allowed per 1,000 subjects a year. Rogue staff "
            "are found by an alert about themselves.",
            _owns(told),
        ]
    return "\n\n".join(parts) + "\n"


def _markets(told: Report) -> str:
    kinds = ", ".join(dict.fromkeys(run.scenario for run in told.markets))
    worlds = ", ".join(str(world) for world in sorted({run.world for run in told.markets}))
    sizes = sorted({f"{run.sellers} sellers and {run.days} days" for run in told.markets if run.scenario in SCENARIOS})
    head = f"{len(told.markets)} markets, {told.events:,} events. Kinds: {kinds}; worlds: {worlds}."
    return f"{head} What is simulated has {' or '.join(sizes)}." if sizes else head


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _of(share: Share | None) -> str:
    return f"{share.found} of {share.of}" if share and share.of else "-"


def _middle(one: Told) -> Level:
    return one.levels[str(FALSE_A_MARKET[1])]


def _sizes(told: Report) -> str:
    head = ["", *(f"{size}, at {rate:g}" for rate in FALSE_A_MARKET for size in SIZES)]
    rows = (
        [one.name, *(_of(at.by_size[size]) for at in one.levels.values() for size in SIZES)] for one in told.competitors
    )
    return _table(head, rows)


def _kinds(told: Report) -> str:
    kinds = sorted({kind for one in told.competitors for kind in _middle(one).by_kind})
    return _table(
        ["", *kinds], ([one.name, *(_of(_middle(one).by_kind.get(kind)) for kind in kinds)] for one in told.competitors)
    )


def _delays(told: Report) -> str:
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
        for one in told.competitors
    )
    return _table(head, rows)


def _confounders(told: Report) -> str:
    names = sorted({name for one in told.competitors for name in _middle(one).by_confounder})
    rows = [[one.name, *(str(_middle(one).by_confounder.get(name, 0)) for name in names)] for one in told.competitors]
    return _table(["", *names], [*rows, ["all honest sellers", *(str(told.befallen.get(name, 0)) for name in names)]])


def _owns(told: Report) -> str:
    head = ["", *SIZES, "false sellers", "allowed", "sold look-ups", "sold removals", "false staff", "allowed"]
    rows = (
        [
            one.name,
            *(_of(raised.by_size[size]) for size in SIZES),
            str(raised.false_sellers),
            f"{raised.allowed_sellers:.1f}",
            *(_of(share) for share in raised.rogue_staff.values()),
            str(raised.false_staff),
            f"{raised.allowed_staff:.2f}",
        ]
        for one in told.competitors
        if (raised := one.own)
    )
    return _table(head, rows)
