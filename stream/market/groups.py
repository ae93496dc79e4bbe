"""The groups that tie sellers of a market together: brokers, extortionists, and honest groups that look like rings.

Invariant: groups are drawn from the scenario, the seed and the number of sellers, each kind with its own generator, and
act on a seller with a generator of that group and seller. So a kind of group more or less changes no other group, but
for the sellers that desks share with brokers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import numpy as np

from stream.market import extortion, look_alikes, mass_changes
from stream.market.broker_sales import serve
from stream.market.brokers import Client, FlipBroker, draw_brokers, draw_own_kinds
from stream.market.cheats import Run
from stream.market.extortion import Extortionist
from stream.market.honest import REGULARS, draw_seller, regular_id
from stream.market.look_alikes import Agency, BusyMember, Desk, ShopFamily
from stream.market.mass_changes import Closure, HeldChanges
from stream.market.plans import SellerPlan, SimulatedSeller
from stream.market.run_context import RunContext
from stream.market.scenarios import Groups

#: Sellers are the children 0, 1, ... of the seed, the run's context another one; this child is none of them.
_NO_SELLER: Final = 2**32 - 2
#: The generators of the kinds; the positions select the seeds: append only.
_BROKERS, _OWN, _LINKS, _FAMILIES, _AGENCIES, _DESKS, _BUSY, _EXTORTIONISTS, _CLOSURES, _HELD, _ACCOUNTS = range(11)
_RELATIONS, _LINK_DELIVERY = range(11, 13)
#: Share of a broker's clients that a desk serves, too.
_SHARED: Final = (0.3, 0.6)

Made = TypeVar("Made")


class SellerGroup(Protocol):
    """Anything that adds to the plans of several sellers."""

    @property
    def name(self) -> str:
        """The name among the confounders of a seller; empty if it is none of a few sellers."""
        ...

    def concerns(self, number: int) -> bool:
        """Return whether it adds to the plan of the seller with this number."""
        ...

    def apply(self, plan: SellerPlan, context: RunContext, random: np.random.Generator) -> None:
        """Add to the plan."""
        ...


@dataclass(frozen=True)
class MarketGroups:
    """All groups of a market."""

    run: Run
    context: RunContext
    brokers: list[FlipBroker] = field(default_factory=list)
    extortionists: list[Extortionist] = field(default_factory=list)
    families: list[ShopFamily] = field(default_factory=list)
    agencies: list[Agency] = field(default_factory=list)
    desks: list[Desk] = field(default_factory=list)
    #: These have no row in the truth.
    busy_members: list[BusyMember] = field(default_factory=list)
    closures: list[Closure] = field(default_factory=list)
    held: list[HeldChanges] = field(default_factory=list)
    #: The clients that also cheat by themselves: their kinds by number of the seller.
    own_kinds: dict[int, str] = field(default_factory=dict)

    def clients(self, number: int) -> list[tuple[FlipBroker, Client]]:
        """Return the brokers that a seller buys from, and what it buys."""
        return [(broker, client) for broker in self.brokers for client in broker.clients if client.number == number]

    def apply_unpaid(self, plan: SellerPlan) -> list[str]:
        """Add what happens to a seller without its payment, and return the names of the causes."""
        number = plan.seller.number
        names: list[str] = []
        # The order selects the seeds: append only.
        kinds: tuple[Sequence[SellerGroup], ...] = (
            *(self.families, self.agencies, self.desks, self.busy_members, self.closures, self.held),
            self.extortionists,
        )
        for place, kind in enumerate(kinds):
            for index, group in enumerate(kind):
                if group.concerns(number):
                    group.apply(plan, self.context, _generator(self.run, 100 + place, index, number))
                    names += [group.name] if group.name else []
        return sorted(set(names))

    def apply_sales(self, plan: SellerPlan) -> None:
        """Add what brokers sell to a seller; last of all, because it depends on all other plans."""
        for place, broker in enumerate(self.brokers):
            for index, client in enumerate(broker.clients):
                if client.number == plan.seller.number:
                    serve(broker, client, plan, self.context, _generator(self.run, 200, place, index))
        if self.brokers:
            look_alikes.hand_over(plan, self._leaving)

    @property
    def _leaving(self) -> dict[str, tuple[float, str]]:
        return {
            tenure.actor_id: (tenure.until, following.actor_id)
            for broker in self.brokers
            for tenure, following in zip(broker.tenures, broker.tenures[1:], strict=False)
            if tenure.leaves
        }


def draw_groups(scenario: Groups, run: Run, context: RunContext) -> MarketGroups:
    """Draw the groups of a market."""
    if scenario == Groups():
        return MarketGroups(run, context)
    sellers = run.sellers
    brokers = draw_brokers(
        _count(scenario.insider_brokers, sellers),
        _count(scenario.list_brokers, sellers),
        context,
        _sellers(run, context),
        _generator(run, _BROKERS),
    )
    families = _drawn(scenario.families, run, _FAMILIES, look_alikes.FAMILY, context, look_alikes.draw_family)
    agencies = _drawn(scenario.agencies, run, _AGENCIES, look_alikes.AGENCY, context, look_alikes.draw_agency)
    desks = _draw_desks(_count(scenario.desks, sellers), run, context, brokers)
    insiders = [tenure.actor_id for broker in brokers for tenure in broker.tenures]
    # Extortionists take frequent reviewers' accounts from one end, closures from the other.
    accounts = [regular_id(int(number)) for number in _generator(run, _ACCOUNTS).permutation(REGULARS)]
    extortionists = [
        extortion.draw_extortionist(accounts[index], context, sellers, _generator(run, _EXTORTIONISTS, index))
        for index in range(_count(scenario.extortionists, sellers))
    ]
    closures = [
        mass_changes.draw_closure(accounts[-1 - index], context, sellers, _generator(run, _CLOSURES, index))
        for index in range(_count(scenario.closures, sellers))
    ]
    own_kinds = draw_own_kinds(brokers, _generator(run, _OWN))
    busy = look_alikes.draw_busy_members(context, insiders, _generator(run, _BUSY)) if insiders or desks else []
    a_month = scenario.held_a_month
    held = [mass_changes.draw_held_changes(a_month, context, _generator(run, _HELD))] if a_month else []
    return MarketGroups(
        run, context, brokers, extortionists, families, agencies, desks, busy, closures, held, own_kinds
    )


def links_generator(run: Run) -> np.random.Generator:
    """Return the generator of the links that a platform can know."""
    return _generator(run, _LINKS)


def relations_generator(run: Run) -> np.random.Generator:
    """Return the generator of what the clients of a broker have in common."""
    return _generator(run, _RELATIONS)


def link_delivery_generator(run: Run) -> np.random.Generator:
    """Return the generator of the delivery of the events about links."""
    return _generator(run, _LINK_DELIVERY)


def _generator(run: Run, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(run.seed, spawn_key=(_NO_SELLER, *key)))


def _count(per_100: float, sellers: int) -> int:
    return max(round(per_100 * sellers / 100), 1 if per_100 and sellers >= 20 else 0)


def _sellers(run: Run, context: RunContext) -> list[SimulatedSeller]:
    """Return all sellers as `simulate` draws them."""
    return [
        draw_seller(context.world.honest, number, np.random.default_rng(seeds.spawn(1)[0]))
        for number, seeds in enumerate(np.random.SeedSequence(run.seed).spawn(run.sellers))
    ]


def _drawn(
    per_100: float,
    run: Run,
    kind: int,
    sizes: tuple[int, int],
    context: RunContext,
    draw: Callable[[str, frozenset[int], RunContext, np.random.Generator], Made],
) -> list[Made]:
    """Draw groups of one kind; no seller is in two of them, and the last ones lack members in a small market."""
    random = _generator(run, kind)
    free = [int(number) for number in random.permutation(run.sellers)]
    found: list[Made] = []
    for index in range(_count(per_100, run.sellers)):
        size = int(random.integers(sizes[0], sizes[1] + 1))
        members, free = free[:size], free[size:]
        if len(members) >= sizes[0]:
            name = draw.__name__.removeprefix("draw_")
            found.append(draw(f"{name}-{index}", frozenset(members), context, random))
    return found


def _draw_desks(count: int, run: Run, context: RunContext, brokers: list[FlipBroker]) -> list[Desk]:
    """Draw desks; those that come first serve clients of a broker with an insider among their sellers."""
    random = _generator(run, _DESKS)
    # The other half may be insiders.
    staff = context.roles.others[len(context.roles.others) // 2 :]
    with_insider = [broker for broker in brokers if broker.tenures]
    found: list[Desk] = []
    for index in range(count):
        size = min(int(random.integers(look_alikes.DESK[0], look_alikes.DESK[1] + 1)), run.sellers)
        shared = list(_shared_clients(with_insider[index], random)) if index < len(with_insider) else []
        others = [int(number) for number in random.permutation(run.sellers) if number not in shared]
        members = (shared + others)[: max(size, 2 * len(shared))]
        actor_id = staff[index % len(staff)]
        found.append(look_alikes.draw_desk(f"desk-{index}", frozenset(members), actor_id, context, random))
    return found


def _shared_clients(broker: FlipBroker, random: np.random.Generator) -> Iterator[int]:
    numbers = sorted({client.number for client in broker.clients})
    share = random.uniform(*_SHARED)
    yield from (int(number) for number in random.permutation(numbers)[: max(round(share * len(numbers)), 2)])
