"""Alerts on staff, as a day ends.

Invariant: the evidence of all tasks is in the history before it is evaluated, so the day's alerts do not depend on the
order in which tasks reported.
"""

from __future__ import annotations

from stream.contract.alerts import Alert, Subject
from stream.core.alerting.alert_draft import AlertDraft
from stream.core.alerting.alert_fields import other_watches, top_links
from stream.core.alerting.policy import AlertPolicy
from stream.core.baseline.market_totals import MarketTotals
from stream.core.evidence.evidence import WindowEvidence
from stream.core.evidence.parts import Part
from stream.core.evidence.payment import payment_parts
from stream.core.messages.reports import ReportedFlip
from stream.core.model.strata import end_of_day
from stream.core.staff.history import StaffHistory
from stream.core.staff.watches import STAFF_MODEL, STAFF_WATCHES, StaffWatch


def evaluate(
    policy: AlertPolicy, history: StaffHistory, market: MarketTotals, day: int, watches: list[int]
) -> list[Alert]:
    """Evaluate a staff member at the end of a day, and raise alerts.

    Args:
        policy: What decides.
        history: Sums over all tasks of the evidence on the staff member.
        market: Sums over the markets of all tasks.
        day: Days since 1970-01-01.
        watches: The numbers of the watches that have new evidence.
    """
    strongest: tuple[StaffWatch, WindowEvidence] | None = None
    for number in watches:
        watch = STAFF_WATCHES[number]
        evidence = watch.evidence(history)
        result = STAFF_MODEL.evaluate(evidence.packed_rows(), evidence.totals(), watch.prior(history, market, day))
        found = result.strongest_window(0)
        history.log_odds[number] = found.log_odds
        if strongest is None or found.log_odds > strongest[1].log_odds:
            strongest = watch, found
    if strongest is None or strongest[1].log_odds < policy.log_thresholds["staff"]:
        return []
    if end_of_day(day) < history.muted_until:
        return []
    watch, found = strongest
    evidence = watch.evidence(history)
    n_flips, findings = evidence.since_window(found.window)
    if not findings:
        return []
    percentile = evidence.latest[-1].percentile
    draft = AlertDraft(
        kind=watch.kind,
        subject=Subject("staff", history.actor_id),
        n_flips=n_flips,
        flips=[finding.flip for finding in findings],
        linked=top_links("seller", (finding.seller_id for finding in findings)),
        times=[row[0] for row in evidence.history[found.window :]],
        window_evidence=found,
        event_id=findings[-1].event_id,
        at=end_of_day(day),
        patterns={} if percentile is None else {"half_space_trees": percentile},
        by_authors=watch.by_authors,
        also=other_watches(zip((watch.kind for watch in STAFF_WATCHES), history.log_odds, strict=True), watch.kind),
        payment=_staff_payment(findings, market, day) if watch.by_authors else None,
    )
    history.finding, alerts = policy.report(draft, history.finding, history.alerted_at, history.evaluated_since())
    return alerts


def _staff_payment(findings: list[ReportedFlip], market: MarketTotals, day: int) -> list[Part]:
    """Return what each mark of payment adds; the flips belong to several sellers, so nothing is said of products."""
    return payment_parts([finding.flip for finding in findings], market.present_marks(day), {})
