"""Second deliveries, ids that are used again, and files that are fed again: nothing counts twice, nothing is lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from stream.contract.events import AnyEvent
from stream.core.detector import Detector
from stream.core.model.strata import DAY, FOLLOW_UP_SECONDS
from stream.core.state.deduplication import MAX_SEGMENTS, SEGMENT_IDS, DeduplicationResult, Deduplicator
from stream.market import simulate

START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def event(kind: str, event_id: str, at_days: float, **fields: Any) -> AnyEvent:
    ids = {"seller_id": "s", "review_id": "r", "reviewer_id": "u"}
    ids |= {"product_id": "p"} if kind.startswith("review.") else {}
    occurred_at = (START + dt.timedelta(days=at_days)).isoformat()
    document = {"type": kind, "event_id": event_id, "occurred_at": occurred_at, **ids, **fields}
    converted: AnyEvent = msgspec.convert(document, AnyEvent)
    return converted


def life(seller_id: str, ids: Iterable[str], start_days: float = 0) -> list[AnyEvent]:
    """Return the events of a review that flips, in time order."""
    created, edited = ids
    return [
        event("review.created", created, start_days, rating=1, seller_id=seller_id),
        event("review.edited", edited, start_days + 1, rating=5, previous_rating=1, seller_id=seller_id),
    ]


def apply_all(detector: Detector, events: Iterable[AnyEvent]) -> Detector:
    for one in events:
        detector.apply(one, one.occurred_at.timestamp())
    return detector


def flips(detector: Detector) -> int:
    return detector.state.counts["upgraded"] + detector.state.counts["retracted"]


def restored(detector: Detector) -> Detector:
    """Return a detector that was restored from the rows of another one."""
    other = Detector(3, "digest")
    other.rows.restore((key, value) for key, value in detector.rows.changed() if value is not None)
    return other


def forget_ids(detector: Detector) -> None:
    """Let so many events pass that no earlier id is in the window."""
    at = detector.state.clock
    for number in range(SEGMENT_IDS * MAX_SEGMENTS):
        passing = event("outreach.sent", f"passing{number}", 0, channel="message", seller_id="nobody")
        detector.state.deduplicator.add(passing, at)


def test_window_is_bounded_and_survives_a_restore() -> None:
    deduplicator = Deduplicator()
    total = SEGMENT_IDS * MAX_SEGMENTS + 10
    events = [event("outreach.sent", str(number), number / 1e6, channel="message") for number in range(total)]

    def delivery(target: Deduplicator, one: AnyEvent) -> DeduplicationResult:
        return target.add(one, one.occurred_at.timestamp())

    assert {delivery(deduplicator, one) for one in events} == {DeduplicationResult.NEW}
    assert delivery(deduplicator, events[-1]) is DeduplicationResult.REPEATED
    assert delivery(deduplicator, events[SEGMENT_IDS]) is DeduplicationResult.REPEATED
    assert delivery(deduplicator, events[0]) is DeduplicationResult.NEW  # the oldest segment was overwritten
    other = Deduplicator()
    for name in deduplicator.changed:
        other.load(name, deduplicator.row(name))
    other.finish_load(deduplicator.count)
    assert delivery(other, events[-1]) is DeduplicationResult.REPEATED
    assert delivery(other, events[0]) is DeduplicationResult.REPEATED


@pytest.mark.parametrize("restore", [False, True])
def test_second_delivery_of_an_event_is_dropped(restore: bool) -> None:
    detector = apply_all(Detector(3, "digest"), life("s", "12"))
    detector = restored(detector) if restore else detector
    apply_all(detector, life("s", "12"))
    assert detector.state.counts == {"applied": 2, "upgraded": 1, "duplicate": 2}


def test_ids_may_be_unique_for_each_type_only() -> None:
    """For example the keys of three tables."""
    events = [
        event("review.created", "1", 0, rating=1),
        event("outreach.sent", "1", 0, channel="refund"),
        event("contact.accessed", "1", 0, actor_id="a"),
        event("review.edited", "1", 1, rating=4),
    ]
    detector = apply_all(Detector(3, "digest"), events)
    assert detector.state.counts == {"applied": 4, "upgraded": 1}


def test_ids_of_events_and_reviews_may_be_unique_for_each_seller_only() -> None:
    """For example the keys of two marketplaces. Both exports have days and no times of day."""
    events = sorted(life("s1", "12") + life("s2", "12"), key=lambda one: one.occurred_at)
    detector = apply_all(Detector(3, "digest"), events)
    assert detector.state.counts == {"applied": 4, "upgraded": 2}
    found = [flip.review_id for seller in ("s1", "s2") for flip in detector.state.sellers[seller].flips]
    assert found == ["r", "r"]


@pytest.mark.parametrize("restore", [False, True])
def test_ids_may_be_unique_for_each_review_only(restore: bool) -> None:
    """For example the number of a batch job, whose events have the job's day as their time."""
    fields = {"reviewer_id": "u2", "review_id": "other"}
    events = [
        event("review.created", "job", 0, rating=1),
        event("review.created", "job", 0, rating=1, **fields),
        event("contact.accessed", "job", 0, actor_id="a"),
        event("contact.accessed", "job", 0, actor_id="a", **fields),
        event("review.deleted", "job", 1, deleted_by="author"),
        event("review.deleted", "job", 1, deleted_by="author", **fields),
    ]
    detector = apply_all(Detector(3, "digest"), events)
    assert detector.state.counts == {"applied": 6, "retracted": 2}
    detector = restored(detector) if restore else detector
    apply_all(detector, events)
    assert detector.state.counts == {"applied": 6, "retracted": 2, "duplicate": 6}


def test_outreach_without_a_review_is_about_its_reviewer() -> None:
    """For example a campaign, which has one id for all its messages; a reviewer may have the id of a review."""
    events = [
        event("outreach.sent", "campaign", 0, channel="message", review_id=review_id, reviewer_id=reviewer_id)
        for review_id, reviewer_id in ((None, "u1"), (None, "u2"), ("u1", "u3"))
    ]
    detector = apply_all(Detector(3, "digest"), [*events, *events])
    assert (detector.state.counts["applied"], detector.state.counts["duplicate"]) == (3, 3)


def test_rows_of_identities_hold_no_ids() -> None:
    """The reviewer may ask for erasure, which deletes no such row."""
    deduplicator = Deduplicator()
    deduplicator.add(event("outreach.sent", "campaign", 0, channel="message", review_id=None, reviewer_id="user"), 0.0)
    assert b"user" not in deduplicator.row("0")


def test_an_id_that_is_used_again_is_counted_and_its_event_applied() -> None:
    again = event("review.edited", "2", 2, rating=4, previous_rating=5)
    detector = apply_all(Detector(3, "digest"), [*life("s", "12"), again])
    assert detector.state.counts == {"applied": 3, "upgraded": 1, "event_id_used_again": 1}


@pytest.mark.parametrize("restore", [False, True])
@pytest.mark.parametrize("end", ["upgraded", "retracted", "removed"])
def test_events_of_a_closed_review_count_once_even_without_their_ids(end: str, restore: bool) -> None:
    last = {
        "upgraded": event("review.edited", "2", 1, rating=5),
        "retracted": event("review.deleted", "2", 1, deleted_by="author"),
        "removed": event("review.deleted", "2", 1, deleted_by="platform", actor_id="m"),
    }[end]
    events = [event("review.created", "1", 0, rating=1), last, event("review.created", "3", 9, rating=1, review_id="x")]
    detector = apply_all(Detector(3, "digest"), events)
    forget_ids(detector)
    detector = restored(detector) if restore else detector
    apply_all(detector, events)
    assert detector.state.counts == {"applied": 6, end: 1, "repeated_change": 2, "known_review": 1}
    assert [review.review_id for review in detector.state.reviews.values()] == ["x"]
    assert detector.state.products["p"].events == 3


def test_a_review_may_turn_critical_again_and_flip_again() -> None:
    events = [
        *life("s", "12"),
        event("review.edited", "3", 2, rating=1, previous_rating=5),
        event("review.edited", "4", 3, rating=4, previous_rating=1),
    ]
    detector = apply_all(Detector(3, "digest"), events)
    assert flips(detector) == 2
    forget_ids(detector)
    apply_all(detector, events)
    assert flips(detector) == 2


@pytest.mark.slow
def test_a_market_that_is_fed_again_gives_no_further_flips_and_alerts() -> None:
    lines = simulate.market("bribes", 5, 60, 150)[0]
    events = [msgspec.convert(fields, AnyEvent) for fields in lines]
    detector = apply_all(Detector(1000, "digest"), events)
    found = flips(detector)
    assert found > 300
    alerted_at = {name: dict(seller.alerted_at) for name, seller in detector.state.sellers.items()}
    assert any(alerted_at.values())
    forget_ids(detector)
    for one in events:
        for alert in detector.apply(one, one.occurred_at.timestamp(), late=True):
            assert alert.kind == "product.rating_shift"  # the displayed rating counts reviews that are not critical
    assert flips(detector) == found
    assert {name: seller.alerted_at for name, seller in detector.state.sellers.items()} == alerted_at


def test_closed_reviews_are_forgotten_after_the_follow_up_time() -> None:
    detector = apply_all(Detector(3, "digest"), life("s", "12"))
    assert list(detector.state.closed_reviews.names()) == ["s r"]
    later = FOLLOW_UP_SECONDS / DAY + 62
    apply_all(detector, [event("outreach.sent", "9", later, channel="message", seller_id="t")])
    assert not list(detector.state.closed_reviews.names())
    apply_all(detector, life("s", "34"))  # too old to be added
    assert flips(detector) == 1
