"""The evaluation at equal numbers of false alarms, on examples made by hand, and the contest and its report."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from stream.arena import contest, pictures, records, report, results
from stream.arena.competitor import Competitor
from stream.arena.evaluation import budget_result, first_alarm, operating_point, recall_curve, threshold
from stream.arena.records import Performance, ScoreTrajectory, StaffScore
from stream.arena.roster import select
from stream.arena.shares import Share
from stream.contract.events import ReviewDeleted, SellerEvent
from stream.market import simulate
from stream.market.cheats import Run
from stream.market.output import Market


def performance(honest: list[float], cheats: list[ScoreTrajectory], world: int = 0) -> Performance:
    return Performance(
        run=Run("bribes", 1, 10, 365, world),
        name="one",
        events=100,
        days=365,
        micros=1,
        honest={f"h{number}": score for number, score in enumerate(honest)},
        confounders={"h0": ["bomb", "new"]},
        cheats={f"c{number}": cheat for number, cheat in enumerate(cheats)},
    )


LARGE = ScoreTrajectory("bribes", 30, [(1, 2, 1), (5, 6, 9), (20, 8, 25)])
SMALL = ScoreTrajectory("hidden", 9, [(2, 3, 2), (3, 4, 5)])
TWO = [performance([9, 5, 1, 0], [LARGE]), performance([7, 4, 4, 0], [SMALL], world=1)]


@pytest.mark.parametrize(("rate", "above", "left"), [(0.5, 7, 1), (1, 5, 2), (1.5, 4, 3), (2, 4, 3), (4, -math.inf, 8)])
def test_a_threshold_leaves_its_number_of_false_sellers_in_all_markets_together(
    rate: float, above: float, left: int
) -> None:
    assert threshold(TWO, rate) == above
    assert sum(score > above for one in TWO for score in one.honest.values()) == left


def test_an_alarm_is_the_first_step_above_the_threshold() -> None:
    assert first_alarm(LARGE, 5.9) == (9, 5)
    assert first_alarm(LARGE, 6) == (25, 20)
    assert first_alarm(LARGE, 8) is None


def test_an_operating_point() -> None:
    point = operating_point(TWO, 5)
    assert (point.false_a_market, point.delay_flips, point.delay_days) == (1, 9, 5)
    assert point.by_size == {"20+": Share(1, 1), "8-19": Share(0, 1), "4-7": Share(0, 0)}
    assert point.by_kind == {"bribes": Share(1, 1), "hidden": Share(0, 1)}
    assert point.by_confounder == {"bomb": 2, "new": 2}
    assert operating_point(TWO, 9).delay_flips is None
    assert recall_curve(TWO, (0.5, 1.5, 2), lambda cheat: True) == [(0.5, 0.5), (1.5, 0.5), (2, 0.5)]


def test_the_result_at_a_budget() -> None:
    one = performance([9, 5], [LARGE, SMALL])
    one.accused = ["c0", "h1", "neither"]
    one.staff = {
        "a": StaffScore(5, True, "access", 50),
        "b": StaffScore(3, True),
        "c": StaffScore(0, False, "removals", 9),
    }
    result = budget_result([one], budget=250)
    assert (result.false_sellers, result.allowed_sellers, result.by_confounder) == (1, 0.5, {"nothing": 1})
    assert result.by_size == {"20+": Share(1, 1), "8-19": Share(0, 1), "4-7": Share(0, 0)}
    assert result.insiders == {"access": Share(1, 1), "removals": Share(0, 1)}
    assert (result.false_staff, result.allowed_staff) == (1, 0.25)


class Deletions:
    """A competitor that counts a seller's deletions."""

    def __init__(self, _: Market) -> None:
        self.counts: dict[str, float] = {}

    def learn_one(self, x: SellerEvent) -> None:
        if isinstance(x, ReviewDeleted):
            self.counts[x.seller_id] = self.counts.get(x.seller_id, 0.0) + 1

    def score_one(self, x: SellerEvent) -> float:
        return self.counts.get(x.seller_id, 0.0)


def test_cheats_have_scores_from_their_first_paid_flip_on() -> None:
    run = Run("cheats", 3, 40, 60)
    market = simulate.simulate(run.scenario, run.seed, run.sellers, run.days)
    events = contest.sorted_events(market)
    found = contest.perform(run, "deletions", Deletions, market, events)
    paid = {cheat.seller_id: cheat for cheat in market.truth if cheat.seller_id}
    assert found.cheats.keys() == {seller_id for seller_id, cheat in paid.items() if cheat.paid_flips}
    assert not found.honest.keys() & paid.keys()
    assert found.honest.keys() | paid.keys() == {event.seller_id for event in events}
    for trajectory in found.cheats.values():
        scores, flips = [score for _, score, _ in trajectory.steps], [flips for _, _, flips in trajectory.steps]
        assert scores == sorted(set(scores))
        assert flips == sorted(flips)
        assert 1 <= flips[0] <= flips[-1] <= trajectory.paid_flips
    assert "season" not in {name for names in found.confounders.values() for name in names}  # all sellers have it


def test_a_killed_contest_resumes(tmp_path: Path) -> None:
    runs, lines = contest.market_runs(["bribes", "hidden"], [0], 1, 6, 30), tmp_path / "lines.jsonl"
    logged: list[str] = []
    first = contest.run_contest(runs[:1], {"deletions": Deletions}, lines, logged.append)
    with lines.open("ab") as file:
        file.write(lines.read_bytes()[:50])  # as if killed during a write
    made: list[Competitor] = []

    def make(market: Market) -> Competitor:
        made.append(Deletions(market))
        return made[-1]

    both = contest.run_contest(runs, {"deletions": make}, lines, logged.append)
    assert len(made) == 1
    assert both[0] == first[0]
    assert [one.run for one in both] == runs
    assert records.read(lines) == both


def test_the_report_of_a_contest(tmp_path: Path) -> None:
    competitors = select(["volteface", "count in 30 days"])
    found = contest.run_contest(
        contest.market_runs(["cheats"], [0], 1, 20, 30), competitors, tmp_path / "lines.jsonl", print
    )
    page = report.write(results.evaluate(found), [tmp_path / "figures" / "arena_recall.png"], tmp_path)
    assert page == (tmp_path / "arena.md").read_text()
    assert "![arena: recall](figures/arena_recall.png)" in page
    assert "| volteface |" in page
    assert "## At the default budget" in page
    assert msgspec.json.decode((tmp_path / "arena.json").read_bytes(), type=results.Report).markets == [found[0].run]


def test_a_contest_without_cheats_has_figures_too(tmp_path: Path) -> None:
    runs = contest.market_runs(["honest"], [0], 1, 20, 30)
    found = contest.run_contest(runs, select(["volteface"]), tmp_path / "lines.jsonl", print)
    assert all(file.exists() for file in pictures.draw(found, tmp_path / "figures"))


def test_the_figures_of_a_contest(tmp_path: Path) -> None:
    files = pictures.draw(TWO, tmp_path / "figures")
    assert [file.name for file in files] == ["arena_recall.png", "arena_delay.png"]
    assert all(file.stat().st_size > 10_000 for file in files)
