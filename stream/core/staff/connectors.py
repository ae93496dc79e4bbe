"""What ties sellers, with the evidence on each of them: a staff member who looked their reviews up, or a link.

Invariant: plain values that are encoded as they are. A connector keeps MAX_MEMBERS sellers, those with the strongest
evidence. For a staff member the flips and expected flips add up; for a link the latest report of a seller counts.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from stream.core.evidence.rings import RingEvidence, joint, log_client_factor, log_member_odds
from stream.core.model.finding import Finding
from stream.core.model.flip_windows import MAX_WINDOWS
from stream.core.staff.messages import ClientReport, LinkedReport, StaffFinding

#: The most sellers of a connector that are kept.
MAX_MEMBERS: Final = 64
#: The log factor of a seller without flips; a finite number, so that it can be encoded.
NO_FLIPS: Final = -1000.0

ConnectorType = Literal["staff", "link"]


class Member(msgspec.Struct, array_like=True, gc=False):
    """One seller that a connector ties."""

    flips: int = 0
    #: Flips expected by peers, and by the long run.
    expected: float = 0.0
    expected_long_run: float = 0.0
    #: Epoch seconds; 0 without flips.
    first_flip_at: float = 0.0
    last_flip_at: float = 0.0
    #: Natural log of the Bayes factor of the flips.
    log_factor: float = NO_FLIPS


class Connector(msgspec.Struct, kw_only=True):
    """What ties some sellers."""

    version: int
    type: ConnectorType
    #: The staff member, or the link.
    connector_id: str
    #: The relation of a link; empty for a staff member.
    relation: str = ""
    members: dict[str, Member] = msgspec.field(default_factory=dict)
    #: Sellers of a link that are not kept.
    others: int = 0
    #: The latest flips of a link's sellers, MAX_WINDOWS at most; a staff member's history has those of its clients.
    latest: list[StaffFinding] = msgspec.field(default_factory=list)
    #: The last day (days since 1970-01-01) with a report.
    last_day: int = 0
    #: Natural logs, jointly and without the strongest member; None before the first evaluation.
    log_odds: float | None = None
    log_odds_without: float | None = None
    #: Since when the connector is named as a ring, and when it fell apart (epoch seconds); None if it did not.
    named_at: float | None = None
    fell_apart_at: float | None = None
    #: When each present member of the named ring joined (epoch seconds).
    joined_at: dict[str, float] = msgspec.field(default_factory=dict)
    #: As in `StaffHistory`.
    alerted_at: dict[str, float] = msgspec.field(default_factory=dict)
    finding: Finding | None = None
    verdict_at: float | None = None
    muted_until: float = 0.0

    @property
    def name(self) -> str:
        """The name of the state row."""
        return f"{self.type}/{self.connector_id}"

    @property
    def ring_id(self) -> str:
        """The id of the ring, as a subject of alerts and cases."""
        return ring_id(self.type, self.connector_id)

    @property
    def is_ring(self) -> bool:
        """Whether the connector is named as a ring and has not fallen apart."""
        return self.named_at is not None and self.fell_apart_at is None

    def add_client(self, report: ClientReport) -> None:
        """Add what a report says about a seller whose reviews the staff member looked up."""
        member = self.members.setdefault(report.seller_id, Member())
        member.flips += report.flips
        member.expected += report.expected
        member.expected_long_run += report.expected_long_run
        if report.flips:
            first = member.first_flip_at or report.first_flip_at
            member.first_flip_at = min(first, report.first_flip_at)
            member.last_flip_at = max(member.last_flip_at, report.last_flip_at)

    def set_linked(self, report: LinkedReport) -> None:
        """Set what a report says about a linked seller."""
        self.members[report.seller_id] = Member(
            report.flips,
            report.expected,
            report.expected,
            report.first_flip_at,
            report.last_flip_at,
            report.log_factor if report.flips else NO_FLIPS,
        )

    def add_latest(self, findings: Iterable[StaffFinding]) -> None:
        """Add flips of the sellers."""
        known = {(finding.seller_id, finding.flip.review_id, finding.flip.at) for finding in self.latest}
        new = [one for one in findings if (one.seller_id, one.flip.review_id, one.flip.at) not in known]
        in_order = sorted([*self.latest, *new], key=lambda one: (one.flip.at, one.event_id, one.flip.review_id))
        self.latest = in_order[-MAX_WINDOWS:]

    def evaluate(self, looked_up_ratio: float) -> RingEvidence:
        """Evaluate all sellers; drop the weakest beyond MAX_MEMBERS.

        Args:
            looked_up_ratio: How many times as many flips are expected of looked-up reviews; 1 for a link.
        """
        if self.type == "staff":
            for member in self.members.values():
                expected = looked_up_ratio * max(member.expected, member.expected_long_run)
                member.log_factor = log_client_factor(member.flips, expected) if member.flips else NO_FLIPS
        self._drop_weakest()
        evidence = joint([member.log_factor for member in self.members.values()], self.others)
        self.log_odds, self.log_odds_without = evidence.log_odds, evidence.log_odds_without
        return evidence

    def _drop_weakest(self) -> None:
        in_order = sorted(self.members.items(), key=lambda item: (-item[1].log_factor, -item[1].last_flip_at, item[0]))
        if self.type == "link":
            self.others += len(in_order[MAX_MEMBERS:])
        self.members = dict(in_order[:MAX_MEMBERS])

    def clients(self) -> list[str]:
        """Return the sellers that are more likely clients than not, the strongest first."""
        return [seller_id for seller_id, member in self.members.items() if log_member_odds(member.log_factor) >= 0]

    def stands_without(self, seller_id: str) -> bool:
        """Return whether the group would still be one without a seller: only then it speaks against that seller."""
        others = [member.log_factor for name, member in self.members.items() if name != seller_id]
        return joint(others, self.others).ties_clients()

    def forget_evidence(self, at: float) -> None:
        """Begin anew after a verdict, at `at` (epoch seconds): the flips before count no more."""
        self.members = {seller_id: Member() for seller_id in self.members} if self.type == "link" else {}
        self.latest, self.finding, self.log_odds, self.log_odds_without = [], None, None, None
        self.verdict_at = at

    def evaluated_since(self) -> float:
        """Return the time of the latest verdict in epoch seconds; minus infinity before the first."""
        return -math.inf if self.verdict_at is None else self.verdict_at


def ring_id(connector_type: ConnectorType, connector_id: str) -> str:
    """Return the id of the ring of a connector (32 hex digits)."""
    return hashlib.blake2b(f"{connector_type}\x1f{connector_id}".encode(), digest_size=16).hexdigest()
