"""The level of a staff member is integrated: it excuses all sellers at once, and no client by another one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.evidence.rings import log_client_factor, log_term, prior_share
from stream.core.evidence.staff_level import LevelEvidence, SellerFlips, over_levels

LEVELS = [2.0 ** (step / 4) for step in range(-4, 9)]
SHARE = prior_share(8)
sellers = st.lists(st.builds(SellerFlips, st.integers(1, 12), st.floats(0.05, 3.0)), min_size=1, max_size=8)


def _joint(evidence: LevelEvidence) -> float:
    return sum(log_term(each, SHARE) for each in evidence.log_factors) + evidence.log_level


@given(sellers=sellers, flips=st.integers(0, 40), expected=st.floats(0.0, 40.0))
@settings(deadline=None)
def test_the_joint_odds_are_a_ratio_of_two_means_over_levels(
    sellers: list[SellerFlips], flips: int, expected: float
) -> None:
    """So are the odds without a seller, which are the joint odds without its term."""
    evidence = over_levels(sellers, SHARE, flips, expected, is_accused=False)
    assert _joint(evidence) == pytest.approx(_ratio(sellers, flips, expected, sellers), abs=1e-6)
    for place, log_factor in enumerate(evidence.log_factors):
        others = [*sellers[:place], *sellers[place + 1 :]]
        without = _joint(evidence) - log_term(log_factor, SHARE)
        assert without == pytest.approx(_ratio(sellers, flips, expected, others), abs=1e-6)


def _ratio(sellers: list[SellerFlips], flips: int, expected: float, clients: list[SellerFlips]) -> float:
    """Return the log of the mean product of the clients' terms over the levels that all counts leave likely."""
    weights = [
        math.log(weight)
        + flips * math.log(level)
        - level * expected
        + sum(one.flips * math.log(level) - (4 + one.flips) * math.log(4 + level * one.expected) for one in sellers)
        for level, weight in zip(LEVELS, _prior(), strict=True)
    ]
    products = [
        math.exp(sum(log_term(log_client_factor(one.flips, level * one.expected), SHARE) for one in clients))
        for level in LEVELS
    ]
    return math.log(np.average(products, weights=np.exp(np.array(weights) - max(weights))))


@given(sellers=sellers)
@settings(deadline=None)
def test_an_accused_staff_member_has_level_one(sellers: list[SellerFlips]) -> None:
    evidence = over_levels(sellers, SHARE, 100, 10.0, is_accused=True)
    factors = [log_client_factor(one.flips, one.expected) for one in sellers]
    assert evidence.log_factors == pytest.approx(factors)
    assert evidence.log_level == pytest.approx(0.0, abs=1e-9)


def test_the_mean_joint_factor_of_honest_sellers_is_at_most_one() -> None:
    """Of markets whose staff differ as the prior says: the level is the same for all sellers, and unknown."""
    random = np.random.default_rng(7)
    factors: list[float] = []
    for _ in range(800):
        level = random.choice(LEVELS, p=_prior())
        expected = random.lognormal(-1.5, 1.0, 20)
        flips = random.poisson(level * expected * random.gamma(4.0, 0.25, 20))
        with_flips = [SellerFlips(int(n), float(e)) for n, e in zip(flips, expected, strict=True) if n]
        without = float(sum(e for n, e in zip(flips, expected, strict=True) if not n))
        factors.append(math.exp(min(_joint(over_levels(with_flips, SHARE, 0, without, is_accused=False)), 10.0)))
    assert 0.5 < np.mean(factors) < 1.0 + 3 * np.std(factors) / math.sqrt(len(factors))


def _prior() -> list[float]:
    weights = [math.exp(4.0 * (math.log(level) - level)) for level in LEVELS]
    return [weight / sum(weights) for weight in weights]


def test_the_clients_do_not_excuse_each_other() -> None:
    """An estimate of the level from all flips would be 1.6."""
    clients = [SellerFlips(6, 0.8)] * 8
    honest = [SellerFlips(1, 0.5)] * 12
    evidence = over_levels([*clients, *honest], SHARE, 0, 17.6, is_accused=False)
    assert _joint(evidence) > sum(log_term(log_client_factor(6, 0.8 * 1.6), SHARE) for _ in clients)
    assert min(evidence.log_factors[:8]) > log_client_factor(6, 0.8 * 1.6)


def test_ordinary_look_ups_with_few_flips_are_evidence_against_the_clients() -> None:
    """Bought flips of others have raised the looked-up ratio: 47 flips are expected here, and 6 happen."""
    clients = [SellerFlips(4, 0.5)] * 6
    at_level_one = sum(log_term(log_client_factor(4, 0.5), SHARE) for _ in clients)
    assert _joint(over_levels(clients, SHARE, 6, 47.0, is_accused=False)) > at_level_one + 3


def test_support_that_solves_more_at_all_sellers_has_a_level() -> None:
    good = over_levels([SellerFlips(6, 2.0)] * 30, SHARE, 0, 0.0, is_accused=False)
    assert _joint(good) < 0
    assert max(good.log_factors) < 0


def test_a_desk_with_hundreds_of_sellers_is_no_ring_whatever_its_level() -> None:
    """Its flips determine the level to a few per cent, and that lies between two steps."""
    random = np.random.default_rng(3)
    expected = random.lognormal(0.0, 1.0, 230)
    for level in np.linspace(0.7, 3.0, 12):
        flips = random.poisson(level * expected * random.gamma(4.0, 0.25, 230))
        desk = [SellerFlips(int(n), float(e)) for n, e in zip(flips, expected, strict=True) if n]
        rest = float(sum(e for n, e in zip(flips, expected, strict=True) if not n))
        share = prior_share(len(desk))
        found = over_levels(desk, share, 0, rest, is_accused=False)
        assert sum(log_term(each, share) for each in found.log_factors) + found.log_level < math.log(10)


def test_flips_of_all_other_sellers_count_in_the_level() -> None:
    clients = [SellerFlips(5, 0.8)] * 5
    few, many = (over_levels(clients, SHARE, flips, 30.0, is_accused=False) for flips in (15, 75))
    assert _joint(few) > _joint(many) + 2


def test_no_sellers_are_no_evidence() -> None:
    evidence = over_levels([], SHARE, 5, 3.0, is_accused=False)
    assert evidence.log_factors == []
    assert evidence.log_level == pytest.approx(0.0)
