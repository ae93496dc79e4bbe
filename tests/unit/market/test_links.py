"""Links in simulated markets: the events are those of the truth, and their ids show no kind of group."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from functools import cache
from typing import get_args

import msgspec
import pytest

from stream.contract.alerts import Alert
from stream.contract.events import AnyEvent, Event, Relation, SellerLinked
from stream.core.messages.conclusions import CONCLUSION_DELAY_DAYS
from stream.intake.identifiers import check_ids
from stream.market.cheats import Run
from stream.market.groups import relations_generator
from stream.market.links import FAMILY_RELATION, link_id, ring_relation
from stream.market.output import Market
from stream.market.scenarios import Delivery, Groups, Scenario
from stream.market.simulate import START, make, simulate
from stream.market.truth import SellerLink, arranged
from stream.offline.local_bus import LocalTasks
from tests.unit.market.test_market import links

_SIZE = (3, 40, 120)
_DECODER = msgspec.json.Decoder(AnyEvent)


@cache
def made(scenario: str) -> Market:
    return simulate(scenario, *_SIZE)


def known(market: Market) -> list[SellerLink]:
    truth = arranged(market.truth, market.groups)
    return [link for rows in (truth.rings, truth.honest_groups) for row in rows for link in row.links]


@pytest.mark.parametrize("scenario", ["brokers", "lists", "families", "rings"])
def test_the_events_are_the_links_of_the_truth(scenario: str) -> None:
    truth = [
        (link.seller_id, link.linked_id, link.relation, dt.datetime.fromisoformat(link.known_at))
        for link in known(made(scenario))
    ]
    events = [(each.seller_id, each.link_id, each.relation, each.occurred_at) for each in links(made(scenario))]
    assert len(truth) >= 3
    assert Counter(events) == Counter(truth)


def test_events_of_links_have_ids_of_their_own_and_come_in_the_order_of_arrival() -> None:
    events = [_DECODER.decode(line) for line in made("rings").lines]
    assert len({event.event_id for event in events}) == len(events)
    times = [event.occurred_at for event in events]
    assert times == sorted(times)
    assert times[0].timestamp() >= START
    assert times[-1].timestamp() < START + _SIZE[2] * 86_400
    for event in links(made("rings")):
        check_ids(["event_id", "seller_id", "link_id"], [event.event_id, event.seller_id, event.link_id])


def test_ids_show_no_kind_of_group() -> None:
    truth = arranged(made("rings").truth, made("rings").groups)
    links_by_group = [row.links for row in truth.rings] + [row.links for row in truth.honest_groups if row.links]
    by_group = [{link.linked_id for link in each} for each in links_by_group]
    assert all(len(ids) == 1 for ids in by_group)
    ids = set().union(*by_group)
    assert len(ids) == len(by_group) >= 3
    assert all(re.fullmatch("[0-9a-f]{12}", each) for each in ids)
    of_groups = {link_id(made("rings").run, row.ring_id) for row in truth.rings}
    assert of_groups <= ids
    other = Run("rings", 4, 40, 120)
    assert of_groups.isdisjoint(link_id(other, row.ring_id) for row in truth.rings)


def test_rings_have_any_relation_but_that_of_families() -> None:
    drawn = Counter(ring_relation(relations_generator(Run("links", seed, 40, 120))) for seed in range(40))
    assert set(drawn) == set(get_args(Relation)) - {FAMILY_RELATION}


def test_unclean_delivery_repeats_and_delays_links_and_changes_nothing_else() -> None:
    groups, run = Groups(families=40.0), Run("links", 1, 40, 10)
    dirty = make(Scenario(groups=groups, delivery=Delivery(duplicates=0.5, disorder_seconds=8.0)), run)
    clean = make(Scenario(groups=groups), run)
    events = {event.event_id: event for event in links(dirty)}
    assert len(links(dirty)) > len(events) > 10
    assert events == {event.event_id: event for event in links(clean)}


def alerts(events: list[Event]) -> list[Alert]:
    """Return the alerts at a large budget, without the digest of rows, which hold the links."""
    tasks = LocalTasks(1000.0, "digest", 1)
    return [
        msgspec.structs.replace(alert, state_digest="")
        for event in events
        for alert in tasks.apply(event, event.occurred_at.timestamp())
    ]


@pytest.mark.slow
def test_links_change_no_alert_on_others_until_a_ring_counts() -> None:
    events: list[Event] = [_DECODER.decode(line) for line in made("rings").lines]
    reviews = [event for event in events if not isinstance(event, SellerLinked)]
    # The first event begins the baseline's first day: with a link in its place, sums differ in their last digit.
    with_links = [reviews[0], *(event for event in events if event is not reviews[0])]
    assert len(with_links) - len(reviews) == len(known(made("rings"))) > 10
    found, expected = alerts(with_links), alerts(reviews)
    first_ring_at = min(alert.raised_at for alert in found if alert.kind == "ring.linked")
    until = first_ring_at + dt.timedelta(days=CONCLUSION_DELAY_DAYS)
    before, same = (
        [alert for alert in each if alert.raised_at < until and alert.subject.type != "ring"]
        for each in (found, expected)
    )
    assert before == same != []
