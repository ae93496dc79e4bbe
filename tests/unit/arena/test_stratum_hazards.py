"""The competitor of another design, on cases small enough to be calculated by hand."""

from __future__ import annotations

import math
from statistics import fmean

import pytest

from stream.arena.competitor import NO_EVIDENCE
from stream.arena.stratum_clocks import CONTACTED, OLD, OTHER, HazardCell, SellerAtRisk, Strata, StratumKey
from stream.arena.stratum_evidence import ALL_FLIPS, BY_GROUP, PastFlip, log_odds, log_ratio
from stream.arena.stratum_hazards import StratumHazards
from tests.unit.arena.test_arena import Events, scores

STRATUM = StratumKey(stars=1, age_bucket=3, contact_bucket=-1)
CELL = HazardCell(STRATUM, OTHER, age_class=0)
THETAS = (2, 3, 5, 10, 20)


def sellers(*reviews: int) -> list[SellerAtRisk]:
    """Return sellers with so many reviews in one stratum from day 0 on."""
    strata = Strata()
    found = [SellerAtRisk(strata) for _ in reviews]
    for seller, count in zip(found, reviews, strict=True):
        for _ in range(count):
            seller.change(CELL, 1, 0.0)
    return found


@pytest.mark.parametrize(
    ("own", "others", "own_expected", "expected_of_others"),
    [
        # The flip is one of two of the seller's reviews; so is the hazard of the others, which have two.
        (2, 2, 0.0, 2 * (1 / 4) / (1 - 2 / 4)),
        # One of its one review flipped; the factor of the others' share (3/4) is limited to 2.
        (1, 3, 0.0, 3 * (1 / 4) * 2),
        # With three of four reviews the seller has no peers: its own flip is expected of it, too.
        (3, 1, 3 * (1 / 4) * 2, 1 * (1 / 4) / (1 - 1 / 4)),
    ],
)
def test_a_flip_is_expected_of_all_other_sellers(
    own: int, others: int, own_expected: float, expected_of_others: float
) -> None:
    flipping, other = sellers(own, others)
    flipping.add_flip(STRATUM, 10.0)
    for seller, expected in ((flipping, own_expected), (other, expected_of_others)):
        seller.settle_all(10.0)
        assert seller.by_peers[OTHER] == pytest.approx(expected)
        assert sum(seller.by_peers) == seller.by_peers[OTHER]


def test_a_seller_of_little_weight_counts_little() -> None:
    flipping, other, third = sellers(2, 2, 4)
    flipping.set_weight(0.5, 0.0)
    flipping.add_flip(STRATUM, 10.0)
    other.settle_all(10.0)
    # At risk are 0.5 x 2 + 2 + 4 = 7; the flip has half the weight, and two of seven are the other seller's own.
    assert other.by_peers[OTHER] == pytest.approx(2 * (0.5 / 7) / (1 - 2 / 7))
    third.add_flip(STRATUM, 10.0)
    other.settle_all(10.0)
    assert other.by_peers[OTHER] == pytest.approx(2 * (1.5 / 7) / (1 - 2 / 7))


def test_the_long_run_expects_the_past_rate() -> None:
    flipping, other = sellers(1, 3)
    flipping.add_flip(STRATUM, 10.0)
    flipping.change(CELL, -1, 10.0)
    other.settle_all(15.0)
    # One flip in 4 reviews x 10 days, for 3 reviews and 5 days; before the flip nothing was expected.
    assert other.by_long_run[OTHER] == pytest.approx(3 * 5 * 1 / 40)
    assert flipping.by_long_run == [0.0] * 4


def test_the_bayes_factor_is_the_mean_over_theta() -> None:
    # theta^3 ((0.5 + 1.5) / (0.5 + 1.5 theta))^4
    terms = [8 * (4 / 7) ** 4, 27 * (2 / 5) ** 4, 125 * (1 / 4) ** 4, 1000 * (4 / 31) ** 4, 8000 * (4 / 61) ** 4]
    assert math.exp(log_ratio(3, 1.5, shape=1.0, rate=0.5)) == pytest.approx(fmean(terms))


def past_flip(
    at: float, group: int, expected: dict[int, float], long_run: dict[int, float] | None = None, retracted: bool = False
) -> PastFlip:
    """Return a flip of an old review of a seller whose reviews are half young, half old."""
    by_peers, by_long_run = (
        tuple(totals.get(group, 0.0) for group in range(4)) for totals in (expected, long_run or expected)
    )
    return PastFlip(at, group, retracted, 0.25, 3, (0.5, 0.5, 0.5), by_peers, by_long_run)


def bayes_factor(flips: int, expected: float, shape: float, rate: float) -> float:
    return fmean(theta**flips * ((rate + expected) / (rate + theta * expected)) ** (shape + flips) for theta in THETAS)


def test_ln_r_takes_the_least_explanation_of_each_window() -> None:
    flips = [
        past_flip(0.0, OLD, {OLD: 0.4, CONTACTED: 0.2}),
        past_flip(30.0, CONTACTED, {OLD: 0.6, CONTACTED: 0.5}, {OLD: 0.6, CONTACTED: 0.9}),
        past_flip(40.0, CONTACTED, {OLD: 1.0, CONTACTED: 0.9}, {OLD: 0.6, CONTACTED: 1.4}, retracted=True),
    ]
    # Only the window from the second flip on has two flips of contacted reviews. Before it: one flip, 0.6 expected.
    # In it the peers give 0.7 contacted and 0.6 old ones, the long run 1.2 and 0.2.
    by_peers = bayes_factor(2, 0.7 + 0.3, 1 + 1 / 2, 0.5 + 0.6 / 2 + 0.6)
    by_long_run = bayes_factor(2, 1.2 + 0.3, 1 + 1 / 2, 0.5 + 0.6 / 2 + 0.2)
    assert by_peers != pytest.approx(by_long_run)
    # One of two is a deletion, where a quarter are: mean over delta of delta / (1 + (delta - 1) / 4)^2.
    deletions = fmean((1, 2 / 1.25**2, 4 / 1.75**2))
    expected = min(by_peers, by_long_run) * deletions * 30 / 365
    assert math.exp(log_odds(flips, BY_GROUP[CONTACTED])) == pytest.approx(expected)


def test_a_burst_of_old_reviews_is_no_evidence() -> None:
    flips = [past_flip(at, OTHER, {OTHER: 0.0}) for at in (100.0, 101.0, 103.0)]
    two, three = (fmean((1, 1 / 1.25**count, 1 / 1.75**count)) for count in (2, 3))
    # The last two flips are no burst. All three are one: no flip is left, a burst a year is expected of every seller,
    # and of a payer's flips only a tenth are flips of old reviews.
    window_of_two = bayes_factor(2, 0.3, 1 + 1 / 2, 0.5) * two * 1 / 365
    burst = bayes_factor(0, 0.3, 1, 0.5) * 36.5 * 0.1**3
    assert burst < bayes_factor(3, 0.3, 1, 0.5)
    assert math.exp(log_odds(flips, ALL_FLIPS)) == pytest.approx(window_of_two + burst * three * 30 / 365)


def test_one_flip_is_no_evidence() -> None:
    assert log_odds([past_flip(1.0, OTHER, {})], ALL_FLIPS) == -math.inf


def test_the_score_of_two_flips_among_eight_reviews() -> None:
    make, competitor = Events(), StratumHazards()
    created = [*(make.created(0, f"r{number}") for number in range(2)),
               *(make.created(0, f"q{number}", seller="t") for number in range(6))]  # fmt: skip
    assert set(scores(competitor, created)) == {NO_EVIDENCE}
    first, second = scores(competitor, [make.edited(10, "r0"), make.edited(12, "r1")])
    assert first == NO_EVIDENCE
    # The peers have no flip. By the long run, eight reviews of 7 days and more had one flip in 3 days, and the second
    # review is open for 2 more days. Deletions are taken as 1 of 4 flips, after the first flip as 1 of 5.
    expected = bayes_factor(2, 2 / (8 * 3) + 0.3, 1, 0.5) * fmean((1, 1 / (1.25 * 1.2), 1 / (1.75 * 1.6))) * 30 / 365
    assert second == pytest.approx(math.log(expected))
    assert competitor.score_one(created[-1]) == NO_EVIDENCE


@pytest.mark.parametrize(("reviews", "is_bomb"), [(9, False), (10, True)])
def test_reviews_of_a_review_bomb_are_no_evidence(reviews: int, is_bomb: bool) -> None:
    # Usual within two days: 2 x 1 / 4. The limit is 0.5 + 5 sqrt(0.5) + 5 = 9.04.
    make, competitor = Events(), StratumHazards()
    scores(competitor, [make.created(0, f"r{number}") for number in range(reviews)])
    scores(competitor, [make.contacted(1, f"r{number}") for number in range(reviews)])
    found = scores(competitor, [make.deleted(2 + number, f"r{number}") for number in range(reviews)])
    assert (max(found) == NO_EVIDENCE) == is_bomb
