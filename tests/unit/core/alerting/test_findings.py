"""A finding is reported once, and again only with a higher severity; a new finding is muted for 30 days by kind."""

from __future__ import annotations

import math
from typing import Any

import pytest

from stream.contract.alerts import Kind, Subject
from stream.core.alerting.alert_draft import AlertDraft
from stream.core.alerting.policy import AlertPolicy
from stream.core.evidence.evidence import WindowEvidence
from stream.core.evidence.parts import Part
from stream.core.evidence.watches import SELLER_SLACK, log_threshold
from stream.core.model.finding import Finding
from stream.core.model.flips import Flip
from stream.core.model.strata import DAY

_BUDGET = 3.0
_THRESHOLD = log_threshold(_BUDGET, SELLER_SLACK)
_BOUGHT = [Part("deleted", 5.0, {"flips": 5.0, "marked": 5.0, "peers_share": 0.1, "concentration": 8.0})]


def _draft(day: float, since: float, excess: float, kind: Kind = "seller.flips", bought: bool = True) -> AlertDraft:
    flip = Flip(
        at=day * DAY, created_at=0.0, review_id="r", product_id="p", stars=3.0, retracted=False, incentive=False,
        contact_hours=None, group=1, actor_ids=(), without_purpose=False, stars_before=1, stars_after=5, channel=None,
        incentive_value=None, currency=None,
    )  # fmt: skip
    log_odds = _THRESHOLD + excess
    found = WindowEvidence(log_odds, 0, (1,), 0.5, [(1.0, 0.5)], [Part("count", log_odds, {"flips": 1.0})])
    found.parts[0].numbers.update(expected=0.5, level_flips=2.0, level_expected=2.0)
    return AlertDraft(
        kind=kind, subject=Subject("seller", "s"), n_flips=1, flips=[flip], linked=[], times=[since * DAY],
        window_evidence=found, event_id=f"e{day}", at=day * DAY, patterns={}, by_authors=True, also=[],
        payment=_BOUGHT if bought else [],
    )  # fmt: skip


class _Reported:
    """Reports drafts of one subject, and notes the alerts."""

    def __init__(self) -> None:
        self.policy = AlertPolicy(_BUDGET, "digest")
        self.finding: Finding | None = None
        self.alerted_at: dict[str, float] = {}
        self.alerts: list[Any] = []

    def report(self, draft: AlertDraft) -> bool:
        """Return whether the draft raised an alert."""
        self.finding, alerts = self.policy.report(draft, self.finding, self.alerted_at, -math.inf)
        self.alerts += alerts
        return bool(alerts)


def test_a_finding_is_reported_again_only_when_it_is_more_severe() -> None:
    seen = _Reported()
    steps = [(10, 0.1), (11, 2.0), (12, 2.5), (13, 4.0), (14, 2.0), (15, 5.0), (16, 9.0), (17, 9.3), (18, 50.0)]
    raised = [seen.report(_draft(day, 5, excess)) for day, excess in steps]
    assert raised == [True, False, True, False, False, True, False, True, False]
    assert [alert.severity for alert in seen.alerts] == ["low", "medium", "high", "critical"]
    assert len({alert.finding_id for alert in seen.alerts}) == 1
    assert [alert.supersedes for alert in seen.alerts] == [None, *(alert.alert_id for alert in seen.alerts[:-1])]
    assert "takes the place of the alert of 18 Jan 1970 (high), which had 1 reviews" not in seen.alerts[0].explanation
    assert "(high)" in seen.alerts[-1].explanation


def test_another_watch_on_the_same_time_is_the_same_finding() -> None:
    seen = _Reported()
    assert seen.report(_draft(10, 5, 3.0))
    assert not seen.report(_draft(11, 6, 4.0, "seller.contact_flips"))
    assert seen.report(_draft(12, 6, 5.0, "seller.contact_flips"))
    assert [alert.kind for alert in seen.alerts] == ["seller.flips", "seller.contact_flips"]
    assert len({alert.finding_id for alert in seen.alerts}) == 1


@pytest.mark.parametrize(("day", "raised"), [(39.9, False), (40.1, True)])
def test_a_new_finding_of_a_muted_kind_waits(day: float, raised: bool) -> None:
    """Its window begins after the last time at which the evidence of the former one was above the threshold."""
    seen = _Reported()
    assert seen.report(_draft(10, 5, 3.0))
    assert seen.report(_draft(day, 20, 60.0)) is raised
    assert len({alert.finding_id for alert in seen.alerts}) == 1 + raised


def test_a_window_that_begins_while_the_evidence_lasts_belongs_to_the_finding() -> None:
    seen = _Reported()
    assert seen.report(_draft(10, 5, 3.0))
    for day in range(20, 100, 10):
        assert not seen.report(_draft(day, day - 12, 3.0))
    assert seen.report(_draft(101, 89, 5.0))
    assert len({alert.finding_id for alert in seen.alerts}) == 1


def test_a_finding_without_marks_of_payment_stays_at_medium_until_it_has_some() -> None:
    seen = _Reported()
    assert seen.report(_draft(10, 5, 100.0, bought=False))
    assert not seen.report(_draft(11, 5, 200.0, bought=False))
    assert seen.report(_draft(12, 5, 200.0))
    assert [(alert.severity, alert.recommended_action) for alert in seen.alerts] == [
        ("medium", "investigate"),
        ("critical", "suspend_seller"),
    ]
