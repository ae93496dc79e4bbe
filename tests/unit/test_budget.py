"""The budget holds where nobody cheats: on random markets of several worlds with every confounder on.

Rule of this room: a test of the budget must fail for a wrong formula, so each is asked again with a threshold that is
too low, and must then find too many.
"""

from __future__ import annotations

import math
from functools import cache

import msgspec
import pytest
from scipy.stats import poisson

from stream.core.watches import SELLER_SLACK, STAFF_SLACK, log_threshold
from stream.events import AnyEvent, Event
from stream.exchange import Tasks
from stream.market import simulate

BUDGET = 3.0
SELLERS, DAYS = 120, 150
WORLDS = (11, 12, 13)
_decode = msgspec.json.Decoder(AnyEvent).decode


@cache
def honest_market(world: int) -> list[Event]:
    market = simulate.simulate("confounded", 40 + world, SELLERS, DAYS, world)
    assert not market.truth
    return [_decode(line) for line in market.lines]


def tops(tasks: int) -> tuple[list[float], list[float], float, float]:
    """The largest ln R that each honest seller and member of staff ever had, and the years of each family."""
    sellers: list[float] = []
    staff: list[float] = []
    for world in WORLDS:
        tasked, best = Tasks(BUDGET, "digest", tasks), dict[tuple[str, str], float]()
        for event in honest_market(world):
            tasked.apply(event, event.occurred_at.timestamp())
            seller = tasked.task_of(event.seller_id).sellers.get(event.seller_id)
            if seller is not None and seller.log_odds:
                best["seller", event.seller_id] = max(best.get(("seller", event.seller_id), -9.0), *seller.log_odds)
            for one in tasked.judged():
                best["staff", one.actor_id] = max(best.get(("staff", one.actor_id), -9.0), one.top())
        sellers += [top for (kind, _), top in best.items() if kind == "seller"]
        staff += [top for (kind, _), top in best.items() if kind == "staff"]
    years = len(WORLDS) * DAYS / 365
    return sellers, staff, SELLERS * years, len(staff) / len(WORLDS) * years


def alarms(found: list[float], least: float) -> int:
    return sum(top >= least for top in found)


def most(years: float) -> int:
    """More alarms than that come by chance in one case of a hundred, if the budget just holds."""
    return int(poisson.ppf(0.99, BUDGET * years / 1000))


@pytest.mark.slow
@pytest.mark.xdist_group("budget")  # in one process, so that the markets are made once
@pytest.mark.parametrize("tasks", [1, 4])
def test_honest_sellers_and_staff_stay_within_the_budget(tasks: int) -> None:
    sellers, staff, seller_years, staff_years = tops(tasks)
    assert len(sellers) > SELLERS
    assert len(staff) > 50
    assert alarms(sellers, log_threshold(BUDGET, SELLER_SLACK)) <= most(seller_years)
    assert alarms(staff, log_threshold(BUDGET, STAFF_SLACK)) <= most(staff_years)
    # A formula that lets a hundred times as many pass is noticed.
    assert alarms(sellers, log_threshold(100 * BUDGET, SELLER_SLACK)) > most(seller_years)
    assert alarms(staff, log_threshold(100 * BUDGET, STAFF_SLACK)) > most(staff_years)


def test_the_threshold_follows_from_the_budget() -> None:
    assert log_threshold(3, 1) == pytest.approx(math.log(1000 / 3))
    assert log_threshold(6, 5) == pytest.approx(log_threshold(3, 5) - math.log(2))
    assert log_threshold(1000, 50) == 0  # nobody is accused whose flips speak for him, however large the budget


@pytest.mark.slow
def test_a_budget_without_bounds_accuses_only_with_flips_to_show() -> None:
    tasks = Tasks(1000.0, "digest", 1)
    raised = [
        alert
        for event in map(_decode, simulate.simulate("cheats", 5, 60, 120).lines)
        for alert in tasks.apply(event, event.occurred_at.timestamp())
        if alert.subject.type != "product"
    ]
    assert len({alert.subject.id for alert in raised}) > 5
    for alert in raised:
        assert alert.evidence.flips >= 1
        assert alert.evidence.odds >= alert.evidence.threshold == 1
