"""From a connector that ties a ring to the fields of its alert and of its case.

Invariant: nothing is evaluated here. The parts of the evidence are the members', in the order in which the ring lists
them, so they add up to the ring's log odds.
"""

from __future__ import annotations

import math
from typing import Final

from stream.contract import alerts as contract
from stream.contract.alerts import Alert, ConnectorRef, Kind, Link, Ring, Subject
from stream.core.alerting.alert_draft import AlertDraft
from stream.core.alerting.alert_fields import MAX_LINKS, odds_of, top_links, utc
from stream.core.alerting.policy import AlertPolicy
from stream.core.baseline.market_totals import MarketTotals
from stream.core.evidence.evidence import WindowEvidence
from stream.core.evidence.parts import Part
from stream.core.evidence.payment import payment_parts
from stream.core.evidence.rings import log_term, prior_share
from stream.core.messages.reports import ReportedFlip
from stream.core.model.strata import end_of_day
from stream.core.model.sums import total
from stream.core.rings.ring_view import LikelyClient, RingView

#: The most members with a part of their own.
_MAX_PARTS: Final = 20


def evaluate(
    policy: AlertPolicy, ring: RingView, findings: list[ReportedFlip], market: MarketTotals, day: int
) -> list[Alert]:
    """Raise alerts on a ring at the end of a day.

    Args:
        policy: What decides.
        ring: The ring; it is named already.
        findings: The latest flips that its connectors tie.
        market: Sums over the markets of all tasks.
        day: Days since 1970-01-01.
    """
    first, since = ring.first, ring.first.verdict_at or -math.inf
    if end_of_day(day) < first.muted_until or first.confirmed:
        return []
    # A ring lasts until its odds are less than even, but only what would name it is an alert.
    evidence = ring.evidence
    if evidence.log_odds < policy.log_ring_thresholds[kind_of(ring)] or not evidence.stands_without_strongest():
        return []
    draft = _draft(ring, findings, market.present_marks(day), end_of_day(day))
    if draft is None:
        return []
    first.finding, alerts = policy.report(draft, first.finding, first.alerted_at, since)
    return alerts


def kind_of(ring: RingView) -> Kind:
    """Return the kind of a ring's alerts."""
    return "ring.insider" if any(one.type == "staff" for one in ring.connectors) else "ring.linked"


def subject_of(ring: RingView) -> Subject:
    """Return the ring as a subject."""
    return Subject("ring", ring.first.ring_id)


def fields_of(ring: RingView) -> Ring:
    """Return what the contract says of a ring."""
    first = ring.first
    return Ring(
        connectors=[ConnectorRef(one.relation or one.type, one.connector_id) for one in ring.connectors or ring.former],
        members=[_member(one, first.joined_at[one.seller_id]) for one in ring.members],
        tied=ring.tied,
        odds=odds_of(ring.evidence.log_odds),
        odds_without_strongest=odds_of(ring.evidence.log_odds_without),
        fell_apart_at=None if first.fell_apart_at is None else utc(first.fell_apart_at),
        merged_into=ring.merged_into,
        named_at=None if first.named_at is None else utc(first.named_at),
    )


def _member(one: LikelyClient, joined_at: float) -> contract.RingMember:
    return contract.RingMember(
        seller_id=one.seller_id,
        flips=one.member.flips,
        expected=one.member.expected,
        odds=odds_of(one.log_odds),
        since=utc(one.member.first_flip_at),
        until=utc(one.member.last_flip_at),
        joined_at=utc(joined_at),
    )


def _draft(ring: RingView, findings: list[ReportedFlip], peers: list[float], at: float) -> AlertDraft | None:
    """Return a ring's draft.

    Args:
        ring: The ring.
        findings: The latest flips that its connectors tie.
        peers: The marks of payment of peers' flips, as the market has them at present.
        at: When the alert is raised (epoch seconds).

    Returns:
        None if no flip of a member is kept.
    """
    staff = [one.connector_id for one in ring.connectors if one.type == "staff"]
    kept = sorted(
        (finding for one in ring.members for finding in _counted(one, findings, staff)),
        key=lambda finding: (finding.flip.at, finding.seller_id, finding.flip.review_id),
    )
    if not kept:
        return None
    flips = [finding.flip for finding in kept]
    links = [Link("seller", one.seller_id, one.member.flips) for one in ring.members]
    insiders = top_links("staff", (name for flip in flips for name in flip.actor_ids if name in staff))
    return AlertDraft(
        kind=kind_of(ring),
        subject=subject_of(ring),
        n_flips=round(total(one.member.flips for one in ring.members)),
        flips=flips,
        linked=(insiders + links)[:MAX_LINKS],
        times=[min(one.member.first_flip_at for one in ring.members)],
        window_evidence=WindowEvidence(
            log_odds=ring.evidence.log_odds,
            window=0,
            exposed=(),
            expected=total(one.member.expected for one in ring.members),
            series=[],
            parts=_parts(ring),
        ),
        event_id=kept[-1].event_id,
        at=at,
        patterns={},
        by_authors=True,
        also=[],
        payment=payment_parts(flips, peers, {}),
        ring=fields_of(ring),
        sellers=[finding.seller_id for finding in kept],
    )


def _counted(one: LikelyClient, findings: list[ReportedFlip], staff: list[str]) -> list[ReportedFlip]:
    """Return those flips of a member that its evidence counts: as many as it has, and looked-up ones first.

    Several connectors tie a seller, and each knows other flips of it; the evidence counts those of one of them.
    """
    member = one.member
    its = {
        finding.flip.review_id: finding
        for finding in findings
        if finding.seller_id == one.seller_id and member.first_flip_at <= finding.flip.at <= member.last_flip_at
    }
    in_order = sorted(
        its.values(),
        key=lambda finding: (any(name in staff for name in finding.flip.actor_ids), finding.flip.at),
    )
    return in_order[-member.flips :]


def _parts(ring: RingView) -> list[Part]:
    """Return what each member adds, and what all other sellers add that the connectors tie."""
    parts: list[Part] = []
    share = prior_share(ring.tied)
    for place, one in enumerate(ring.members[:_MAX_PARTS], 1):
        member = one.member
        numbers = {
            "place": float(place),
            "flips": float(member.flips),
            "expected": member.expected,
            "log_factor": member.log_factor,
            "client_share": share,
        }
        parts.append(Part("ring_member", log_term(one.member.log_factor, share), numbers))
    log_level = total(one.log_level for one in ring.connectors)
    sellers = ring.tied - len(parts)
    if sellers:
        rest = ring.evidence.log_odds - log_level - total(part.log_odds for part in parts)
        parts.append(Part("ring_others", rest, {"sellers": float(sellers)}))
    if log_level:
        parts.append(Part("ring_level", log_level, {"log_level": log_level}))
    return parts
