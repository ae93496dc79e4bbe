"""Alerts on a reviewer that goes on turning its reviews."""

from __future__ import annotations

import itertools

import msgspec

from stream.contract.alerts import Alert
from stream.core.alerting import reviewer_alerts
from stream.core.alerting.policy import AlertPolicy
from stream.core.baseline.market_totals import MarketTotals
from stream.core.model.encoding import ROW_VERSION
from stream.core.model.flip_windows import MAX_WINDOWS
from stream.core.reviewers.reviewer_history import ReviewerHistory
from tests.unit.core.reviewers.test_reviewer_book import finding

_MARKET = MarketTotals(flips=100, written=1000)


def _alerts(history: ReviewerHistory, days: range) -> list[Alert]:
    """Let the reviewer turn a review each day; return its alerts."""
    policy, found = AlertPolicy(3.0, "digest"), []
    for day in days:
        history.latest = [*history.latest, finding(day, 0, f"seller-{day % 7}")][-MAX_WINDOWS:]
        history.flip_days += 1
        history.evaluate(_MARKET.flip_share())
        found += reviewer_alerts.evaluate(policy, history, _MARKET, day)
    return found


def _named() -> ReviewerHistory:
    return ReviewerHistory(version=ROW_VERSION, reviewer_id="u", critical={0: 100}, is_named=True)


def test_an_alert_is_replaced_each_time_that_the_number_of_turned_reviews_has_doubled() -> None:
    """Without it the reviewer's case would never show what the reviewer has turned since the first alert."""
    history = _named()
    history.latest = [finding(day, 0, "seller") for day in range(3)]
    alerts = _alerts(history, range(3, 90))
    assert [alert.evidence.flips for alert in alerts] == [4, 8, 16, 32]
    for earlier, later in itertools.pairwise(alerts):
        assert later.supersedes == earlier.alert_id
        assert later.finding_id == earlier.finding_id
        assert f"which had {earlier.evidence.flips} reviews" in later.explanation
    assert {alert.severity for alert in alerts} == {"low"}


def test_a_restored_reviewer_is_not_reported_again() -> None:
    history = _named()
    first = _alerts(history, range(4))
    restored = msgspec.convert(msgspec.to_builtins(history), ReviewerHistory, strict=False)
    assert [alert.evidence.flips for alert in (*first, *_alerts(restored, range(4, 8)))] == [1, 2, 4, 8]
