"""Cases for tests: what the first examples of alerts open, what people decided about them, and a market with a ring."""

from __future__ import annotations

import datetime as dt
import gzip
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from stream.contract.alerts import Alert, Subject
from stream.contract.cases import Case, CaseVerdict
from stream.contract.events import Story, Verdict
from stream.core.cases.alerts import opened
from stream.core.cases.rules import CaseRules
from tests import example_rings

_ALERTS: Final = Path(__file__).parents[1] / "schemas" / "examples" / "alert.v1.jsonl"
_RULES: Final = CaseRules(due_days=(3, 7, 14, 30))
HOUR: Final = dt.timedelta(hours=1)


def _alert(number: int) -> Alert:
    return msgspec.json.decode(_ALERTS.read_bytes().splitlines()[number], type=Alert)


def seller_case(seller_id: str = "seller-0011", **fields: Any) -> Case:
    """Return an open case about a seller."""
    alert = _alert(0)
    alert = msgspec.structs.replace(
        alert,
        subject=Subject("seller", seller_id),
        explanation=alert.explanation.replace("seller-0011", seller_id),
    )
    return msgspec.structs.replace(opened(alert.subject, alert, _RULES), **fields)


def seller_alert(alert_id: str, at: dt.datetime, seller_id: str = "seller-0011") -> Alert:
    """Return another alert on the seller of `seller_case`."""
    return msgspec.structs.replace(_alert(0), alert_id=alert_id, raised_at=at, subject=Subject("seller", seller_id))


def staff_case(**fields: Any) -> Case:
    """Return an open case about a staff member."""
    alert = _alert(1)
    return msgspec.structs.replace(opened(alert.subject, alert, _RULES), **fields)


def decided(case: Case, verdict: Verdict = "confirmed", story: Story | None = None, **fields: Any) -> Case:
    """Return a case with a verdict in force, an hour after its alert."""
    found = CaseVerdict(
        event_id=f"verdict-of-{case.case_id}",
        recorded_at=case.updated_at + HOUR,
        verdict=verdict,
        story=story,
        analyst_id="ana-lyst",
        second_analyst_id=None,
        note="Seen by ana-lyst.",
        effect="in_force",
    )
    changed = {"state": "decided", "due_at": None, "verdicts": [found], "updated_at": found.recorded_at} | fields
    return msgspec.structs.replace(case, **changed)


@cache
def _ring_market() -> tuple[Case, ...]:
    lines = gzip.decompress(example_rings.CASES.read_bytes()).splitlines()
    return tuple(msgspec.json.decode(line, type=Case) for line in lines)


def ring_market() -> list[Case]:
    """Return the open cases of a market with an insider's ring: of the insider, rings and some sellers."""
    return list(_ring_market()[:-1])


def ring_case(**fields: Any) -> Case:
    """Return the open case of the market's strongest ring, which has members."""
    case = next(case for case in ring_market() if case.case_id == fallen_ring_case().case_id)
    return msgspec.structs.replace(case, **fields)


def fallen_ring_case() -> Case:
    """Return the same case after its dismissal: the ring has fallen apart."""
    return _ring_market()[-1]


def ring_alerts() -> list[Alert]:
    """Return the latest alert of each subject of the same market."""
    lines = gzip.decompress(example_rings.ALERTS.read_bytes()).splitlines()
    return [msgspec.json.decode(line, type=Alert) for line in lines]


def ring_alert() -> Alert:
    """Return the latest alert on the ring of `ring_case`."""
    return next(alert for alert in ring_alerts() if alert.subject == ring_case().subject)
