"""Joint evidence of a group: fair to honest sellers, whatever their number, and never that of one seller only."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.evidence.rings import (
    CLIENT_SHARE,
    client_share,
    joint,
    log_client_factor,
    log_client_odds,
    log_term,
    prior_share,
)

_LEVEL = 4.0


def _log_probability(flips: int, expected: float) -> float:
    """Of so many flips of an honest seller: negative binomial with mean `expected` and shape 4."""
    log = math.lgamma(_LEVEL + flips) - math.lgamma(_LEVEL) - math.lgamma(flips + 1)
    log += _LEVEL * math.log(_LEVEL / (_LEVEL + expected)) + flips * math.log(expected / (_LEVEL + expected))
    return log


def _probability(flips: int, expected: float) -> float:
    return math.exp(_log_probability(flips, expected))


@pytest.mark.parametrize("expected", [0.05, 0.3, 1.0, 4.0, 12.0])
def test_the_mean_factor_of_an_honest_seller_with_flips_is_one(expected: float) -> None:
    """Over all counts of one and more. So the mean of the product over any number of sellers is one, too."""
    some = math.log(1 - _probability(0, expected))
    terms = (_log_probability(flips, expected) - some + log_client_factor(flips, expected) for flips in range(1, 3000))
    assert math.fsum(map(math.exp, terms)) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("expected", [0.05, 0.2, 0.5])
def test_a_single_flip_says_nearly_nothing_and_each_further_one_more(expected: float) -> None:
    factors = [log_client_factor(flips, expected) for flips in range(1, 12)]
    assert abs(factors[0]) < 1.2
    assert all(later > earlier for earlier, later in pairwise(factors))


factors = st.lists(st.floats(-1000, 60), max_size=30)


@given(factors=factors)
def test_the_joint_odds_are_the_sum_of_the_terms(factors: list[float]) -> None:
    found = joint(factors)
    terms = [log_term(factor, prior_share(len(factors))) for factor in factors]
    assert found.log_odds == pytest.approx(math.fsum(terms))
    strongest = max(terms, default=0.0)
    assert found.log_odds_without == pytest.approx(found.log_odds - strongest)


@given(factor=st.floats(-1000, 600), share=st.floats(0.001, 0.1))
def test_a_term_is_that_of_the_mixture_and_never_less_than_that_of_no_client(factor: float, share: float) -> None:
    term = log_term(factor, share)
    assert term >= math.log1p(-share) - 1e-12
    if factor < 500:
        assert term == pytest.approx(math.log(1 - share + share * math.exp(factor)), abs=1e-9)


def test_a_broker_has_some_ten_clients_however_many_sellers_are_tied() -> None:
    expected = [tied * prior_share(tied) for tied in (1, 10, 100, 1000)]
    assert expected == sorted(expected)
    assert expected[-1] < 10
    assert prior_share(0) == pytest.approx(CLIENT_SHARE)


def test_one_strong_seller_is_no_group() -> None:
    one_cheat = joint([50.0, *[-0.2] * 5])
    assert one_cheat.log_odds > 40
    assert not one_cheat.stands_without_strongest()
    assert joint([5.0] * 4).stands_without_strongest()


def test_further_sellers_without_evidence_speak_against_a_group() -> None:
    alone = joint([4.0] * 3)
    crowd = joint([4.0] * 3, log_level=200 * math.log1p(-CLIENT_SHARE))
    assert alone.log_odds > 5
    assert crowd.log_odds < 0


@given(factors=factors)
def test_the_share_of_clients_is_a_share(factors: list[float]) -> None:
    assert 0 < client_share(factors) < 1


def test_the_share_of_clients_follows_the_evidence() -> None:
    assert client_share([]) == pytest.approx(CLIENT_SHARE)
    assert client_share([-5.0] * 40) < CLIENT_SHARE / 2
    many = client_share([12.0] * 30 + [-3.0] * 30)
    assert many == pytest.approx((1 + 30) / (10 + 60), abs=0.02)
    assert log_client_odds(1.0, many) > log_client_odds(1.0, CLIENT_SHARE)
