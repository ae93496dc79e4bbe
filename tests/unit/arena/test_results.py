"""Results beside those of simulated markets: cheats planted among real events, and real events as they are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from stream.arena import contest, pictures, records, report
from stream.arena.records import Performance
from stream.arena.results import AsIsResult, Report, evaluate
from stream.arena.roster import select
from stream.arena.shares import Share
from stream.market.cheats import Run
from tests.unit.arena.test_arena import Events
from tests.unit.arena.test_evaluation import LARGE, SMALL, performance

_ROOT = Path(__file__).parents[3]
_FILE = "real.jsonl"


def of_file(one: Performance, seed: int = 1, as_is: bool = False) -> Performance:
    """Return a performance as if its market came from a file; its sellers have been there for 730 days altogether."""
    run = Run(_FILE, seed, 0, 0, as_is=as_is)
    return msgspec.structs.replace(one, run=run, seller_days=730.0, has_alerts=True, confounders={})


SIMULATED = [performance([9, 5, 1, 0], [LARGE]), performance([7, 4, 4, 0], [SMALL], world=1)]
PLANTED = [of_file(performance([1, 0], [LARGE]), 1), of_file(performance([3, 2], [SMALL]), 2)]
AS_IS = of_file(performance([6, 5, 20], []), as_is=True)


def test_each_part_has_thresholds_of_its_own() -> None:
    found = evaluate([*SIMULATED, *PLANTED, AS_IS])
    assert found.competitors == evaluate(SIMULATED).competitors
    (planted,) = found.planted
    (competitor,) = planted.competitors
    # Two markets: at one false seller a market the third highest score of honest parts (3, 2, 1, 0) is the threshold.
    assert competitor.usual.threshold == 1
    assert competitor.usual.by_size["20+"] == Share(1, 1)
    assert competitor.at_budget
    # Two files of 730 days of parts: four years.
    assert competitor.at_budget.allowed_sellers == pytest.approx(4 * 3 / 1000)
    assert (planted.file, planted.events, len(planted.markets)) == (_FILE, 200, 2)


def test_every_accused_seller_of_real_events_is_a_false_alarm() -> None:
    accused = msgspec.structs.replace(AS_IS, accused=["h1"])
    # One false seller a simulated market: the threshold is 5, and h0 and h2 are above it.
    assert evaluate([*SIMULATED, accused]).as_is == [AsIsResult(_FILE, "one", 3, 2.0, 20, 2, 1, 3 * 2 / 1000)]
    # A baseline raises no alerts; without simulated markets there is no threshold.
    baseline = msgspec.structs.replace(AS_IS, has_alerts=False)
    assert evaluate([baseline]).as_is == [AsIsResult(_FILE, "one", 3, 2.0, 20, None, None, None)]


def test_a_product_that_accuses_nobody_has_a_result_at_its_budget() -> None:
    (row,) = evaluate([AS_IS]).as_is
    assert row.accused == 0
    assert row.allowed == pytest.approx(3 * 2 / 1000)


def test_the_page_shows_every_part_that_there_is() -> None:
    heads = ("## At equal numbers of false alarms", "## Cheats planted among real events", "## Real events as they are")
    for shown in ([0], [1], [2], [0, 1, 2]):
        page = report.markdown(evaluate([one for part in shown for one in (SIMULATED, PLANTED, [AS_IS])[part]]), [])
        assert [number for number, head in enumerate(heads) if head in page] == shown
    assert "| real.jsonl | one | 3 | 2.0 | 20.0 | 2 | 0 | 0.01 |" in page
    assert f"### {_FILE}\n\nMarkets: 2. Events: 200." in page


def test_figures_are_about_simulated_markets(tmp_path: Path) -> None:
    assert pictures.draw([*PLANTED, AS_IS], tmp_path) == []


def test_a_contest_on_real_events(tmp_path: Path) -> None:
    make, file = Events(), tmp_path / "events.jsonl"
    events = [
        *(make.created(day, f"r{day}") for day in range(30)),
        *(make.created(day, f"q{day}", seller="t") for day in range(30)),
        *(make.edited(30 + day, f"r{day}") for day in range(3)),
    ]
    file.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in reversed(events)))
    chosen = select(["volteface", "count in 30 days", "oracle"])
    runs = [*contest.market_runs([str(file)], [0], 1, 10, 30), *contest.as_is_runs([file, file])]
    found = contest.run_contest(runs, chosen, tmp_path / "lines.jsonl", print)
    # The hazards of real reviews are not known, so the oracle takes no part.
    assert [(one.run.as_is, one.name) for one in found] == [
        (as_is, name) for as_is in (False, True) for name in ("volteface", "count in 30 days")
    ]
    assert contest.run_contest(runs, chosen, tmp_path / "lines.jsonl", print) == found
    assert records.read(tmp_path / "lines.jsonl") == found
    product, counter = found[2:]
    assert counter.honest == {"s": 3, "t": 0}
    assert (counter.events, counter.days, counter.cheats) == (63, 32, {})
    # Seller s from day 0 to 32, seller t to 29.
    assert counter.seller_days == 32 + 29
    assert (product.raises_alerts(), counter.raises_alerts()) == (True, False)


def test_results_of_earlier_versions_are_readable(tmp_path: Path) -> None:
    kept = msgspec.json.decode((_ROOT / "docs" / "arena.json").read_bytes(), type=Report)
    assert kept.competitors
    assert [one.name for one in kept.competitors if one.at_budget]
    # A line without the fields that came later: a product is recognised by its staff or its alerts.
    records.append(tmp_path / "lines.jsonl", performance([1], [LARGE]))
    line = msgspec.json.decode((tmp_path / "lines.jsonl").read_bytes())
    del line["seller_days"], line["has_alerts"]
    line["accused"] = ["c0"]
    (tmp_path / "lines.jsonl").write_bytes(msgspec.json.encode(line) + b"\n")
    (one,) = records.read(tmp_path / "lines.jsonl")
    assert (one.raises_alerts(), one.seller_years()) == (True, 1)
