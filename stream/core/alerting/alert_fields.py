"""From the evidence of a watch to the fields of an alert: numbers, names and times.

Invariant: nothing is evaluated here. Every number in an alert comes from the window that the watch found strongest.
`_evidence` is the only place that builds `Evidence`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final, NamedTuple

from stream.contract.alerts import (
    Contact,
    Evidence,
    EvidencePart,
    Kind,
    Link,
    OtherWatch,
    Payment,
    Point,
    Subject,
    SubjectType,
    TurnedReview,
)
from stream.core.alerting import part_texts
from stream.core.evidence import parts
from stream.core.evidence.evidence import WindowEvidence
from stream.core.model.flips import Flip
from stream.core.model.sums import total
from stream.core.subjects.product_rating import DriftBuffer
from stream.core.subjects.seller import Seller

#: The most review ids, and the most linked subjects, in one alert.
MAX_REVIEW_IDS: Final = 50
MAX_LINKS: Final = 20
#: Odds are cut off here, so that JSON can hold them.
MAX_LOG_ODDS: Final = 300.0


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

    @property
    def log_payment_odds(self) -> float | None:
        """The log of how many times as likely the marks are if the flips were paid for."""
        return None if self.payment is None else total(part.log_odds for part in self.payment)


def flip_evidence(draft: AlertDraft, log_threshold: float) -> Evidence:
    """Return the evidence of a watch on flips or removals; `log_threshold` is the ln R that it had to reach."""
    found = draft.window_evidence
    hours = [flip.contact_hours for flip in draft.flips if flip.contact_hours is not None]
    series = _series(draft.times, found)
    return _evidence(
        draft.flips,
        n_flips=draft.n_flips,
        expected=found.expected,
        log_odds=found.log_odds,
        found=found.parts,
        also=draft.also,
        threshold=math.exp(log_threshold),
        since=min(utc(draft.flips[0].at), series[0].at),  # the window's first flips may be kept no longer
        stars_moved=total(flip.stars for flip in draft.flips),
        median_hours_from_contact=median(hours) if hours else None,
        event_id=draft.event_id,
        series=series,
        linked=draft.linked,
        by_authors=draft.by_authors,
        payment=None if draft.payment is None else _payment(draft.payment),
    )


def _payment(marks: list[parts.Part]) -> Payment:
    return Payment(odds_of(total(part.log_odds for part in marks)), _rendered(marks, by_authors=True))


def _rendered(found: list[parts.Part], by_authors: bool) -> list[EvidencePart]:
    return [EvidencePart(each.name, each.log_odds, part_texts.render(each, by_authors), each.numbers) for each in found]


def rating_shift_evidence(seller: Seller, buffer: DriftBuffer, event_id: str, now: float) -> Evidence:
    """Return the evidence that changed reviews raise a product's rating more than before.

    Args:
        seller: The product's seller; its largest ln R becomes the odds.
        buffer: The product's rating events up to the shift. Its first half is the expectation for its second.
        event_id: The event at which the shift was detected.
        now: Epoch seconds.
    """
    recent = buffer.latest_half()
    raises = [stars for _, _, stars in recent.changes if stars > 0]
    earlier = len([stars for _, _, stars in buffer.changes if stars > 0]) - len(raises)
    since = recent.changes[0][1] if recent.changes else now
    flips = [flip for flip in seller.flips if flip.at >= since]
    return _evidence(
        flips,
        n_flips=len(raises),
        expected=float(earlier),
        log_odds=max(seller.log_odds),
        found=[parts.Part("seller", max(seller.log_odds), {"odds": odds_of(max(seller.log_odds))})],
        also=[],
        threshold=1.0,
        since=utc(since),
        stars_moved=total(raises),
        median_hours_from_contact=None,
        event_id=event_id,
        series=[],
        linked=[Link("seller", seller.seller_id, len(flips))],
        by_authors=True,
    )


def _evidence(
    flips: Sequence[Flip],
    *,
    n_flips: int,
    expected: float,
    log_odds: float,
    found: list[parts.Part],
    also: list[OtherWatch],
    threshold: float,
    since: dt.datetime,
    stars_moved: float,
    median_hours_from_contact: float | None,
    event_id: str,
    series: list[Point],
    linked: list[Link],
    by_authors: bool,
    payment: Payment | None = None,
) -> Evidence:
    """Build the evidence.

    Args:
        found: The parts of `log_odds`.
        by_authors: True if the authors changed the reviews, False if the platform removed them.
        payment: Whether the flips look bought.
    """
    if log_odds > MAX_LOG_ODDS:
        found = [*found, parts.Part("cut_off", MAX_LOG_ODDS - log_odds, {"most": MAX_LOG_ODDS})]
    retracted = len([flip for flip in flips if flip.retracted])
    return Evidence(
        flips=n_flips,
        expected=expected,
        ratio=n_flips / expected if expected else None,
        odds=odds_of(log_odds),
        threshold=threshold,
        also=also,
        since=since,
        stars_moved=stars_moved,
        upgraded=len(flips) - retracted if by_authors else 0,
        retracted=retracted,
        median_hours_from_contact=median_hours_from_contact,
        incentives=len([flip for flip in flips if flip.incentive]),
        parts=_rendered(found, by_authors),
        payment=payment,
        review_ids=[flip.review_id for flip in flips[-MAX_REVIEW_IDS:]],
        reviews=[_turned(flip) for flip in flips[-MAX_REVIEW_IDS:]],
        event_ids=[event_id],
        series=series,
        linked=linked,
    )


def odds_of(log_odds: float) -> float:
    """Return the odds, cut off where JSON could not hold them."""
    return math.exp(min(log_odds, MAX_LOG_ODDS))


def _turned(flip: Flip) -> TurnedReview:
    contact = None
    if flip.contact_hours is not None:
        contact = Contact(flip.contact_hours, flip.channel, flip.incentive_value, flip.currency)
    stars = flip.stars_before, flip.stars_after
    return TurnedReview(
        flip.review_id, flip.product_id, utc(flip.at), *stars, contact, list(flip.actor_ids), flip.incentive
    )


def top_links(kind: SubjectType, names: Iterable[str]) -> list[Link]:
    """Return the subjects that are named most often, once for each flip."""
    counted = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    return [Link(kind, name, count) for name, count in counted[:MAX_LINKS]]


def _series(times: Sequence[float], found: WindowEvidence) -> list[Point]:
    """Return a point for each flip that raised the count of exposed flips, and one for the latest flip."""
    points: list[Point] = []
    for number, (at, (flips, expected)) in enumerate(zip(times, found.series, strict=True), 1):
        if flips > (points[-1].flips if points else 0) or number == len(times):
            points.append(Point(utc(at), round(flips), expected))
    return points


def utc(at: float) -> dt.datetime:
    """Return epoch seconds as a time in UTC."""
    return dt.datetime.fromtimestamp(at, dt.UTC)
