"""When evidence becomes an alert: budgeted thresholds, and the mute period after an alert.

Invariant: one finding is reported once, and again only with a higher severity. A new finding is reported if its kind
is not muted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from stream import MODEL_VERSION
from stream.contract.alerts import Alert, Evidence, Kind, Link, OtherWatch, Severity, Subject, SubjectType, alert_id
from stream.core.alerting import response, reviewer_alerts, wording
from stream.core.alerting.alert_draft import AlertDraft
from stream.core.alerting.alert_fields import MAX_LINKS, flip_evidence, odds_of, rating_shift_evidence, top_links, utc
from stream.core.alerting.ring_alerts import draft_of
from stream.core.baseline.baseline import Baseline
from stream.core.baseline.day_sums import forward_decay_weight
from stream.core.evidence.evidence import WindowEvidence
from stream.core.evidence.parts import Part
from stream.core.evidence.payment import payment_parts
from stream.core.evidence.watches import (
    ACCESS_WATCH,
    INSIDER_RING_SLACK,
    LINKED_RING_SLACK,
    REVIEWER_SLACK,
    SELLER_SLACK,
    SELLER_WATCHES,
    STAFF_SLACK,
    log_threshold,
)
from stream.core.model.finding import Finding
from stream.core.model.flips import Flip
from stream.core.model.strata import DAY
from stream.core.model.sums import total
from stream.core.staff.history import StaffHistory, end_of_day
from stream.core.staff.market_totals import MarketTotals
from stream.core.staff.messages import StaffFinding
from stream.core.staff.reviewer_history import ReviewerHistory
from stream.core.staff.rings import RingView
from stream.core.staff.watches import STAFF_MODEL, STAFF_WATCHES, StaffWatch
from stream.core.subjects.linked_sellers import linked_report
from stream.core.subjects.product_rating import DriftBuffer, ProductRating
from stream.core.subjects.seller import Seller
from stream.core.subjects.seller_evidence import evaluate_seller

#: How long a watch is muted for a subject after an alert, unless the same finding becomes more severe.
MUTE_SECONDS: Final = 30 * DAY


def is_muted(alerted_at: Mapping[str, float], name: str, now: float, since: float) -> bool:
    """Return whether `name` (a kind, for products with the product's id) was alerted within MUTE_SECONDS of `now`.

    Alerts before `since`, the time of the latest verdict, mute nothing.
    """
    last_at = alerted_at.get(name)
    return last_at is not None and last_at >= since and now < last_at + MUTE_SECONDS


def _others(watches: Iterable[tuple[Kind, float | None]], reported: Kind) -> list[OtherWatch]:
    """Return the other watches whose odds are at least even."""
    return [
        OtherWatch(kind, odds_of(log_odds))
        for kind, log_odds in watches
        if kind != reported and log_odds is not None and log_odds >= 0
    ]


def _staff_payment(findings: list[StaffFinding], market: MarketTotals, day: int) -> list[Part]:
    """Return what each mark of payment adds; the flips belong to several sellers, so nothing is said of products."""
    return payment_parts([finding.flip for finding in findings], _present_marks(market, day), {})


def _present_marks(market: MarketTotals, day: int) -> list[float]:
    """Return the marks of payment of peers' flips at the end of a day."""
    weight = forward_decay_weight(day)
    return [value / weight for value in market.marks]


def _links_to_reviewers(flips: list[Flip], turned_by: Mapping[str, set[str]]) -> list[Link]:
    """Return the named reviewers who turned some of these reviews, those with most of them first."""
    names = (name for flip in flips for name, review_ids in turned_by.items() if flip.review_id in review_ids)
    return top_links("reviewer", names)


class AlertPolicy:
    """Evaluates subjects after their flips and raises alerts.

    Args:
        budget: False alarms allowed for each 1,000 subjects a year and watch family.
        config_digest: Digest of the settings, which every alert carries.

    Attributes:
        log_ring_thresholds: ln of the joint odds at which a ring is named.
    """

    def __init__(self, budget: float, config_digest: str) -> None:
        self._log_thresholds: dict[SubjectType, float] = {
            "seller": log_threshold(budget, SELLER_SLACK),
            "staff": log_threshold(budget, STAFF_SLACK),
            "reviewer": log_threshold(budget, REVIEWER_SLACK),
        }
        self.log_ring_thresholds: dict[Kind, float] = {
            "ring.insider": log_threshold(budget, INSIDER_RING_SLACK),
            "ring.linked": log_threshold(budget, LINKED_RING_SLACK),
        }
        self._config_digest = config_digest

    @property
    def log_reviewer_threshold(self) -> float:
        """ln of the odds at which a reviewer is named."""
        return self._log_thresholds["reviewer"]

    def evaluate_seller(
        self,
        seller: Seller,
        baseline: Baseline,
        linked: list[bool],
        rings: Mapping[str, bool],
        turned_by: Callable[[], Mapping[str, set[str]]],
        event_id: str,
        now: float,
        percentile: float,
        products: Callable[[], Mapping[str, int]],
        ratings: Mapping[str, ProductRating],
    ) -> list[Alert]:
        """Evaluate a seller after its latest flip, update its weight, and raise alerts.

        Args:
            seller, baseline, linked: See `seller_evidence.evaluate_seller`.
            rings: The rings that the seller is a member of, and whether they move its odds.
            turned_by: Returns the reviews that named reviewers have turned, by reviewer; only an alert needs them.
            event_id: The event of the flip.
            now: Epoch seconds.
            percentile: The pattern score of the flip, 0 to 1.
            products: Returns the seller's open critical reviews by product; few evaluations need it.
            ratings: The task's products, with the flip; only an alert needs them.
        """
        evidence = evaluate_seller(seller, baseline, linked, in_ring=any(rings.values()))
        log_odds, strongest_window = evidence.log_odds, evidence.strongest_window
        if seller.links:
            seller.linked_report = linked_report(seller, evidence, event_id, seller.flips[-1:])
        seller.update_weight(log_odds, baseline, now)
        number = log_odds.index(max(log_odds))
        if log_odds[number] < self._log_thresholds["seller"]:
            return []
        if seller.verdict is not None and now < seller.verdict.muted_until:
            return []
        watch, found = SELLER_WATCHES[number], strongest_window(number)
        window_flips = seller.flips[found.window :]
        are_linked = linked[found.window :] if number == ACCESS_WATCH and linked else [False] * len(window_flips)
        exposed = [pair for pair in zip(window_flips, are_linked, strict=True) if pair[0].group in found.exposed]
        # The evidence on an insider's client counts the linked flips only.
        as_client = any(part.name == "insider_client" for part in found.parts)
        flips = [flip for flip, is_linked in exposed if is_linked or not as_client]
        if not flips:  # at a threshold of even odds a window without exposed flips may contribute most
            return []
        n_linked = len([flip for flip, is_linked in exposed if is_linked])
        of_reviewers = _links_to_reviewers(flips, turned_by())
        draft = AlertDraft(
            kind=watch.kind,
            subject=Subject("seller", seller.seller_id),
            n_flips=len(flips),
            flips=flips,
            linked=[
                *(Link("ring", ring_id, len(flips)) for ring_id in sorted(rings)),
                *of_reviewers,
                *top_links("staff", (actor_id for flip in flips for actor_id in flip.actor_ids)),
            ][:MAX_LINKS],
            times=[flip.at for flip in seller.flips[found.window :]],
            window_evidence=found,
            event_id=event_id,
            at=now,
            patterns={"half_space_trees": percentile},
            by_authors=True,
            also=_others(zip((watch.kind for watch in SELLER_WATCHES), log_odds, strict=True), watch.kind),
            payment=payment_parts(flips, baseline.present_marks(), products()),
            n_linked=n_linked,
            confirmed=seller.verdict is not None and seller.verdict.confirmed,
            n_extorted=round(total(link.flips for link in of_reviewers)),
            ratings=ratings,
        )
        seller.finding, alerts = self._report(draft, seller.finding, seller.alerted_at, seller.evaluated_since())
        return alerts

    def evaluate_staff(self, history: StaffHistory, market: MarketTotals, day: int, watches: list[int]) -> list[Alert]:
        """Evaluate a staff member at the end of a day, and raise alerts.

        Args:
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
        if strongest is None or strongest[1].log_odds < self._log_thresholds["staff"]:
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
            also=_others(zip((watch.kind for watch in STAFF_WATCHES), history.log_odds, strict=True), watch.kind),
            payment=_staff_payment(findings, market, day) if watch.by_authors else None,
        )
        history.finding, alerts = self._report(draft, history.finding, history.alerted_at, history.evaluated_since())
        return alerts

    def evaluate_ring(
        self, ring: RingView, findings: list[StaffFinding], market: MarketTotals, day: int
    ) -> list[Alert]:
        """Raise alerts on a ring at the end of a day.

        Args:
            ring: The ring; it is named already.
            findings: The latest flips that its connectors tie.
            market: Sums over the markets of all tasks.
            day: Days since 1970-01-01.
        """
        first, since = ring.first, ring.first.verdict_at or -math.inf
        if end_of_day(day) < first.muted_until or first.confirmed:
            return []
        draft = draft_of(ring, findings, _present_marks(market, day), end_of_day(day))
        if draft is None:
            return []
        first.finding, alerts = self._report(draft, first.finding, first.alerted_at, since)
        return alerts

    def evaluate_reviewer(self, history: ReviewerHistory, market: MarketTotals, day: int) -> list[Alert]:
        """Raise alerts on a reviewer at the end of a day.

        Args:
            history: The reviewer; it is named already.
            market: Sums over the markets of all tasks.
            day: Days since 1970-01-01.
        """
        if end_of_day(day) < history.muted_until or not history.latest:
            return []
        draft = reviewer_alerts.draft_of(history, market.flip_share(), _present_marks(market, day), end_of_day(day))
        since = history.verdict_at or -math.inf
        history.finding, alerts = self._report(draft, history.finding, history.alerted_at, since)
        return alerts

    def _report(
        self, draft: AlertDraft, finding: Finding | None, alerted_at: dict[str, float], since: float
    ) -> tuple[Finding | None, list[Alert]]:
        """Raise an alert if a draft reports something new, and note what the subject's finding then is.

        A draft whose window overlaps the finding's time belongs to it, and is reported if its severity is higher.

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
        if earlier is not None and response.SEVERITIES.index(severity) <= response.SEVERITIES.index(earlier.severity):
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
        return self._log_thresholds[draft.subject.type]

    def evaluate_rating_shift(
        self, seller: Seller, product_id: str, buffer: DriftBuffer, event_id: str, now: float
    ) -> list[Alert]:
        """Raise an alert about a product's rating shift, if its seller's evidence is at least even odds.

        Args:
            seller: The product's seller.
            product_id: The product.
            buffer: The product's rating events up to the shift.
            event_id: The event at which the shift was detected.
            now: Epoch seconds.
        """
        kind: Kind = "product.rating_shift"
        name = f"{kind}/{product_id}"
        if max(seller.log_odds, default=-math.inf) < 0 or is_muted(
            seller.alerted_at, name, now, seller.evaluated_since()
        ):
            return []
        if seller.verdict is not None and now < seller.verdict.muted_until:
            return []
        seller.alerted_at[name] = now
        evidence = rating_shift_evidence(seller, buffer, event_id, now)
        n_events = buffer.latest_half().length
        sentence = wording.render_rating_shift(product_id, seller.seller_id, evidence, n_events)
        patterns = {"adwin_width": float(buffer.length)}
        return [self._alert(kind, Subject("product", product_id), now, "low", evidence, patterns, sentence)]

    def _from_draft(self, draft: AlertDraft, severity: Severity, earlier: Finding | None) -> Alert:
        """Render a draft; see `_report`."""
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
        return self._alert(draft.kind, draft.subject, draft.at, severity, evidence, draft.patterns, sentence, earlier)

    def _alert(
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
