"""Worlds: other parameters, by number, within the ranges known of markets."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from stream.contract.events import OutreachSent, ReviewCreated
from stream.market import simulate
from stream.market.hazards import DAY
from stream.market.seasonality import Seasonality
from stream.market.worlds import World, world
from tests.unit.market.test_market import by_review, decoded


def test_a_world_is_its_number() -> None:
    assert world(0) == World()
    assert world(3) == world(3)
    assert len({world(number) for number in range(20)}) == 20
    one, again, other = (simulate.simulate("bribes", 7, 20, 60, number) for number in (1, 1, 2))
    assert one == again
    assert one.lines != other.lines
    assert {cheat.run.world for cheat in one.truth} == {1}


def test_worlds_stay_within_the_known_ranges() -> None:
    for number in range(1, 200):
        parameters, hazards = world(number).honest, world(number).hazards
        assert list(hazards.flips_a_day) == sorted(hazards.flips_a_day, reverse=True)
        assert 0.05 <= hazards.flips_a_day[0] <= 0.2
        assert 0.0005 <= hazards.flips_a_day[3] <= 0.003
        ages = np.array([0.0, *hazards.age_edges, 180 * DAY]) / DAY
        assert 0.04 < float(np.diff(ages) @ np.array(hazards.flips_a_day)) < 0.3
        assert 2 <= hazards.contact_factors[0] <= 8
        assert hazards.contact_factors[-1] == 1
        assert 1 <= parameters.frailty_shape <= 3
        assert all(0 <= each <= 1 for each in (*world(number).payments.retracts, *world(number).payments.power))


def test_worlds_differ_in_their_events() -> None:
    changed, critical = set(), set()
    for number in range(4):
        reviews = by_review(decoded(simulate.simulate("honest", 1, 5, 100, number)))
        stars = [review[0].rating for review in reviews.values() if isinstance(review[0], ReviewCreated)]
        critical.add(round(float(np.mean(np.array(stars) <= 3)), 4))
        changed.add(round(sum(len(review) for review in reviews.values()) / len(reviews), 4))
    assert len(changed) == len(critical) == 4


def test_in_other_worlds_honest_sellers_give_gift_cards() -> None:
    sent = [event for event in decoded(simulate.simulate("honest", 1, 20, 60, 1)) if isinstance(event, OutreachSent)]
    assert {event.channel for event in sent} >= {"gift_card", "message"}


def test_seasonality_moves_creations_and_loses_none() -> None:
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC).timestamp()
    evenly = np.sort(np.random.default_rng(1).uniform(start, start + 728 * DAY, 40_000))
    assert Seasonality().moved(evenly, start, start + 728 * DAY) is evenly
    moved = Seasonality((1, 1, 1, 1, 1, 2, 2), wave=0.5, peak_day=0).moved(evenly, start, start + 728 * DAY)
    assert len(moved) == len(evenly)
    assert list(moved) == sorted(moved)
    assert start <= moved[0] <= moved[-1] <= start + 728 * DAY
    days = [dt.datetime.fromtimestamp(at, dt.UTC) for at in moved]
    assert sum(day.weekday() >= 5 for day in days) / len(days) == pytest.approx(4 / 9, abs=0.01)
    winter, summer = (sum(day.month in months for day in days) for months in ((12, 1), (6, 7)))
    assert winter / summer == pytest.approx(2.8, abs=0.3)  # the wave's mean over two months at each extreme
