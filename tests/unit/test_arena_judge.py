"""Equal numbers of false alarms, and what is told at them, on examples made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from stream.arena import contest, pictures, records, report
from stream.arena.competitor import Competitor
from stream.arena.judge import Share, alarm, curve, level, own, threshold
from stream.arena.records import Course, Performance, Staff
from stream.arena.roster import chosen
from stream.events import Event, ReviewDeleted
from stream.market import simulate
from stream.market.cheats import Run
from stream.market.output import Market


def performance(honest: list[float], cheats: list[Course], world: int = 0) -> Performance:
    return Performance(
        run=Run("bribes", 1, 10, 365, world),
        name="one",
        events=100,
        days=365,
        micros=1,
        honest={f"h{number}": score for number, score in enumerate(honest)},
        befallen={"h0": ["bomb", "new"]},
        cheats={f"c{number}": cheat for number, cheat in enumerate(cheats)},
    )


LARGE = Course("bribes", 30, [(1, 2, 1), (5, 6, 9), (20, 8, 25)])
SMALL = Course("hidden", 9, [(2, 3, 2), (3, 4, 5)])
TWO = [performance([9, 5, 1, 0], [LARGE]), performance([7, 4, 4, 0], [SMALL], world=1)]


@pytest.mark.parametrize(("rate", "above", "left"), [(0.5, 7, 1), (1, 5, 2), (1.5, 4, 3), (2, 4, 3), (4, -math.inf, 8)])
def test_thresholds_leave_so_many_false_sellers_in_all_markets_together(rate: float, above: float, left: int) -> None:
    assert threshold(TWO, rate) == above
    assert sum(score > above for one in TWO for score in one.honest.values()) == left


def test_an_alarm_is_the_first_step_above_the_threshold() -> None:
    assert alarm(LARGE, 5.9) == (9, 5)
    assert alarm(LARGE, 6) == (25, 20)
    assert alarm(LARGE, 8) is None


def test_what_is_told_at_a_level() -> None:
    told = level(TWO, 5)
    assert (told.false_a_market, told.delay_flips, told.delay_days) == (1, 9, 5)
    assert told.by_size == {"20+": Share(1, 1), "8-19": Share(0, 1), "4-7": Share(0, 0)}
    assert told.by_kind == {"bribes": Share(1, 1), "hidden": Share(0, 1)}
    assert told.by_confounder == {"bomb": 2, "new": 2}
    assert level(TWO, 9).delay_flips is None
    assert curve(TWO, (0.5, 1.5, 2), lambda cheat: True) == [(0.5, 0.5), (1.5, 0.5), (2, 0.5)]


def test_what_the_default_budget_allowed() -> None:
    one = performance([9, 5], [LARGE, SMALL])
    one.accused = ["c0", "h1", "neither"]
    one.staff = {"a": Staff(5, True, "access", 50), "b": Staff(3, True), "c": Staff(0, False, "removals", 9)}
    raised = own([one], budget=250)
    assert (raised.false_sellers, raised.allowed_sellers, raised.by_confounder) == (1, 0.5, {"nothing": 1})
    assert raised.by_size == {"20+": Share(1, 1), "8-19": Share(0, 1), "4-7": Share(0, 0)}
    assert raised.rogue_staff == {"access": Share(1, 1), "removals": Share(0, 1)}
    assert (raised.false_staff, raised.allowed_staff) == (1, 0.25)


class Deletions:
    """Counts a seller's deletions."""

    def __init__(self, _: Market) -> None:
        self.counts: dict[str, float] = {}

    def learn_one(self, x: Event) -> None:
        if isinstance(x, ReviewDeleted):
            self.counts[x.seller_id] = self.counts.get(x.seller_id, 0.0) + 1

    def score_one(self, x: Event) -> float:
        return self.counts.get(x.seller_id, 0.0)


def test_cheats_are_watched_from_their_first_paid_flip_on() -> None:
    run = Run("cheats", 3, 40, 60)
    market = simulate.simulate(run.scenario, run.seed, run.sellers, run.days)
    events = contest.in_order(market)
    found = contest.perform(run, "deletions", Deletions, market, events)
    paid = {cheat.seller_id: cheat for cheat in market.truth if cheat.seller_id}
    assert found.cheats.keys() == {seller_id for seller_id, cheat in paid.items() if cheat.paid_flips}
    assert not found.honest.keys() & paid.keys()
    assert found.honest.keys() | paid.keys() == {event.seller_id for event in events}
    for course in found.cheats.values():
        scores, flips = [score for _, score, _ in course.steps], [flips for _, _, flips in course.steps]
        assert scores == sorted(set(scores))
        assert flips == sorted(flips)
        assert 1 <= flips[0] <= flips[-1] <= course.paid_flips
    assert "season" not in {what for befallen in found.befallen.values() for what in befallen}  # it befalls everybody


def test_a_contest_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    where, lines = contest.rounds(["bribes", "hidden"], [0], 1, 6, 30), tmp_path / "lines.jsonl"
    said: list[str] = []
    first = contest.hold(where[:1], {"deletions": Deletions}, lines, said.append)
    with lines.open("ab") as file:
        file.write(lines.read_bytes()[:50])  # it was killed while it wrote
    made: list[Competitor] = []

    def make(market: Market) -> Competitor:
        made.append(Deletions(market))
        return made[-1]

    both = contest.hold(where, {"deletions": make}, lines, said.append)
    assert len(made) == 1
    assert both[0] == first[0]
    assert [one.run for one in both] == where
    assert records.take_up(lines) == both


def test_a_contest_is_told_in_words_and_numbers(tmp_path: Path) -> None:
    who = chosen(["volteface", "count in 30 days"])
    found = contest.hold(contest.rounds(["cheats"], [0], 1, 20, 30), who, tmp_path / "lines.jsonl", print)
    page = report.write(report.report(found), [tmp_path / "figures" / "arena_recall.png"], tmp_path)
    assert page == (tmp_path / "arena.md").read_text()
    assert "![arena: recall](figures/arena_recall.png)" in page
    assert "| volteface |" in page
    assert "## At the default budget" in page
    assert msgspec.json.decode((tmp_path / "arena.json").read_bytes(), type=report.Report).markets == [found[0].run]


def test_a_contest_is_drawn(tmp_path: Path) -> None:
    files = pictures.draw(TWO, tmp_path / "figures")
    assert [file.name for file in files] == ["arena_recall.png", "arena_delay.png"]
    assert all(file.stat().st_size > 10_000 for file in files)
