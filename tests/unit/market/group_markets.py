"""Small markets with many groups, and what tests of all groups ask of their events."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

from stream.contract.events import ContactAccessed
from stream.market.cheats import Run
from stream.market.hazards import DAY
from stream.market.output import Market
from stream.market.scenarios import Groups, Scenario
from stream.market.simulate import START, make
from stream.market.truth import MarketTruth, arranged
from tests.unit.market.test_market import Event, by_review, decoded

SELLERS, DAYS, SEED = 70, 160, 2
#: For each 100 sellers.
GROUPS = {
    "brokers": Groups(insider_brokers=4.3),
    "brokers_and_desks": Groups(insider_brokers=4.3, desks=4.3),
    "lists": Groups(list_brokers=4.3),
    "extortion": Groups(extortionists=5.7),
    "look_alikes": Groups(families=5.7, agencies=2.9, desks=2.9),
    "closures": Groups(closures=7.1),
    "held": Groups(held_a_month=1.0),
    "none": Groups(),
}

#: A decoded market takes up to 100 MB, and a test needs three at most.
_latest = lru_cache(maxsize=3)


@_latest
def market(name: str) -> Market:
    return make(Scenario(groups=GROUPS[name]), Run("test", SEED, SELLERS, DAYS))


@_latest
def truth(name: str) -> MarketTruth:
    return arranged(market(name).truth, market(name).groups)


@_latest
def events(name: str) -> list[Event]:
    return decoded(market(name))


@_latest
def reviews(name: str) -> dict[str, list[Event]]:
    return by_review(events(name))


def look_ups(name: str) -> list[ContactAccessed]:
    return [event for event in events(name) if isinstance(event, ContactAccessed)]


def day(event: Event) -> float:
    """Return the time of an event, in days of the run."""
    return (event.occurred_at.timestamp() - START) / DAY


def day_of(text: str) -> float:
    """Return a time of the truth, in days of the run."""
    return (dt.datetime.fromisoformat(text).timestamp() - START) / DAY
