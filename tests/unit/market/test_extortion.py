"""Extortionists: one account with critical reviews at many sellers, most of which flip; the sellers are no cheats."""

from __future__ import annotations

import pytest

from stream.contract.events import OutreachSent, ReviewCreated
from stream.market.extortion import VICTIMS
from tests.unit.market.group_markets import day, day_of, events, market, reviews, truth
from tests.unit.market.test_market import flips, stars


def test_an_extortionist_writes_at_many_sellers_and_turns_most_reviews() -> None:
    assert len(truth("extortion").extortionists) == 4
    for row in truth("extortion").extortionists:
        assert VICTIMS[0] <= len(row.victims) <= VICTIMS[1]
        assert len(row.victims) <= len(row.reviews) <= 1.5 * len(row.victims)
        times = []
        for review in row.reviews:
            history = reviews("extortion")[review.review_id]
            assert (history[0].seller_id, history[0].reviewer_id) == (review.seller_id, row.reviewer_id)
            assert stars(history) <= 2
            assert [day(flip) for flip in flips(history)] == pytest.approx(
                [day_of(review.flipped_at)] if review.flipped_at else [], abs=1e-6
            )
            times.append(day(history[0]))
        turned = sum(bool(review.flipped_at) for review in row.reviews)
        assert 0.3 * len(row.reviews) < turned
        assert 20 < max(times) - min(times) <= 150


def test_the_account_is_a_frequent_reviewers_and_honest_elsewhere() -> None:
    accounts = {row.reviewer_id: {each.review_id for each in row.reviews} for row in truth("extortion").extortionists}
    created = [e for e in events("extortion") if isinstance(e, ReviewCreated) and e.reviewer_id in accounts]
    assert any(event.review_id not in accounts[event.reviewer_id] for event in created)


def test_sellers_are_victims_and_some_pay_on_the_platform() -> None:
    assert truth("extortion").cheats == []
    rows = truth("extortion").extortionists
    victims = {seller_id for row in rows for seller_id in row.victims}
    assert {seller_id for seller_id, names in market("extortion").confounders.items() if names} == victims
    turned = [review.review_id for row in rows for review in row.reviews if review.flipped_at]
    paid = [
        event
        for review_id in turned
        for event in reviews("extortion")[review_id]
        if isinstance(event, OutreachSent) and event.incentive_value
    ]
    assert 0 < len(paid) < 0.7 * len(turned)


def test_nothing_else_changes() -> None:
    own = {review.review_id for row in truth("extortion").extortionists for review in row.reviews}
    assert own.isdisjoint(reviews("none"))
    assert {each: [e.occurred_at for e in history] for each, history in reviews("none").items()} == {
        each: [e.occurred_at for e in history] for each, history in reviews("extortion").items() if each not in own
    }
