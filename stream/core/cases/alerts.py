"""What an alert does to its subject's case.

Invariant: pure. A case's alerts are in order of time, and its evidence is that of the latest one, in whatever order
they arrive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from stream.contract.alerts import Alert, Link, Subject
from stream.contract.cases import Case, CaseAlert, CaseAppeal, CaseVerdict, case_id
from stream.core.alerting.response import SEVERITIES
from stream.core.cases.rules import CaseRules

#: The most alerts, verdicts, notes and appeals of a case, and the most linked subjects.
MAX_ENTRIES: Final = 20


def in_force(case: Case) -> CaseVerdict | None:
    """Return the verdict in force."""
    return next((verdict for verdict in reversed(case.verdicts) if verdict.effect == "in_force"), None)


def pending_appeal(case: Case) -> CaseAppeal | None:
    """Return the appeal that a contested case waits with: the first that is not answered."""
    if case.state != "appealed":
        return None
    return next((appeal for appeal in case.appeals if appeal.answered_by is None), None)


def latest_accusation(case: Case) -> str | None:
    """Return the id of the latest alert that accuses the subject; a shift of a product's rating accuses nobody."""
    return next((alert.alert_id for alert in reversed(case.alerts) if alert.kind != "product.rating_shift"), None)


def opened(subject: Subject, alert: Alert, rules: CaseRules) -> Case:
    """Return the case that a subject's first alert opens."""
    return Case(
        case_id=case_id(subject, alert.alert_id),
        subject=subject,
        state="open",
        opened_at=alert.raised_at,
        updated_at=alert.raised_at,
        severity=alert.severity,
        alerts=[_short(alert)],
        linked=alert.evidence.linked[:MAX_ENTRIES],
        due_at=rules.due_at(alert.raised_at, alert.severity),
        **_latest(alert),
    )


def with_alert(case: Case, alert: Alert, rules: CaseRules) -> Case:
    """Return a case with one more alert. A decided case is open again if the alert is later than its verdict."""
    alerts = sorted([*case.alerts, _short(alert)], key=lambda one: (one.raised_at, one.alert_id))[-MAX_ENTRIES:]
    # An alert from before an appeal may come after it.
    appeal = pending_appeal(case)
    waits_since = alert.raised_at if appeal is None else max(alert.raised_at, appeal.appealed_at)
    due_at = rules.due_at(waits_since, alert.severity)
    case = msgspec.structs.replace(case, alerts=alerts)
    case = msgspec.structs.replace(
        case,
        severity=max(case.severity, alert.severity, key=SEVERITIES.index),
        updated_at=max(case.updated_at, alert.raised_at),
        linked=_merged(case.linked, alert.evidence.linked),
        **(_latest(alert) if latest_accusation(case) == alert.alert_id else {}),
    )
    accuses = alert.kind != "product.rating_shift"
    verdict = in_force(case) if case.state == "decided" and accuses else None
    if verdict is not None and alert.raised_at > verdict.recorded_at:
        case = msgspec.structs.replace(
            case, state="open", reopened=_reason(alert, verdict), assignee=None, due_at=due_at
        )
    elif case.due_at is not None:
        case = msgspec.structs.replace(case, due_at=min(case.due_at, due_at))
    return case


def without_reviewers(case: Case, erased: Collection[str]) -> Case:
    """Return a seller's case without the ids of reviewers who are erased."""

    def kept(links: Iterable[Link]) -> list[Link]:
        return [link for link in links if link.type != "reviewer" or link.id not in erased]

    return msgspec.structs.replace(
        case,
        linked=kept(case.linked),
        evidence=msgspec.structs.replace(case.evidence, linked=kept(case.evidence.linked)),
        extorted=[one for one in case.extorted if one.reviewer_id not in erased],
    )


def _short(alert: Alert) -> CaseAlert:
    return CaseAlert(alert.alert_id, alert.kind, alert.raised_at, alert.severity, alert.evidence.odds)


def _latest(alert: Alert) -> dict[str, Any]:
    """Return the fields of a case that are those of its latest alert."""
    return {
        "kind": alert.kind,
        "evidence": alert.evidence,
        "explanation": alert.explanation,
        "checks": alert.checks,
        "recommended_action": alert.recommended_action,
        "patterns": alert.patterns,
        "model_version": alert.model_version,
        "config_digest": alert.config_digest,
    }


def _merged(known: Iterable[Link], found: Iterable[Link]) -> list[Link]:
    """Return all linked subjects as the latest alert that names them does, those with most flips first."""
    links = {(link.type, link.id): link for link in (*known, *found)}
    return sorted(links.values(), key=lambda link: (-link.flips, link.type, link.id))[:MAX_ENTRIES]


def _reason(alert: Alert, verdict: CaseVerdict) -> str:
    found, since = alert.evidence, f"{verdict.recorded_at:%Y-%m-%d}"
    if verdict.verdict == "inconclusive":
        return f"The verdict of {since} was inconclusive, and there is further evidence."
    return (
        f"New evidence after the verdict of {since} ({verdict.verdict}): {found.flips} critical reviews turned where "
        f"{found.expected:.1f} were expected, and they alone reach the threshold of an alert."
    )
