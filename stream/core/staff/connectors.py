"""What ties sellers, with the evidence on each of them: a staff member who looked their reviews up, or a link.

Invariant: plain values that are encoded as they are. A connector keeps MAX_MEMBERS sellers, those with the strongest
evidence, and what the others add. For a staff member flips and expected flips add up; for a link the latest report of a
seller counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from stream.core.evidence.rings import (
    RingEvidence,
    joint,
    log_client_factor,
    log_term,
)
from stream.core.model.finding import Finding
from stream.core.model.flip_windows import MAX_WINDOWS
from stream.core.staff.messages import ClientReport, LinkedReport, StaffFinding
from stream.core.staff.seller_totals import SellerTotals

#: The most sellers of a connector that are kept.
MAX_MEMBERS: Final = 64
#: The log factor of a seller without flips; a finite number, so that it can be encoded.
NO_FLIPS: Final = -1000.0

#: Pseudo-count of the level of a staff member's look-ups: mean 1, standard deviation 1/4, as in the watch on them.
_LEVEL_FLIPS: Final = 16.0


ConnectorType = Literal["staff", "link"]


class LookedUp(NamedTuple):
    """What is known of the reviews that staff looked up.

    Attributes:
        ratio: How many times as many flips are expected of looked-up reviews.
        flips, expected: Of all reviews that one staff member looked up, not multiplied by the ratio.
        sellers: Of each seller's, over all staff.
        is_accused: Whether a watch or a verdict accuses the staff member of flips of looked-up reviews.
    """

    ratio: float
    flips: int
    expected: float
    sellers: SellerTotals
    is_accused: bool


class TiedSeller(msgspec.Struct, array_like=True, gc=False):
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

    def as_report(self, seller_id: str) -> ClientReport:
        """Return these flips and expected flips as a report of the seller."""
        return ClientReport(
            seller_id, self.flips, self.expected, self.expected_long_run, self.first_flip_at, self.last_flip_at
        )

    def add(self, flips: int, expected: float, expected_long_run: float, first_flip_at: float, last_at: float) -> None:
        """Add flips and expected flips; the times are 0 without flips."""
        self.flips += flips
        self.expected += expected
        self.expected_long_run += expected_long_run
        if flips:
            self.first_flip_at = min(self.first_flip_at or first_flip_at, first_flip_at)
            self.last_flip_at = max(self.last_flip_at, last_at)


class Connector(msgspec.Struct, kw_only=True):
    """What ties some sellers."""

    version: int
    type: ConnectorType
    #: The staff member, or the link.
    connector_id: str
    #: The relation of a link; empty for a staff member.
    relation: str = ""
    members: dict[str, TiedSeller] = msgspec.field(default_factory=dict)
    #: Sellers that are not kept, and the sum of what they add to the joint log odds.
    others: int = 0
    others_term: float = 0.0
    #: The latest flips of a link's sellers, MAX_WINDOWS at most; a staff member's history has those of its clients.
    latest: list[StaffFinding] = msgspec.field(default_factory=list)
    #: The last day (days since 1970-01-01) with a report.
    last_day: int = 0
    #: Natural logs, jointly and without the strongest seller; None before the first evaluation.
    log_odds: float | None = None
    log_odds_without: float | None = None
    #: Whether it ties clients of a broker.
    ties_clients: bool = False
    #: The name of the connector whose ring it is a part of; empty if it is none's.
    part_of: str = ""
    #: The following are of the ring. Since when it is named, and when it fell apart (epoch seconds).
    named_at: float | None = None
    fell_apart_at: float | None = None
    #: When each present member joined (epoch seconds), the strongest first.
    joined_at: dict[str, float] = msgspec.field(default_factory=dict)
    #: The members whose prior odds it moves.
    moved: list[str] = msgspec.field(default_factory=list)
    #: As in `StaffHistory`.
    alerted_at: dict[str, float] = msgspec.field(default_factory=dict)
    finding: Finding | None = None
    verdict_at: float | None = None
    muted_until: float = 0.0
    #: Whether a verdict has confirmed the ring: it raises no alerts until a later verdict or until it has ended.
    confirmed: bool = False

    @property
    def name(self) -> str:
        """The name of the state row."""
        return f"{self.type}/{self.connector_id}"

    @property
    def ring_id(self) -> str:
        """The id of the ring that is named after this connector (32 hex digits)."""
        return hashlib.blake2b(self.name.encode(), digest_size=16).hexdigest()

    @property
    def is_ring(self) -> bool:
        """Whether a ring is named after this connector and has not fallen apart."""
        return self.named_at is not None and self.fell_apart_at is None and not self.part_of

    def add_client(self, report: ClientReport) -> None:
        """Add what a report says about a seller whose reviews the staff member looked up."""
        member = self.members.setdefault(report.seller_id, TiedSeller())
        member.add(report.flips, report.expected, report.expected_long_run, report.first_flip_at, report.last_flip_at)

    def set_linked(self, report: LinkedReport) -> None:
        """Set what a report says about a linked seller; a window from before a verdict on the ring counts as none."""
        counts = report.flips and report.first_flip_at >= (self.verdict_at or 0.0)
        self.members[report.seller_id] = TiedSeller(
            report.flips,
            report.expected,
            report.expected,
            report.first_flip_at,
            report.last_flip_at,
            report.log_factor if counts else NO_FLIPS,
        )

    def add_latest(self, findings: Iterable[StaffFinding]) -> None:
        """Add flips of the sellers."""
        by_time = {(one.flip.at, one.seller_id, one.flip.review_id): one for one in (*self.latest, *findings)}
        self.latest = [finding for _, finding in sorted(by_time.items(), key=lambda item: item[0])][-MAX_WINDOWS:]

    def evaluate(self, looked_up: LookedUp | None) -> RingEvidence:
        """Evaluate all sellers; keep the strongest.

        Args:
            looked_up: Of a staff member, what is known of all reviews that staff looked up; None for a link.
        """
        if looked_up is not None:
            for seller_id, member in self.members.items():
                member.log_factor = _log_factor(member.as_report(seller_id), looked_up)
        in_order = sorted(self.members.items(), key=lambda item: (-item[1].log_factor, -item[1].last_flip_at, item[0]))
        self.members = dict(in_order[:MAX_MEMBERS])
        for _, member in in_order[MAX_MEMBERS:]:
            self.others += 1
            self.others_term += log_term(member.log_factor)
        evidence = joint([member.log_factor for member in self.members.values()], self.others_term)
        self.log_odds, self.log_odds_without = evidence
        return evidence

    def forget_evidence(self, at: float) -> None:
        """Begin anew after a verdict, at `at` (epoch seconds): the flips before count no more."""
        self.members = {seller_id: TiedSeller() for seller_id in self.members} if self.type == "link" else {}
        self.latest, self.finding, self.log_odds, self.log_odds_without = [], None, None, None
        self.ties_clients, self.verdict_at = False, at


def _log_factor(own: ClientReport, looked_up: LookedUp) -> float:
    """Return the log factor of a seller's flips of reviews that a staff member looked up.

    Support that solves more problems than others' has more flips at all sellers, and a seller whose problems are easier
    to solve has more with all staff. So a seller is compared with the staff member's look-ups of all other sellers'
    reviews, and with other staff's look-ups of the same seller's. The former is no excuse of an accused one: too many
    flips at all sellers are the accusation.
    """
    if not own.flips:
        return NO_FLIPS
    expected = max(own.expected, own.expected_long_run)
    others_expected = looked_up.ratio * max(looked_up.expected - expected, 0.0)
    level = max(1.0, (_LEVEL_FLIPS + looked_up.flips - own.flips) / (_LEVEL_FLIPS + others_expected))
    if looked_up.is_accused:
        level = 1.0
    level *= looked_up.sellers.level_without(own, looked_up.ratio)
    return log_client_factor(own.flips, looked_up.ratio * level * expected)
