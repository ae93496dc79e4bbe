"""What a ring changes for its members: their alerts name it, and linked members' odds count ten times."""

from __future__ import annotations

import math

import pytest

from stream.contract.alerts import Alert
from stream.core.detector import Detector
from stream.core.messages.conclusions import RingMembers
from stream.market import simulate
from tests.unit.core.evidence.test_alternatives import alerts

_BUDGET = 1000.0


def _first_alerts(ring: RingMembers | None) -> dict[str, Alert]:
    """Return the first alert of each seller of a market, with this ring in force."""
    detector = Detector(_BUDGET, "digest")
    if ring is not None:
        detector.state.conclusions.rings[ring.ring_id] = ring
    found: dict[str, Alert] = {}
    for alert in alerts(detector, simulate.simulate("cheats", 3, 60, 140)):
        if alert.subject.type == "seller":
            found.setdefault(alert.subject.id, alert)
    return found


def _linked_rings(alert: Alert) -> list[str]:
    return [link.id for link in alert.evidence.linked if link.type == "ring"]


def test_a_members_alert_names_its_ring_and_others_do_not() -> None:
    usual = _first_alerts(None)
    members = sorted(usual)[::2]
    assert len(members) > 1
    found = _first_alerts(RingMembers(0, "ring", members, []))
    assert {name for name, alert in found.items() if _linked_rings(alert) == ["ring"]} == set(members)
    assert all(_linked_rings(alert) == [] for name, alert in found.items() if name not in members)
    assert {name: alert.evidence.odds for name, alert in found.items()} == {
        name: alert.evidence.odds for name, alert in usual.items()
    }, "a ring that moves nobody changes no odds"


def test_a_moved_members_odds_count_ten_times() -> None:
    usual = _first_alerts(None)
    found = _first_alerts(RingMembers(0, "ring", sorted(usual), sorted(usual)))
    assert usual.keys() <= found.keys()
    for name, alert in found.items():
        (part,) = [part for part in alert.evidence.parts if part.name == "ring"]
        assert part.log_odds == pytest.approx(math.log(10))
        assert sum(one.log_odds for one in alert.evidence.parts) == pytest.approx(math.log(alert.evidence.odds))
        assert name not in usual or alert.raised_at <= usual[name].raised_at
    assert any(found[name].raised_at < usual[name].raised_at for name in usual)
