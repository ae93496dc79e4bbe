"""The groups of a market: each kind by itself, as many as the scenario says, in runs of any size."""

from __future__ import annotations

from dataclasses import fields

import pytest

from stream.market.brokers import CLIENTS
from stream.market.cheats import Run
from stream.market.groups import MarketGroups, draw_groups
from stream.market.hazards import DAY
from stream.market.run_context import run_context
from stream.market.scenarios import Groups, Scenario
from stream.market.simulate import START, simulate
from stream.market.worlds import world

ALL = Groups(**{each.name: 1.0 for each in fields(Groups)})
#: The lists of `MarketGroups` by the field of a scenario; desks share sellers with brokers.
LISTS = {
    "extortionists": "extortionists",
    "families": "families",
    "agencies": "agencies",
    "closures": "closures",
    "held_a_month": "held",
}


def drawn(groups: Groups, sellers: int = 300, days: int = 200, seed: int = 1) -> MarketGroups:
    context = run_context(Scenario(), world(0), seed, START, START + days * DAY)
    return draw_groups(groups, Run("test", seed, sellers, days), context)


@pytest.mark.parametrize("name", LISTS)
def test_a_kind_of_group_changes_no_other(name: str) -> None:
    alone, beside = drawn(Groups(**{name: 1.0})), drawn(ALL)
    assert getattr(alone, LISTS[name]) == getattr(beside, LISTS[name]) != []
    assert drawn(ALL) == beside
    assert getattr(drawn(ALL, seed=2), LISTS[name]) != getattr(beside, LISTS[name])


def test_brokers_are_the_same_beside_other_groups() -> None:
    groups = drawn(ALL)
    assert groups.brokers == drawn(Groups(insider_brokers=1.0, list_brokers=1.0)).brokers
    assert [bool(broker.tenures) for broker in groups.brokers] == [True] * 3 + [False] * 3
    insiders = [tenure.actor_id for broker in groups.brokers for tenure in broker.tenures]
    assert len(set(insiders)) == len(insiders)
    roles = groups.context.roles
    assert set(insiders).isdisjoint({*roles.desk, *roles.leaking, roles.broker, roles.remover})
    assert set(insiders).isdisjoint(desk.actor_id for desk in groups.desks)
    busy = {member.actor_id for member in groups.busy_members}
    assert set(insiders) < busy
    assert len(busy) == 2 * len(insiders)
    accounts = [one.reviewer_id for one in groups.extortionists] + [one.reviewer_id for one in groups.closures]
    assert len(set(accounts)) == len(accounts) == 6


def test_a_broker_has_four_to_sixteen_clients_or_is_left_out() -> None:
    for seed in range(20):
        for broker in drawn(Groups(insider_brokers=4.0, list_brokers=4.0), sellers=50, seed=seed).brokers:
            assert CLIENTS[0] <= len(broker.clients) <= CLIENTS[1]
            assert all(client.since < client.until <= broker.until for client in broker.clients)
            assert all(sum(bundle.ordered for bundle in client.bundles) <= client.ordered for client in broker.clients)
    assert drawn(ALL, days=60).brokers == []


@pytest.mark.parametrize("scenario", ["brokers", "lists", "extortion", "families", "rings"])
@pytest.mark.parametrize(("sellers", "days"), [(1, 1), (5, 8), (20, 90)])
def test_small_and_short_markets_can_be_made(scenario: str, sellers: int, days: int) -> None:
    made = simulate(scenario, 1, sellers, days, world=1)
    assert len(made.confounders) == sellers
