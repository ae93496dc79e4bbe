"""How severe an alert is, and what it recommends.

Invariant: both follow from the alert's evidence. Odds of a change alone never recommend more than an investigation: the
flips must also look bought, or somebody inside must have given the reviewers away.
"""

from __future__ import annotations

from typing import Final, get_args

from stream.contract.alerts import Action, Evidence, Severity, SubjectType
from stream.core.evidence.payment import PAYMENT_ODDS

#: From the lowest to the highest.
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
#: The highest severity of flips that may be honest ones.
_UNSUPPORTED: Final[Severity] = "medium"


def severity(about: SubjectType, log_excess: float, payment_odds: float | None, supported: bool) -> Severity:
    """Return the severity of an alert: steps at factors of 10, 100 and 10,000 above the threshold.

    Alerts on reviewers are low: they help to judge sellers, and accuse nobody inside the marketplace.

    Args:
        about: The type of the alert's subject.
        log_excess: ln R above its threshold.
        payment_odds: How many times as likely the marks of payment are if the flips were paid for; None if unknown.
        supported: Whether more than the flips speaks against the subject: the alert is about staff, staff accused over
            other sellers looked the reviews up, or a verdict has confirmed the seller as a cheat.
    """
    found: Severity = "critical"
    if log_excess < 2.3 or about == "reviewer":
        found = "low"
    elif log_excess < 4.6:
        found = "medium"
    elif log_excess < 9.2:
        found = "high"
    if supported or (payment_odds is not None and payment_odds >= PAYMENT_ODDS):
        return found
    return min(found, _UNSUPPORTED, key=SEVERITIES.index)


def recommended_action(about: SubjectType, severity: Severity, evidence: Evidence) -> Action:
    """Return advice for an analyst. Volteface never executes it.

    A reviewer who turns many critical reviews is one to talk to, however strong the evidence.

    Args:
        about: The type of the alert's subject.
        severity: Of the alert.
        evidence: Of the alert. Bought upgrades are still there and can be removed; of deleted reviews only the stars
            can be restored. Where something of value was offered before half of the flips, money is at hand.
    """
    if about == "reviewer":
        return "investigate"
    if severity == "low":
        return "watch"
    if severity == "medium" or about == "ring":  # a ring accuses none of its members by itself
        return "investigate"
    if about == "staff":
        return "refer_to_legal" if severity == "critical" else "revoke_access"
    if severity == "critical":
        return "withhold_funds" if 2 * evidence.incentives >= evidence.flips else "suspend_seller"
    return "remove_reviews" if evidence.upgraded > evidence.retracted else "restore_ratings"
