"""Cases for tests: what the first examples of alerts open, and what people decided about them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

import msgspec

from stream.contract.alerts import Alert, Subject
from stream.contract.cases import Case, CaseVerdict
from stream.contract.events import Story, Verdict
from stream.core.cases.alerts import opened
from stream.core.cases.rules import CaseRules

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
