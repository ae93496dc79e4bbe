"""The budget holds on honest markets: random markets of several worlds with every confounder on.

Invariant: a test of the budget must fail for a wrong formula. So each test also asks with a threshold that is too low,
and must then find too many alarms.
"""

from __future__ import annotations

import math
from functools import cache

import msgspec
import pytest
from scipy.stats import poisson

from stream.contract.events import AnyEvent, SellerEvent
from stream.core.evidence.watches import SELLER_SLACK, STAFF_SLACK, log_threshold
from stream.market import simulate
from stream.offline.local_bus import LocalTasks

BUDGET = 3.0
SELLERS, DAYS = 120, 150
WORLDS = (11, 12, 13)
_decode = msgspec.json.Decoder(AnyEvent).decode


@cache
def honest_market(world: int) -> list[SellerEvent]:
    market = simulate.simulate("confounded", 40 + world, SELLERS, DAYS, world)
    assert not market.truth
    return [_decode(line) for line in market.lines]


def largest_log_odds(task_count: int) -> tuple[list[float], list[float], float, float]:
    """Return the largest ln R of each honest seller and each staff member, and the subject-years of each family."""
    sellers: list[float] = []
    staff: list[float] = []
    for world in WORLDS:
        tasks, largest = LocalTasks(BUDGET, "digest", task_count), dict[tuple[str, str], float]()
        for event in honest_market(world):
            tasks.apply(event, event.occurred_at.timestamp())
            seller = tasks.task_of(event.seller_id).state.sellers.get(event.seller_id)
            if seller is not None and seller.log_odds:
                name = "seller", event.seller_id
                largest[name] = max(largest.get(name, -9.0), *seller.log_odds)
            for history in tasks.concluded_staff():
                name = "staff", history.actor_id
                largest[name] = max(largest.get(name, -9.0), history.max_log_odds())
        sellers += [value for (kind, _), value in largest.items() if kind == "seller"]
        staff += [value for (kind, _), value in largest.items() if kind == "staff"]
    years = len(WORLDS) * DAYS / 365
    return sellers, staff, SELLERS * years, len(staff) / len(WORLDS) * years


def count_alarms(log_odds: list[float], threshold: float) -> int:
    return sum(value >= threshold for value in log_odds)


def max_alarms(years: float) -> int:
    """Return the most alarms that come by chance in 99 of 100 cases if the budget is just met."""
    return int(poisson.ppf(0.99, BUDGET * years / 1000))


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [pytest.param(1, marks=pytest.mark.long), 4])
def test_honest_sellers_and_staff_stay_within_the_budget(tasks: int) -> None:
    sellers, staff, seller_years, staff_years = largest_log_odds(tasks)
    assert len(sellers) > SELLERS
    assert len(staff) > 50
    assert count_alarms(sellers, log_threshold(BUDGET, SELLER_SLACK)) <= max_alarms(seller_years)
    assert count_alarms(staff, log_threshold(BUDGET, STAFF_SLACK)) <= max_alarms(staff_years)
    # A formula that allows a hundred times as many alarms is detected.
    assert count_alarms(sellers, log_threshold(100 * BUDGET, SELLER_SLACK)) > max_alarms(seller_years)
    assert count_alarms(staff, log_threshold(100 * BUDGET, STAFF_SLACK)) > max_alarms(staff_years)


def test_threshold_follows_from_the_budget() -> None:
    assert log_threshold(3, 1) == pytest.approx(math.log(1000 / 3))
    assert log_threshold(6, 5) == pytest.approx(log_threshold(3, 5) - math.log(2))
    assert log_threshold(1000, 50) == 0  # ln R below 0 is no alarm at any budget


@pytest.mark.slow
def test_huge_budget_raises_no_alert_without_flips() -> None:
    tasks = LocalTasks(1000.0, "digest", 1)
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
