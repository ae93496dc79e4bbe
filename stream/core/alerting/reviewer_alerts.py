"""Alerts on reviewers, as a day ends.

Invariant: nothing is evaluated here. A reviewer who asks sellers for money is no proof against any seller: the alert
recommends an investigation, and the sellers' cases name it as a point for them.
"""

from __future__ import annotations

import math
from typing import Final

from stream.contract.alerts import Alert, Kind, Subject
from stream.core.alerting.alert_draft import AlertDraft
from stream.core.alerting.alert_fields import top_links
from stream.core.alerting.policy import AlertPolicy
from stream.core.baseline.market_totals import MarketTotals
from stream.core.evidence.evidence import WindowEvidence
from stream.core.evidence.parts import Part
from stream.core.evidence.payment import payment_parts
from stream.core.model.strata import end_of_day
from stream.core.reviewers.reviewer_history import ReviewerHistory

KIND: Final[Kind] = "reviewer.flips"


def evaluate(policy: AlertPolicy, history: ReviewerHistory, market: MarketTotals, day: int) -> list[Alert]:
    """Raise alerts on a reviewer at the end of a day.

    Args:
        policy: What decides.
        history: The reviewer; it is named already.
        market: Sums over the markets of all tasks.
        day: Days since 1970-01-01.
    """
    if end_of_day(day) < history.muted_until or not history.latest:
        return []
    draft = _draft(history, market.flip_share(), market.present_marks(day), end_of_day(day))
    since = history.verdict_at or -math.inf
    history.finding, alerts = policy.report(draft, history.finding, history.alerted_at, since)
    return alerts


def _draft(history: ReviewerHistory, market_share: float, peers: list[float], at: float) -> AlertDraft:
    """Return a reviewer's draft.

    Args:
        history: The reviewer, evaluated, with a flip.
        market_share: The share of all critical reviews that turn.
        peers: The marks of payment of peers' flips, as the market has them at present.
        at: When the alert is raised (epoch seconds).
    """
    kept = history.latest
    flips = [finding.flip for finding in kept]
    log_odds = history.log_odds or 0.0
    numbers = {"days": float(history.flip_days), "reviews": float(history.reviews), "peers_share": market_share}
    return AlertDraft(
        kind=KIND,
        subject=Subject("reviewer", history.reviewer_id),
        n_flips=len(kept),
        flips=flips,
        linked=top_links("seller", (finding.seller_id for finding in kept)),
        times=[flips[0].at],
        window_evidence=WindowEvidence(
            log_odds=log_odds,
            window=0,
            exposed=(),
            expected=market_share * history.reviews,
            series=[],
            parts=[Part("flip_share", log_odds, numbers)],
        ),
        event_id=kept[-1].event_id,
        at=at,
        patterns={},
        by_authors=True,
        also=[],
        payment=payment_parts(flips, peers, {}),
        sellers=[finding.seller_id for finding in kept],
    )
