"""From the evidence of a watch to the fields of an alert: numbers, names and times.

Invariant: nothing is evaluated here. Every number in an alert comes from the window that the watch found strongest.
`_evidence` is the only place that builds `Evidence`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from statistics import median
from typing import Final

from stream.contract.alerts import (
    Contact,
    Evidence,
    EvidencePart,
    Kind,
    Link,
    LookUp,
    OtherWatch,
    Payment,
    Point,
    ProductEffect,
    Ring,
    SubjectType,
    TurnedReview,
)
from stream.core.alerting import part_texts
from stream.core.alerting.alert_draft import AlertDraft
from stream.core.alerting.product_effects import product_effects
from stream.core.evidence import parts
from stream.core.evidence.evidence import WindowEvidence
from stream.core.evidence.watches import SELLER_WATCHES
from stream.core.model.flips import Flip
from stream.core.model.sums import total
from stream.core.subjects.product_rating import DriftBuffer
from stream.core.subjects.seller import Seller

#: The most review ids, and the most linked subjects, in one alert.
MAX_REVIEW_IDS: Final = 50
MAX_LINKS: Final = 20
#: Odds are cut off here, so that JSON can hold them.
MAX_LOG_ODDS: Final = 300.0


def flip_evidence(draft: AlertDraft, log_threshold: float) -> Evidence:
    """Return the evidence of a watch on flips or removals; `log_threshold` is the ln R that it had to reach."""
    found = draft.window_evidence
    hours = [flip.contact_hours for flip in draft.flips if flip.contact_hours is not None]
    series = _series(draft.times, found) if found.series else []
    return _evidence(
        draft.flips,
        sellers=draft.sellers,
        ring=draft.ring,
        n_flips=draft.n_flips,
        expected=found.expected,
        log_odds=found.log_odds,
        found=found.parts,
        also=draft.also,
        threshold=math.exp(log_threshold),
        # The window's first flips may be kept no longer.
        since=min(utc(draft.flips[0].at), series[0].at if series else utc(draft.times[0])),
        stars_moved=total(flip.stars for flip in draft.flips),
        median_hours_from_contact=median(hours) if hours else None,
        event_id=draft.event_id,
        series=series,
        linked=draft.linked,
        by_authors=draft.by_authors,
        payment=None if draft.payment is None else _payment(draft.payment),
        products=[] if draft.ratings is None else product_effects(draft.flips, draft.ratings),
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
    numbers: dict[str, float] = {
        watch.kind: odds_of(log_odds) for watch, log_odds in zip(SELLER_WATCHES, seller.log_odds, strict=True)
    }
    numbers |= {
        "odds": odds_of(max(seller.log_odds)),
        "raises": float(len(raises)),
        "events": float(recent.length),
        "earlier_raises": float(earlier),
        "earlier_events": float(buffer.length - recent.length),
        "stars": total(raises),
        "seller_flips": float(len(flips)),
    }
    return _evidence(
        flips,
        n_flips=len(raises),
        expected=float(earlier),
        log_odds=max(seller.log_odds),
        found=[parts.Part("seller", max(seller.log_odds), numbers)],
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
    products: Sequence[ProductEffect] = (),
    sellers: Sequence[str] = (),
    ring: Ring | None = None,
) -> Evidence:
    """Build the evidence.

    Args:
        found: The parts of `log_odds`.
        by_authors: True if the authors changed the reviews, False if the platform removed them.
        payment: Whether the flips look bought.
        products: What the flips do to displayed ratings.
        sellers: The seller of each flip, if the alert is about several.
        ring: The ring that the alert is about.
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
        reviews=[
            _turned(flip, seller_id)
            for flip, seller_id in zip_longest(flips[-MAX_REVIEW_IDS:], sellers[-MAX_REVIEW_IDS:])
        ],
        event_ids=[event_id],
        series=series,
        linked=linked,
        products=[*products],
        ring=ring,
    )


def odds_of(log_odds: float) -> float:
    """Return the odds, cut off where JSON could not hold them."""
    return math.exp(min(log_odds, MAX_LOG_ODDS))


def _turned(flip: Flip, seller_id: str | None) -> TurnedReview:
    contact = None
    if flip.contact_hours is not None:
        contact = Contact(flip.contact_hours, flip.channel, flip.incentive_value, flip.currency)
    # Flips that an earlier version kept name the staff without the times of the look-ups.
    look_ups = [LookUp(actor, *look_up) for actor, look_up in zip(flip.actor_ids, flip.look_ups, strict=False)]
    return TurnedReview(
        review_id=flip.review_id,
        product_id=flip.product_id,
        at=utc(flip.at),
        stars_before=flip.stars_before,
        stars_after=flip.stars_after,
        contact=contact,
        looked_up_by=list(flip.actor_ids),
        value_offered=flip.incentive,
        written_at=utc(flip.created_at) if flip.creation_seen else None,
        look_ups=look_ups,
        seller_id=seller_id,
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


def other_watches(watches: Iterable[tuple[Kind, float | None]], reported: Kind) -> list[OtherWatch]:
    """Return the other watches whose odds are at least even."""
    return [
        OtherWatch(kind, odds_of(log_odds))
        for kind, log_odds in watches
        if kind != reported and log_odds is not None and log_odds >= 0
    ]
