"""Evidence on an author: an honest author's factor is at most one on average, and rarely large."""

from __future__ import annotations

import math

import pytest
from scipy.stats import betabinom

from stream.core.evidence.flip_share import MIN_FLIPS, log_share_factor
from stream.core.evidence.watches import REVIEWER_SLACK, log_threshold

_SHARES = (0.02, 0.05, 0.1, 0.2)


def _honest(reviews: int, share: float) -> dict[int, float]:
    """Return the probability of each number of flips of an honest author, given MIN_FLIPS or more."""
    law = betabinom(reviews, 2.0, 2.0 * (1 - share) / share)
    some = law.sf(MIN_FLIPS - 1)
    return {flips: law.pmf(flips) / some for flips in range(MIN_FLIPS, reviews + 1)}


@pytest.mark.parametrize("share", _SHARES)
@pytest.mark.parametrize("reviews", [2, 3, 8, 20, 80])
def test_the_mean_of_an_honest_author_is_one(reviews: int, share: float) -> None:
    law = _honest(reviews, share)
    mean = sum(chance * math.exp(log_share_factor(flips, reviews, share)) for flips, chance in law.items())
    assert mean == pytest.approx(1.0)


@pytest.mark.parametrize("share", _SHARES)
@pytest.mark.parametrize("reviews", [8, 12, 20, 40, 80])
@pytest.mark.parametrize("budget", [1.0, 3.0, 10.0])
def test_honest_authors_keep_the_budget(reviews: int, share: float, budget: float) -> None:
    reached = log_threshold(budget, REVIEWER_SLACK)
    law = _honest(reviews, share)
    alarms = sum(chance for flips, chance in law.items() if log_share_factor(flips, reviews, share) >= reached)
    assert 1000 * alarms < 1.05 * budget


def test_more_flips_of_as_many_reviews_are_more_evidence_and_more_reviews_are_less() -> None:
    by_flips = [log_share_factor(flips, 20, 0.1) for flips in range(5, 21)]
    by_reviews = [log_share_factor(8, reviews, 0.1) for reviews in range(8, 80)]
    assert by_flips == sorted(by_flips)
    assert by_reviews == sorted(by_reviews, reverse=True)


def test_extreme_numbers_give_finite_evidence() -> None:
    for share in (0.0, 1e-9, 1.0):
        for flips, reviews in ((2, 2), (5000, 5000), (2, 100_000)):
            assert math.isfinite(log_share_factor(flips, reviews, share))
