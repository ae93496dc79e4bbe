"""What a watch found about a subject, before it becomes an alert.

Invariant: a draft that is not reported costs little: what only an alert needs is found when the draft is rendered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stream.contract.alerts import Kind, Link, OtherWatch, Ring, Subject
from stream.core.evidence import parts
from stream.core.evidence.evidence import WindowEvidence
from stream.core.model.flips import Flip
from stream.core.model.sums import total
from stream.core.subjects.product_rating import ProductRating


class AlertDraft(NamedTuple):
    """What a watch found about a subject, before it is rendered.

    Attributes:
        n_flips: Flips in the strongest window that the subject may be accused of.
        flips: The latest of them, as many as the state keeps.
        linked: Other subjects that these flips belong to.
        times: Times of all flips of the window (epoch seconds), one for each point of `window_evidence.series`.
        event_id: The event that triggered the alert.
        at: When the alert is raised (epoch seconds).
        patterns: Scores of river's models.
        by_authors: True if the authors changed the reviews, False if the platform removed them.
        also: Other watches on the subject whose odds are at least even.
        payment: What each mark of payment adds; None if the flips are no changes by authors.
        n_linked: Flips whose reviews were looked up by staff accused over other sellers.
        confirmed: Whether a verdict has confirmed the seller as a cheat.
        n_extorted: Flips by reviewers who are named for turning a large part of their critical reviews.
        ratings: The products of the seller's task; None if the alert is not about a seller.
        ring: The ring that the alert is about.
        sellers: Of an alert about a ring, the seller of each flip.
    """

    kind: Kind
    subject: Subject
    n_flips: int
    flips: list[Flip]
    linked: list[Link]
    times: Sequence[float]
    window_evidence: WindowEvidence
    event_id: str
    at: float
    patterns: dict[str, float]
    by_authors: bool
    also: list[OtherWatch]
    payment: list[parts.Part] | None
    n_linked: int = 0
    confirmed: bool = False
    n_extorted: int = 0
    ratings: Mapping[str, ProductRating] | None = None
    ring: Ring | None = None
    sellers: Sequence[str] = ()

    @property
    def log_payment_odds(self) -> float | None:
        """The log of how many times as likely the marks are if the flips were paid for."""
        return None if self.payment is None else total(part.log_odds for part in self.payment)
