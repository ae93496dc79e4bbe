"""When evidence becomes an alert: budgeted thresholds, and the mute period after an alert.

Invariant: one finding is reported once, and again only with a higher severity. A new finding is reported if its kind
is not muted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from stream import MODEL_VERSION
from stream.contract.alerts import Alert, Evidence, Kind, Severity, Subject, SubjectType, alert_id
from stream.core.alerting import response, wording
from stream.core.alerting.alert_draft import AlertDraft
from stream.core.alerting.alert_fields import flip_evidence, odds_of, utc
from stream.core.evidence.watches import (
    INSIDER_RING_SLACK,
    LINKED_RING_SLACK,
    REVIEWER_SLACK,
    SELLER_SLACK,
    STAFF_SLACK,
    log_threshold,
)
from stream.core.model.finding import Finding
from stream.core.model.strata import DAY

#: How long a watch is muted for a subject after an alert, unless the same finding becomes more severe.
MUTE_SECONDS: Final = 30 * DAY


def is_muted(alerted_at: Mapping[str, float], name: str, now: float, since: float) -> bool:
    """Return whether `name` (a kind, for products with the product's id) was alerted within MUTE_SECONDS of `now`.

    Alerts before `since`, the time of the latest verdict, mute nothing.
    """
    last_at = alerted_at.get(name)
    return last_at is not None and last_at >= since and now < last_at + MUTE_SECONDS


class AlertPolicy:
    """Decides whether what was found about a subject is an alert, and renders it.

    Args:
        budget: False alarms allowed for each 1,000 subjects a year and watch family.
        config_digest: Digest of the settings, which every alert carries.

    Attributes:
        log_thresholds: ln R at which sellers, staff and reviewers are reported.
        log_ring_thresholds: ln of the joint odds at which a ring is named.
    """

    def __init__(self, budget: float, config_digest: str) -> None:
        self.log_thresholds: dict[SubjectType, float] = {
            "seller": log_threshold(budget, SELLER_SLACK),
            "staff": log_threshold(budget, STAFF_SLACK),
            "reviewer": log_threshold(budget, REVIEWER_SLACK),
        }
        self.log_ring_thresholds: dict[Kind, float] = {
            "ring.insider": log_threshold(budget, INSIDER_RING_SLACK),
            "ring.linked": log_threshold(budget, LINKED_RING_SLACK),
        }
        self._config_digest = config_digest

    def report(
        self, draft: AlertDraft, finding: Finding | None, alerted_at: dict[str, float], since: float
    ) -> tuple[Finding | None, list[Alert]]:
        """Raise an alert if a draft reports something new, and note what the subject's finding then is.

        A draft whose window overlaps the finding's time belongs to it, and is reported if its severity is higher. The
        severity of a reviewer never is: a draft with twice the flips is reported instead.

        Args:
            draft: The subject's strongest evidence, above the threshold.
            finding: What has been reported.
            alerted_at: Of the subject; it is changed.
            since: The time of the latest verdict, or the first sight (epoch seconds).
        """
        about, log_payment_odds = draft.subject.type, draft.log_payment_odds
        severity = response.severity(
            about,
            draft.window_evidence.log_odds - self._log_threshold(draft),
            None if log_payment_odds is None else odds_of(log_payment_odds),
            supported=about == "staff" or draft.kind == "ring.insider" or draft.n_linked > 0 or draft.confirmed,
        )
        earlier = finding if finding is not None and draft.times[0] <= finding.until else None
        if earlier is not None and not _adds_to(draft, severity, earlier):
            return msgspec.structs.replace(earlier, until=draft.at), []
        if earlier is None and is_muted(alerted_at, draft.kind, draft.at, since):
            return finding, []
        for kind in (draft.kind, *(other.kind for other in draft.also)):
            alerted_at[kind] = draft.at
        alert = self._from_draft(draft, severity, earlier)
        reported = Finding(
            finding_id=alert.finding_id,
            alert_id=alert.alert_id,
            raised_at=draft.at,
            until=draft.at,
            severity=severity,
            flips=draft.n_flips,
            log_odds=draft.window_evidence.log_odds,
        )
        return reported, [alert]

    def _log_threshold(self, draft: AlertDraft) -> float:
        """Return the ln R that a draft had to reach."""
        if draft.subject.type == "ring":
            return self.log_ring_thresholds[draft.kind]
        return self.log_thresholds[draft.subject.type]

    def _from_draft(self, draft: AlertDraft, severity: Severity, earlier: Finding | None) -> Alert:
        """Render a draft; see `report`."""
        evidence = flip_evidence(draft, self._log_threshold(draft))
        sentence = wording.render(
            draft.kind,
            draft.subject,
            evidence,
            draft.by_authors,
            earlier,
            draft.n_linked,
            draft.confirmed,
            draft.n_extorted,
        )
        return self.alert(draft.kind, draft.subject, draft.at, severity, evidence, draft.patterns, sentence, earlier)

    def alert(
        self,
        kind: Kind,
        subject: Subject,
        now: float,
        severity: Severity,
        evidence: Evidence,
        patterns: dict[str, float],
        explanation: str,
        earlier: Finding | None = None,
    ) -> Alert:
        """Build an alert. `detected_at` and `state_digest` are set when it leaves the task."""
        event_id = evidence.event_ids[0]
        return Alert(
            alert_id=alert_id(kind, subject, event_id),
            finding_id=earlier.finding_id if earlier else alert_id("finding", subject, event_id),
            supersedes=earlier.alert_id if earlier else None,
            kind=kind,
            subject=subject,
            raised_at=utc(now),
            detected_at=None,
            severity=severity,
            evidence=evidence,
            patterns=patterns,
            explanation=explanation,
            checks=wording.checks(kind),
            recommended_action=response.recommended_action(subject.type, severity, evidence),
            model_version=MODEL_VERSION,
            config_digest=self._config_digest,
            state_digest="",
        )


def _adds_to(draft: AlertDraft, severity: Severity, earlier: Finding) -> bool:
    """Return whether a draft says so much more than what was reported that it is reported, too."""
    if draft.subject.type == "reviewer":
        return draft.n_flips >= 2 * earlier.flips
    return response.SEVERITIES.index(severity) > response.SEVERITIES.index(earlier.severity)
