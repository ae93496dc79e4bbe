"""What ties sellers, with the evidence on each of them: a staff member who looked their reviews up, or a link.

Invariant: plain values that are encoded as they are. A connector keeps the first MAX_TIED sellers that are reported.
For a staff member flips and expected flips add up; for a link the latest report of a seller counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from stream.core.evidence.rings import MIN_EXPECTED, RingEvidence, joint, prior_share
from stream.core.evidence.staff_level import SellerFlips, over_levels
from stream.core.messages.reports import ClientReport, LinkedReport, ReportedFlip
from stream.core.model.finding import Finding
from stream.core.model.flip_windows import MAX_WINDOWS
from stream.core.rings.seller_totals import SellerTotals

#: The most sellers of a connector; of one with more, the later ones say nothing for or against it. With ids of the
#: greatest length its row stays below Kafka's 1 MiB.
MAX_TIED: Final = 1024
#: The log factor of a seller without flips; a finite number, so that it can be encoded.
NO_FLIPS: Final = -1000.0


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
    #: What joins the factors of a staff member's sellers, see `LevelEvidence`; 0 for a link.
    log_level: float = 0.0
    #: The latest flips of a link's sellers, MAX_WINDOWS at most; a staff member's history has those of its clients.
    latest: list[ReportedFlip] = msgspec.field(default_factory=list)
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

    def add_client(self, report: ClientReport) -> bool:
        """Add what a report says about a seller whose reviews the staff member looked up.

        Returns:
            Whether it counts: beyond MAX_TIED sellers it does not.
        """
        member = self._get_or_add(report.seller_id)
        if member is None:
            return False
        member.add(report.flips, report.expected, report.expected_long_run, report.first_flip_at, report.last_flip_at)
        return True

    def _get_or_add(self, seller_id: str) -> TiedSeller | None:
        """Return a seller; None if there are too many others."""
        if seller_id not in self.members and len(self.members) < MAX_TIED:
            self.members[seller_id] = TiedSeller()
        return self.members.get(seller_id)

    def set_linked(self, report: LinkedReport) -> None:
        """Set what a report says about a linked seller; a window from before a verdict on the ring counts as none."""
        if self._get_or_add(report.seller_id) is None:
            return
        counts = report.flips and report.first_flip_at >= (self.verdict_at or 0.0)
        self.members[report.seller_id] = TiedSeller(
            report.flips,
            report.expected,
            report.expected,
            report.first_flip_at,
            report.last_flip_at,
            report.log_factor if counts else NO_FLIPS,
        )

    def add_latest(self, findings: Iterable[ReportedFlip]) -> None:
        """Add flips of the sellers."""
        by_time = {(one.flip.at, one.seller_id, one.flip.review_id): one for one in (*self.latest, *findings)}
        self.latest = [finding for _, finding in sorted(by_time.items(), key=lambda item: item[0])][-MAX_WINDOWS:]

    def evaluate(self, looked_up: LookedUp | None) -> RingEvidence:
        """Evaluate all sellers.

        Args:
            looked_up: Of a staff member, what is known of all reviews that staff looked up; None for a link.
        """
        if looked_up is not None:
            self._set_log_factors(looked_up)
        evidence = joint([member.log_factor for _, member in sorted(self.members.items())], self.log_level)
        self.log_odds, self.log_odds_without = evidence
        return evidence

    def _set_log_factors(self, looked_up: LookedUp) -> None:
        """Set the log factors of a staff member's sellers."""
        sellers: list[SellerFlips] = []
        flips, expected = looked_up.flips, looked_up.ratio * looked_up.expected
        with_flips = [(seller_id, member) for seller_id, member in sorted(self.members.items()) if member.flips]
        for seller_id, member in with_flips:
            own = looked_up.ratio * max(member.expected, member.expected_long_run)
            level = looked_up.sellers.level_without(member.as_report(seller_id), looked_up.ratio)
            sellers.append(SellerFlips(member.flips, max(level * own, MIN_EXPECTED)))
            flips, expected = flips - member.flips, expected - own
        evidence = over_levels(
            sellers, prior_share(len(self.members)), max(flips, 0), max(expected, 0.0), looked_up.is_accused
        )
        self.log_level = evidence.log_level
        for (_, member), log_factor in zip(with_flips, evidence.log_factors, strict=True):
            member.log_factor = log_factor

    def forget_evidence(self, at: float) -> None:
        """Begin anew after a verdict, at `at` (epoch seconds): the flips before count no more."""
        self.members = {seller_id: TiedSeller() for seller_id in self.members} if self.type == "link" else {}
        self.latest, self.finding, self.log_odds, self.log_odds_without = [], None, None, None
        self.log_level, self.ties_clients, self.verdict_at = 0.0, False, at
