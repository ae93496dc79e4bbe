"""Hazards: flip times are sampled exactly, later causes change nothing earlier, and boosts multiply."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream.market.hazards import DAY, HOUR, Boost, Hazards, time_reached

_HAZARDS = Hazards()


def test_the_hazard_is_sampled_exactly() -> None:
    """Compare the survival of many draws with the summed rates, with a contact on the second day."""
    created, contact, frailty, until = 1e9, 1e9 + 1.5 * DAY, 2.0, 1e9 + 60 * DAY
    thresholds = np.random.default_rng(1).exponential(size=20_000)
    drawn = [
        time_reached(_HAZARDS.pieces(created, created, [contact], frailty, until), float(threshold)) or math.inf
        for threshold in thresholds
    ]
    for age in (0.5 * HOUR, HOUR, DAY, 1.5 * DAY, 2 * DAY, 5 * DAY, 20 * DAY, 60 * DAY):
        steps = (np.arange(20_000) + 0.5) * age / 20_000
        summed = sum(_HAZARDS.rate(step, [step - 1.5 * DAY]) for step in steps) * frailty * age / DAY / 20_000
        survived = sum(at - created > age for at in drawn) / len(drawn)
        assert survived == pytest.approx(math.exp(-summed), abs=0.01)


def test_the_hazard_falls_with_age_and_a_contact_raises_it_for_a_time() -> None:
    rates = [_HAZARDS.rate(age, []) for age in (0.5 * HOUR, 12 * HOUR, 3 * DAY, 20 * DAY, 60 * DAY, 200 * DAY)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 0.1
    factors = [
        _HAZARDS.rate(60 * DAY, [since]) / _HAZARDS.rate(60 * DAY, [])
        for since in (-HOUR, HOUR, 2 * DAY, 10 * DAY, 40 * DAY)
    ]
    assert factors[0] == factors[-1] == 1
    assert factors[1:4] == pytest.approx([4, 3, 2])


def test_a_flip_comes_after_its_causes() -> None:
    for threshold in np.random.default_rng(2).exponential(size=500):
        without = time_reached(_HAZARDS.pieces(0, 0, [], 1.0, 1e3 * DAY), float(threshold)) or math.inf
        contacted = time_reached(_HAZARDS.pieces(0, 0, [2 * DAY], 1.0, 1e3 * DAY), float(threshold)) or math.inf
        assert contacted <= without
        assert contacted == without or contacted > 2 * DAY
    assert time_reached(_HAZARDS.pieces(0, 3 * DAY, [], 1.0, 10 * DAY), 1e-9) == pytest.approx(
        3 * DAY, abs=1
    )  # critical only since an edit on the third day


def test_a_boost_multiplies_while_it_lasts() -> None:
    """Check when the cumulative hazard reaches a threshold, with two boosts on the second day."""
    age = 200 * DAY  # the rate no longer changes
    per_day = _HAZARDS.rate(age, [])
    for threshold, day in ((0.5, 0.5), (1 + 4 * 0.5, 1.5), (1 + 4 + 1, 3.0)):
        boosts = [Boost(DAY, 2 * DAY, 2.0), Boost(DAY, 2 * DAY, 2.0), Boost(-9 * DAY, 0, 5.0)]
        at = time_reached(_HAZARDS.pieces(-age, 0, [], 1.0, 10 * DAY, boosts), threshold * per_day)
        assert at == pytest.approx(day * DAY)
