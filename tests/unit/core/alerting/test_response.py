"""Severity and recommended action follow from the odds of a change and from the marks of payment."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from stream.contract.alerts import Action, Alert, Severity, SubjectType
from stream.core.alerting.response import recommended_action, severity

_EXAMPLES = Path(__file__).parents[4] / "schemas" / "examples" / "alert.v1.jsonl"


@pytest.mark.parametrize(
    ("log_excess", "supported", "unsupported"),
    [(0.0, "low", "low"), (2.4, "medium", "medium"), (5.0, "high", "medium"), (200.0, "critical", "medium")],
)
def test_odds_of_a_change_alone_are_never_more_than_medium(
    log_excess: float, supported: Severity, unsupported: Severity
) -> None:
    assert severity("seller", log_excess, 10.0, supported=False) == supported
    assert severity("seller", log_excess, None, supported=True) == supported
    assert severity("seller", log_excess, 0.01, supported=True) == supported
    for odds in (None, 0.01, 9.9):
        assert severity("seller", log_excess, odds, supported=False) == unsupported


@pytest.mark.parametrize("log_excess", [0.0, 5.0, 200.0])
def test_alerts_on_reviewers_are_low(log_excess: float) -> None:
    assert severity("reviewer", log_excess, 1000.0, supported=True) == "low"


@pytest.mark.parametrize(
    ("about", "severity", "upgraded", "incentives", "action"),
    [
        ("seller", "low", 8, 8, "watch"),
        ("seller", "medium", 8, 8, "investigate"),
        ("seller", "high", 8, 0, "remove_reviews"),
        ("seller", "high", 2, 0, "restore_ratings"),
        ("seller", "critical", 8, 4, "suspend_seller"),
        ("seller", "critical", 8, 5, "withhold_funds"),
        ("reviewer", "low", 8, 8, "investigate"),
        ("staff", "high", 8, 8, "revoke_access"),
        ("staff", "critical", 8, 8, "refer_to_legal"),
    ],
)
def test_the_action_follows_from_the_evidence(
    about: SubjectType, severity: Severity, upgraded: int, incentives: int, action: Action
) -> None:
    example = msgspec.json.decode(_EXAMPLES.read_text().splitlines()[0], type=Alert).evidence
    found = msgspec.structs.replace(
        example, flips=10, upgraded=upgraded, retracted=10 - upgraded, incentives=incentives
    )
    assert recommended_action(about, severity, found) == action
