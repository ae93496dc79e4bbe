"""From a connector that ties a ring to the fields of its alert and of its case.

Invariant: nothing is evaluated here. The parts of the evidence are the members', in the order in which the ring lists
them, so they add up to the ring's log odds.
"""

from __future__ import annotations

from typing import Final

from stream.contract.alerts import ConnectorRef, Kind, Link, Ring, RingMember, Subject
from stream.core.alerting.alert_draft import AlertDraft
from stream.core.alerting.alert_fields import odds_of, top_links, utc
from stream.core.evidence.evidence import WindowEvidence
from stream.core.evidence.parts import Part
from stream.core.evidence.payment import payment_parts
from stream.core.evidence.rings import log_member_odds, log_term
from stream.core.model.sums import total
from stream.core.staff.connectors import Connector
from stream.core.staff.messages import StaffFinding

#: The most members with a part of their own.
_MAX_PARTS: Final = 20


def kind_of(connector: Connector) -> Kind:
    """Return the kind of a ring's alerts."""
    return "ring.insider" if connector.type == "staff" else "ring.linked"


def subject_of(connector: Connector) -> Subject:
    """Return the ring as a subject."""
    return Subject("ring", connector.ring_id)


def ring_of(connector: Connector) -> Ring:
    """Return the ring that a connector ties."""
    return Ring(
        connectors=[ConnectorRef(connector.relation or connector.type, connector.connector_id)],
        members=[_member(connector, seller_id) for seller_id in connector.joined_at],
        tied=len(connector.members) + connector.others,
        odds=odds_of(connector.log_odds or 0.0),
        odds_without_strongest=odds_of(connector.log_odds_without or 0.0),
        fell_apart_at=None if connector.fell_apart_at is None else utc(connector.fell_apart_at),
    )


def _member(connector: Connector, seller_id: str) -> RingMember:
    member = connector.members[seller_id]
    return RingMember(
        seller_id=seller_id,
        flips=member.flips,
        expected=member.expected,
        odds=odds_of(log_member_odds(member.log_factor)),
        since=utc(member.first_flip_at),
        until=utc(member.last_flip_at),
        joined_at=utc(connector.joined_at[seller_id]),
    )


def draft_of(connector: Connector, findings: list[StaffFinding], peers: list[float], at: float) -> AlertDraft | None:
    """Return a ring's draft.

    Args:
        connector: What ties the ring.
        findings: The latest flips that the connector ties.
        peers: The marks of payment of peers' flips, as the market has them at present.
        at: When the alert is raised (epoch seconds).

    Returns:
        None if no flip of a member is kept.
    """
    its = [finding for finding in findings if finding.seller_id in connector.joined_at]
    if not its or connector.log_odds is None:
        return None
    members = [connector.members[seller_id] for seller_id in connector.joined_at]
    flips = [finding.flip for finding in its]
    links = [Link("seller", seller_id, connector.members[seller_id].flips) for seller_id in connector.joined_at]
    return AlertDraft(
        kind=kind_of(connector),
        subject=subject_of(connector),
        n_flips=sum(member.flips for member in members),
        flips=flips,
        linked=links[: _MAX_PARTS - 1] + top_links("staff", _insiders(connector, its)),
        times=[min(member.first_flip_at for member in members)],
        window_evidence=WindowEvidence(
            log_odds=connector.log_odds,
            window=0,
            exposed=(),
            expected=total(member.expected for member in members),
            series=[],
            parts=_parts(connector),
        ),
        event_id=its[-1].event_id,
        at=at,
        patterns={},
        by_authors=True,
        also=[],
        payment=payment_parts(flips, peers, {}),
        ring=ring_of(connector),
        sellers=[finding.seller_id for finding in its],
    )


def _insiders(connector: Connector, findings: list[StaffFinding]) -> list[str]:
    return [connector.connector_id] * len(findings) if connector.type == "staff" else []


def _parts(connector: Connector) -> list[Part]:
    """Return what each member adds, and what all other sellers add that the connector ties."""
    assert connector.log_odds is not None
    parts: list[Part] = []
    for place, seller_id in enumerate(list(connector.joined_at)[:_MAX_PARTS], 1):
        member = connector.members[seller_id]
        numbers = {"place": float(place), "flips": float(member.flips), "expected": member.expected}
        parts.append(Part("ring_member", log_term(member.log_factor), numbers))
    sellers = len(connector.members) + connector.others - len(parts)
    if sellers:
        rest = connector.log_odds - total(part.log_odds for part in parts)
        parts.append(Part("ring_others", rest, {"sellers": float(sellers)}))
    return parts
