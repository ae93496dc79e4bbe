"""Brokers: who sells flips to many sellers, by look-ups of an insider or by lists from outside.

Invariant: each client buys few flips, so it cheats too little to be seen alone; only together the clients show the
broker. A broker has at most one insider at a time. Draws here choose who and when; `broker_sales` plans the flips.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from stream.market.hazards import DAY
from stream.market.plans import SimulatedSeller
from stream.market.run_context import RunContext
from stream.market.sampling import choose, uniform
from stream.market.sittings import Sittings, draw_sittings

#: Clients of a broker, and the flips that each of them orders.
CLIENTS: Final = (4, 16)
ORDERED: Final = (3, 10)
#: A client buys for weeks to months.
_CLIENT_DAYS: Final = (28.0, 120.0)
#: A broker needs this many days: a client's shortest time, and time for others before and after it.
_BROKER_DAYS_LEAST: Final = 60.0
#: A client expects this many successes for each ordered flip, if it approached all its critical reviewers.
_SUCCESSES_A_FLIP: Final = 2.5
#: Share of the clients of a broker who go on to the next broker, and of those who also cheat by themselves.
_SWITCHING: Final = 0.15
_OWN: Final = 0.1
_OWN_KINDS: Final = ("bribes", "hidden")
#: Insiders of a broker, one after the other, and the days between two of them.
_SUCCESSIONS: Final = (1, 1, 2, 2, 3)
_VACANT_DAYS: Final = (3.0, 21.0)
#: Days between two bundles of a list, days in which one is delivered, the share of the clients that it serves, and the
#: most flips that it has for one of them.
_BUNDLE_EVERY_DAYS: Final = (7.0, 21.0)
_BUNDLE_DAYS: Final = (2.0, 5.0)
_BUNDLE_SHARE: Final = 0.8
_BUNDLE_CLIENTS_LEAST: Final = 3
_BUNDLE_FLIPS: Final = 5


@dataclass(frozen=True)
class Tenure:
    """The time in which an insider sells; `leaves` if it then leaves the platform."""

    actor_id: str
    since: float
    until: float
    leaves: bool


@dataclass(frozen=True)
class Bundle:
    """Flips of one list for one client: when the delivery begins, and how many it orders."""

    at: float
    ordered: int


@dataclass(frozen=True)
class Client:
    """What one seller buys from one broker."""

    number: int
    since: float
    until: float
    ordered: int
    #: Shares: of approaches that succeed, and of paid flips that are deletions.
    power: float
    retracts: float
    #: Whether the seller also writes to the reviewers on the platform.
    contacts: bool
    #: Of a broker with lists.
    bundles: tuple[Bundle, ...] = ()


@dataclass(frozen=True)
class FlipBroker:
    """A broker and its clients; times are epoch seconds."""

    ring_id: str
    since: float
    until: float
    clients: tuple[Client, ...]
    #: In the order of time; none for a broker with lists.
    tenures: tuple[Tenure, ...] = ()
    #: When the insider looks reviews up; None: as the orders come.
    sittings: Sittings | None = None
    #: In how many days a bundle is delivered.
    bundle_days: float = 0.0

    def tenure_at(self, at: float) -> Tenure | None:
        """Return the tenure that covers the time or is the next to begin; None after the last one."""
        return next((tenure for tenure in self.tenures if at < tenure.until), None)


def draw_brokers(
    with_insider: int,
    with_lists: int,
    context: RunContext,
    sellers: list[SimulatedSeller],
    random: np.random.Generator,
) -> list[FlipBroker]:
    """Draw brokers and their clients, those with an insider first; a seller is a client of one broker at a time."""
    free = [int(number) for number in random.permutation(len(sellers))]
    # The other half of the members of staff has honest roles.
    staff = list(context.roles.others[: len(context.roles.others) // 2])
    found: list[FlipBroker] = []
    for number in range(with_insider + with_lists):
        by_insider = number < with_insider
        broker = _draw_broker(f"ring-{number}", context, staff if by_insider else None, random)
        if broker is None:
            continue
        clients = _draw_clients(broker, context, sellers, free, random)
        if len(clients) >= CLIENTS[0]:
            found.append(replace(broker, clients=tuple(clients)))
    if len(found) > 1:
        found = _with_switching(found, context, random)
    return [broker if broker.tenures else _with_bundles(broker, random) for broker in found]


def draw_own_kinds(brokers: list[FlipBroker], random: np.random.Generator) -> dict[int, str]:
    """Draw the clients that also cheat by themselves, and their kinds of cheat."""
    numbers = sorted({client.number for broker in brokers for client in broker.clients})
    count = max(round(_OWN * len(numbers)), 1) if numbers else 0
    chosen = sorted(int(number) for number in random.permutation(numbers)[:count])
    return {number: choose(random, _OWN_KINDS) for number in chosen}


def _draw_broker(
    ring_id: str, context: RunContext, staff: list[str] | None, random: np.random.Generator
) -> FlipBroker | None:
    """Draw a broker without clients; None if the run is too short or no member of staff is left."""
    run = context.until - context.start
    since = context.start + uniform(random, (0.05, 0.25)) * run
    until = context.start + uniform(random, (0.8, 1.0)) * run
    if until - since < _BROKER_DAYS_LEAST * DAY or staff == []:
        return None
    if staff is None:
        return FlipBroker(ring_id, since, until, (), bundle_days=uniform(random, _BUNDLE_DAYS))
    sittings = draw_sittings(since, uniform(random, (2.0, 7.0)), random) if random.random() < 0.5 else None
    count = min(choose(random, _SUCCESSIONS), len(staff))
    actors = [staff.pop(0) for _ in range(count)]
    length = (until - since) / count
    tenures = []
    for place, actor_id in enumerate(actors):
        vacant = uniform(random, _VACANT_DAYS) * DAY if place else 0.0
        begin = since + place * length + min(vacant, length / 3)
        tenures.append(Tenure(actor_id, begin, since + (place + 1) * length, leaves=place < count - 1))
    return FlipBroker(ring_id, since, until, (), tuple(tenures), sittings)


def _draw_clients(
    broker: FlipBroker,
    context: RunContext,
    sellers: list[SimulatedSeller],
    free: list[int],
    random: np.random.Generator,
) -> list[Client]:
    """Take a broker's clients out of the free sellers; each has critical reviews enough for its order."""
    most = min(CLIENTS[1], len(sellers) // 3)
    clients: list[Client] = []
    for _ in range(int(random.integers(CLIENTS[0], max(most, CLIENTS[0]) + 1))):
        since = uniform(random, (broker.since, broker.until - _CLIENT_DAYS[0] * DAY))
        client = _draw_client(-1, since, broker, context, random)
        days = (client.until - client.since) / DAY
        place = next(
            (
                place
                for place, number in enumerate(free)
                if sellers[number].volume_per_day * sellers[number].critical_share * days * client.power
                >= _SUCCESSES_A_FLIP * client.ordered
            ),
            None,
        )
        if place is not None:
            clients.append(replace(client, number=free.pop(place)))
    return clients


def _draw_client(
    number: int, since: float, broker: FlipBroker, context: RunContext, random: np.random.Generator
) -> Client:
    payments = context.world.payments
    return Client(
        number,
        since,
        min(since + uniform(random, _CLIENT_DAYS) * DAY, broker.until),
        int(random.integers(ORDERED[0], ORDERED[1] + 1)),
        uniform(random, payments.power),
        uniform(random, payments.retracts),
        contacts=random.random() < 0.25,
    )


def _with_switching(brokers: list[FlipBroker], context: RunContext, random: np.random.Generator) -> list[FlipBroker]:
    """Let some clients of each broker go on to the next broker once they have what they ordered."""
    joined: list[list[Client]] = [[] for _ in brokers]
    for place, broker in enumerate(brokers):
        follower = (place + 1) % len(brokers)
        new = brokers[follower]
        last = new.until - _CLIENT_DAYS[0] * DAY
        able = [client for client in broker.clients if client.until < last]
        count = min(math.ceil(_SWITCHING * len(broker.clients)), CLIENTS[1] - len(new.clients))
        for index in sorted(int(index) for index in random.permutation(len(able))[:count]):
            since = uniform(random, (max(able[index].until, new.since), last))
            joined[follower].append(_draw_client(able[index].number, since, new, context, random))
    return [replace(broker, clients=(*broker.clients, *more)) for broker, more in zip(brokers, joined, strict=True)]


def _with_bundles(broker: FlipBroker, random: np.random.Generator) -> FlipBroker:
    """Draw when the broker delivers bundles, which clients each serves, and how many flips it brings them."""
    at = broker.since + uniform(random, (0.0, 7.0)) * DAY
    begins: list[float] = []
    served: dict[int, list[float]] = {place: [] for place in range(len(broker.clients))}
    while at < broker.until - broker.bundle_days * DAY:
        begins.append(at)
        able = [place for place, client in enumerate(broker.clients) if client.since <= at < client.until]
        count = max(round(_BUNDLE_SHARE * len(able)), _BUNDLE_CLIENTS_LEAST)
        if len(able) >= _BUNDLE_CLIENTS_LEAST:
            for index in random.permutation(len(able))[:count]:
                served[able[int(index)]].append(at)
        at += uniform(random, _BUNDLE_EVERY_DAYS) * DAY
    clients = []
    for client, drawn in zip(broker.clients, served.values(), strict=True):
        times = drawn[: client.ordered] or [_nearest(begins, client.since)]
        shares = [client.ordered // len(times) + (place < client.ordered % len(times)) for place in range(len(times))]
        bundles = tuple(Bundle(at, min(share, _BUNDLE_FLIPS)) for at, share in zip(times, shares, strict=True))
        clients.append(replace(client, since=min(client.since, times[0]), bundles=bundles))
    return replace(broker, clients=tuple(clients))


def _nearest(begins: list[float], since: float) -> float:
    """Return the first time from `since` on; the last one of all if there is none."""
    return next((begin for begin in begins if begin >= since), begins[-1])
