"""A platform's own past, with labels that can be permuted among comparable reviews.

Invariant: a permutation changes which seller a review belongs to, who looked it up and who removed it, and nothing
else. Sellers and lookers-up change places among reviews of the same stars in the same calendar month (UTC), removers
among all removals of a month. So every subject keeps its number of reviews of each kind.

Reviews that were never critical cannot flip and are left out, except removals by the platform, with which removals of
critical reviews are compared. Outreach without a review becomes one event for each review that its reviewer has written
for its seller by then. An event that names another seller than the review's first event is left out, as in the core.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np

from stream.config import Settings
from stream.contract.events import (
    CRITICAL_STARS,
    STREAMS,
    ContactAccessed,
    Event,
    OutreachSent,
    ReviewCreated,
    ReviewDeleted,
    ReviewEdited,
    SellerEvent,
)
from stream.intake.intake import Intake
from stream.intake.refusal import Refused
from stream.ops.event_files import head, lines, stream_of

#: The stream of each event type, which orders events of the same time.
_RANK: Final = {kind: rank for rank, kinds in enumerate(STREAMS.values()) for kind in kinds}


class ReviewStratum(NamedTuple):
    """Reviews whose labels may change places: stars, year and month of their first event; stars are 0 for removals."""

    stars: int
    year: int
    month: int


class ReviewHistory:
    """A review as its first event described it; `number` counts the critical reviews, None for one never critical."""

    __slots__ = ("number", "seller_id", "stratum")

    def __init__(self, seller_id: str, stratum: ReviewStratum) -> None:
        self.seller_id = seller_id
        self.stratum = stratum
        self.number: int | None = None


class ReviewEvent(NamedTuple):
    """An event of a review, and its time (epoch seconds)."""

    at: float
    review: ReviewHistory
    event: SellerEvent


def read(settings: Settings, source: str) -> tuple[list[tuple[float, Event]], int]:
    """Return a file's events in the order of event time, all in memory, and the number of refused lines."""
    intake, refused = Intake(settings, partitions=1), 0
    found: list[tuple[float, int, int, Event]] = []
    with lines(source) as file:
        for raw in file:
            line = raw.rstrip(b"\r\n")
            if not line:
                continue
            try:
                event = intake.read(stream_of(head(line).type), line)
                at = intake.check_time(event, time.time())
            except Refused:
                refused += 1
            else:
                found.append((at, _RANK[type(event)], len(found), event))
    found.sort()
    return [(at, event) for at, _, _, event in found], refused


class History:
    """The events of a file's critical reviews.

    Args:
        events: Times (epoch seconds) and events, in the order of time.

    Attributes:
        review_events: Events of reviews that are or become critical, and removals of others, in the order of time.
        sellers, strata: Seller and stratum of each critical review.
    """

    def __init__(self, events: Iterable[tuple[float, SellerEvent]]) -> None:
        review_events, reviews = _group_by_review(events)
        self.review_events = [
            each for each in review_events if each.review.number is not None or _removes_uncritical(each.event)
        ]
        self.sellers = [review.seller_id for review in reviews]
        self.strata = [review.stratum for review in reviews]
        self._places_of_sellers = _places_by_stratum(self.strata)
        #: For each review event its staff member, if any, and the stratum within which staff change places.
        self._staff = [_staff_and_stratum(each) for each in self.review_events]
        staff = [each for each in self._staff if each is not None]
        self._actors = [actor_id for actor_id, _ in staff]
        self._places_of_actors = _places_by_stratum([stratum for _, stratum in staff])

    def comparable(self) -> float:
        """Return the share of critical reviews whose stratum has reviews of more than one seller."""
        movable = sum(
            len(places) for places in self._places_of_sellers if len({self.sellers[place] for place in places}) > 1
        )
        return movable / max(len(self.sellers), 1)

    def permuted(self, random: np.random.Generator) -> Iterator[tuple[float, SellerEvent]]:
        """Yield times and events with sellers permuted among reviews, and staff among look-ups and among removals."""
        sellers = _shuffle(self.sellers, self._places_of_sellers, random)
        actors = iter(_shuffle(self._actors, self._places_of_actors, random))
        for (at, review, event), staff in zip(self.review_events, self._staff, strict=True):
            seller_id = event.seller_id if review.number is None else sellers[review.number]
            if staff is not None:
                yield at, msgspec.structs.replace(event, seller_id=seller_id, actor_id=next(actors))
            elif event.seller_id != seller_id:
                yield at, msgspec.structs.replace(event, seller_id=seller_id)
            else:
                yield at, event


def _group_by_review(events: Iterable[tuple[float, SellerEvent]]) -> tuple[list[ReviewEvent], list[ReviewHistory]]:
    """Return each event with its review, and the reviews that were critical at some time."""
    reviews: dict[str, ReviewHistory] = {}
    of_reviewer: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    review_events: list[ReviewEvent] = []
    critical: list[ReviewHistory] = []
    for at, event in events:
        if isinstance(event, ReviewCreated | ReviewEdited):
            review = reviews.get(event.review_id)
            if review is None:
                when = event.occurred_at.astimezone(dt.UTC)
                stratum = ReviewStratum(event.rating, when.year, when.month)
                review = reviews[event.review_id] = ReviewHistory(event.seller_id, stratum)
                of_reviewer[event.seller_id, event.reviewer_id].append(event.review_id)
            if event.rating <= CRITICAL_STARS and review.number is None and review.seller_id == event.seller_id:
                review.number = len(critical)
                critical.append(review)
        for review_id, copy in _by_review(event, of_reviewer):
            review = reviews.get(review_id)
            if review is not None and review.seller_id == event.seller_id:
                review_events.append(ReviewEvent(at, review, copy))
    return review_events, critical


def _by_review(event: SellerEvent, of_reviewer: dict[tuple[str, str], list[str]]) -> Iterator[tuple[str, SellerEvent]]:
    """Yield the reviews that an event concerns, each with a copy of the event.

    An event type without a review is no label of a review and is left out.
    """
    review_id: str | None = getattr(event, "review_id", None)
    if review_id is not None:
        yield review_id, event
    elif isinstance(event, OutreachSent):
        # One copy for each review: a permutation may give two reviews of one reviewer to a seller that contacted the
        # author of only one of them.
        for number, concerned in enumerate(of_reviewer.get((event.seller_id, event.reviewer_id), ())):
            event_id = f"{event.event_id}/{number}"
            yield concerned, msgspec.structs.replace(event, review_id=concerned, event_id=event_id)


def _removes_uncritical(event: SellerEvent) -> bool:
    if not isinstance(event, ReviewDeleted) or event.deleted_by != "platform":
        return False
    return event.rating is not None and event.rating > CRITICAL_STARS


def _staff_and_stratum(review_event: ReviewEvent) -> tuple[str, ReviewStratum] | None:
    """Return the staff member who looks a review up or removes it, and the stratum of the look-up or removal.

    Removals of a month form one stratum: whether to remove critical reviews is what a remover chooses.
    """
    event = review_event.event
    if isinstance(event, ContactAccessed):
        return event.actor_id, review_event.review.stratum
    if isinstance(event, ReviewDeleted) and event.deleted_by == "platform" and event.actor_id is not None:
        when = event.occurred_at.astimezone(dt.UTC)
        return event.actor_id, ReviewStratum(0, when.year, when.month)
    return None


def _places_by_stratum(strata: list[ReviewStratum]) -> list[list[int]]:
    """Return the positions of each stratum."""
    places: defaultdict[ReviewStratum, list[int]] = defaultdict(list)
    for place, stratum in enumerate(strata):
        places[stratum].append(place)
    return list(places.values())


def _shuffle(names: list[str], strata: list[list[int]], random: np.random.Generator) -> list[str]:
    """Return the names, permuted within each stratum."""
    shuffled = list(names)
    for places in strata:
        for place, other in zip(places, random.permutation(len(places)).tolist(), strict=True):
            shuffled[place] = names[places[other]]
    return shuffled
