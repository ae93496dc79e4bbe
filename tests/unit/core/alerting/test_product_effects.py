"""What an alert says of its reviews and products, with events in and alerts out."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from stream.contract.alerts import Alert, LookUp, ProductEffect, SubjectType, TurnedReview
from stream.contract.events import AnyEvent, ReviewCreated, ReviewDeleted, ReviewEdited
from stream.core.alerting.product_effects import MAX_PRODUCTS, product_effects
from stream.core.detector import Detector
from stream.core.evidence.watches import SELLER_WATCHES
from stream.core.state import codec
from stream.market import simulate

_START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
#: So large that the threshold is at even odds and few flips raise an alert.
_BUDGET = 1000.0


def _event(
    kind: str, hours: float, review_id: str, product_id: str = "p1", seller_id: str = "s", **more: Any
) -> AnyEvent:
    document = {
        "type": kind, "event_id": f"{kind}/{seller_id}/{review_id}/{hours}", "seller_id": seller_id,
        "occurred_at": (_START + dt.timedelta(hours=hours)).isoformat(), "review_id": review_id,
        "reviewer_id": f"u/{review_id}",
    }  # fmt: skip
    if kind.startswith("review."):
        document["product_id"] = product_id
    converted: AnyEvent = msgspec.convert(document | more, AnyEvent)
    return converted


def _written(hours: float, review_id: str, rating: int = 1, product_id: str = "p1", seller_id: str = "s") -> AnyEvent:
    return _event("review.created", hours, review_id, product_id, seller_id, rating=rating)


def _upgraded(day: float, review_id: str, rating: int = 5, product_id: str = "p1", before: int = 1) -> AnyEvent:
    return _event("review.edited", 24 * day, review_id, product_id, rating=rating, previous_rating=before)


def _deleted(day: float, review_id: str, product_id: str = "p1") -> AnyEvent:
    return _event("review.deleted", 24 * day, review_id, product_id, deleted_by="author")


def _looked_up(day: float, review_id: str, actor_id: str, purpose: str | None = None) -> AnyEvent:
    return _event("contact.accessed", 24 * day, review_id, actor_id=actor_id, purpose=purpose)


def _reviews(*ratings: int, product_id: str = "p1") -> list[AnyEvent]:
    """Reviews of the seller with these stars: p1/0, p1/1 and so on, half an hour between two."""
    return [_written(24 + n / 2, f"{product_id}/{n}", rating, product_id) for n, rating in enumerate(ratings)]


def _peers() -> list[AnyEvent]:
    """Critical reviews of other sellers that stay as they are."""
    return [_written(n / 400, f"r{n}", 1, f"other{n % 40}", f"other{n % 40}") for n in range(400)]


def _apply(detector: Detector, events: Iterable[AnyEvent], about: SubjectType = "seller") -> list[Alert]:
    """Apply events in order of time; return the alerts about subjects of this type."""
    in_order = sorted(events, key=lambda event: event.occurred_at)
    found = [alert for event in in_order for alert in detector.apply(event, event.occurred_at.timestamp())]
    return [alert for alert in found if alert.subject.type == about]


def _alert(events: Iterable[AnyEvent]) -> Alert:
    """Return the only alert of the seller's events among those of its peers."""
    (alert,) = _apply(Detector(_BUDGET, "digest"), [*_peers(), *events])
    return alert


def _reviews_of(alert: Alert) -> dict[str, TurnedReview]:
    return {review.review_id: review for review in alert.evidence.reviews}


def test_upgraded_reviews_go_back_to_their_stars_before() -> None:
    upgrades = [_upgraded(60, "p1/0"), _upgraded(61, "p1/1"), _upgraded(62, "p1/2", 4, before=2), _upgraded(63, "p1/3")]
    alert = _alert([*_reviews(1, 1, 2, 3, 5, 5), *upgrades])
    # Displayed: 5 5 4 5 5 5; without: 1 1 2 3 5 5. The rating that the platform names before an edit does not count.
    assert alert.evidence.products == [ProductEffect("p1", 4, 6, 29 / 6, 17 / 6)]
    assert alert.evidence.stars_moved == 4 + 4 + 2 + 2


def test_deleted_reviews_come_back_with_their_stars() -> None:
    alert = _alert([*_reviews(1, 2, 5, 5), _deleted(60, "p1/0"), _deleted(61, "p1/1")])
    assert alert.evidence.products == [ProductEffect("p1", 2, 2, 5.0, 13 / 4)]
    assert alert.evidence.stars_moved == (13 / 4 - 1) + (
        12 / 3 - 2
    )  # the displayed rating just before, minus its stars


def test_a_product_whose_reviews_are_all_deleted_has_no_rating() -> None:
    alert = _alert([*_reviews(1, 2), _deleted(60, "p1/0"), _deleted(61, "p1/1")])
    assert alert.evidence.products == [ProductEffect("p1", 2, 0, None, 1.5)]


def test_a_product_with_both_comes_before_one_with_fewer_flips() -> None:
    flips = [_upgraded(60, "p2/0", product_id="p2"), _upgraded(61, "p1/0"), _deleted(62, "p1/1")]
    other_events = [_written(40, "p3/0", 1, "p3"), _written(24 * 70, "p1/late", 5)]
    alert = _alert([*_reviews(1, 3, 5), *_reviews(1, 1, product_id="p2"), *other_events, *flips])
    # p1 displays 5 5, without the flips 1 3 5; the review after the alert does not count, nor does a product as it was.
    assert alert.evidence.products == [ProductEffect("p1", 2, 2, 5.0, 3.0), ProductEffect("p2", 1, 2, 3.0, 1.0)]


def test_of_a_review_that_turned_twice_the_latest_flip_is_undone() -> None:
    twice = [_upgraded(60, "p1/0"), _upgraded(61, "p1/0", 2, before=5), _upgraded(63, "p1/0", 4, before=2)]
    alert = _alert([*_reviews(*[1] * 8), *twice, *(_deleted(64 + number, f"p1/{number}") for number in (1, 2, 3))])
    assert [review.review_id for review in alert.evidence.reviews] == ["p1/0", "p1/0", "p1/1", "p1/2", "p1/3"]
    assert alert.evidence.products == [ProductEffect("p1", 5, 5, 8 / 5, 9 / 8)]  # 4 1 1 1 1, without: 2 and seven 1


def test_a_product_is_left_out_if_its_sums_are_not_those_of_reviews() -> None:
    """Reviews from before the task began are upgraded: their stars are counted, and they are not."""
    unseen = [_upgraded(30, f"unseen{number}", before=1) for number in range(4)]
    flips = [_upgraded(60, "p2/0", product_id="p2"), _upgraded(61, "p1/0"), _deleted(62, "p1/1")]
    alert = _alert([*_reviews(1, 1), *_reviews(1, 1, product_id="p2"), *unseen, *flips])
    assert [effect.product_id for effect in alert.evidence.products] == ["p2"]
    assert {review.product_id for review in alert.evidence.reviews} == {"p1", "p2"}


def test_a_product_is_left_out_if_it_is_not_kept_and_others_up_to_a_limit_follow() -> None:
    detector = Detector(_BUDGET, "digest")
    names = [f"p{number:02}" for number in range(MAX_PRODUCTS + 5)]
    _apply(detector, [event for name in names for event in _reviews(1, 1, product_id=name)])
    turned = [_upgraded(60, f"{name}/0", product_id=name) for name in reversed(names)]
    _apply(detector, [*turned, _upgraded(61, "p24/1", product_id="p24")])
    state = detector.state
    (gone, *others) = names
    del state.products[gone]
    effects = product_effects(state.sellers["s"].flips, state.products)
    assert [effect.product_id for effect in effects] == ["p24", *others][:MAX_PRODUCTS]
    assert [effect.flips for effect in effects] == [2, *[1] * (MAX_PRODUCTS - 1)]


def test_look_ups_name_staff_time_and_purpose() -> None:
    look_ups = [
        _looked_up(20, "p1/0", "expired", "a ticket"),
        _looked_up(58, "p1/0", "ann", "a ticket"),
        _looked_up(59, "p1/0", "bob"),
        _looked_up(59.5, "p1/0", "ann", "another ticket"),
        _looked_up(60.5, "p1/0", "late"),
        _looked_up(60, "p1/1", "bob", ""),
    ]
    alert = _alert([*_reviews(1, 1, 1), *look_ups, _deleted(60, "p1/0"), _deleted(61, "p1/1"), _deleted(62, "p1/2")])
    turned = _reviews_of(alert)
    assert turned["p1/0"].looked_up_by == ["bob", "ann"]
    assert turned["p1/0"].look_ups == [LookUp("bob", 24.0, False), LookUp("ann", 12.0, True)]
    assert turned["p1/1"].look_ups == [LookUp("bob", 24.0, False)]


def test_a_review_says_when_it_was_written_if_that_was_seen() -> None:
    unseen = _event("review.edited", 24 * 30, "unseen", rating=1, previous_rating=5)
    overtaken = [_event("review.edited", 24 * 31, "overtaken", rating=2), _written(24 * 29, "overtaken", 1)]
    detector = Detector(_BUDGET, "digest")
    assert _apply(detector, [*_peers(), *_reviews(1, 1), unseen]) == []
    for event in overtaken:  # the edit came first
        assert detector.apply(event, event.occurred_at.timestamp()) == []
    flips = [_upgraded(60, "unseen"), _upgraded(61, "overtaken"), _upgraded(62, "p1/0"), _deleted(63, "p1/1")]
    (alert,) = _apply(detector, flips)
    turned = _reviews_of(alert)
    assert turned["p1/0"].written_at == _START + dt.timedelta(hours=24)
    assert turned["overtaken"].written_at == _START + dt.timedelta(days=29)
    assert turned["unseen"].written_at is None


def test_the_part_of_a_rating_shift_follows_from_its_numbers() -> None:
    critical = [_written(24 * (10 + number), f"p1/{number}") for number in range(60)]
    others = [_written(24 * (10.5 + number), f"p1/good{number}", 5) for number in range(60)]
    raised = [_upgraded(75, "p1/good0", before=4), _upgraded(75.5, "p1/good1", 4, before=5)]  # no flips, one of them up
    flips = [_upgraded(80 + number / 4, f"p1/{number}") for number in range(60)]
    events = [*_peers(), *critical, *others, *raised, *flips]
    (alert,) = _apply(Detector(_BUDGET, "digest"), events, about="product")
    evidence = alert.evidence
    (part,) = evidence.parts
    numbers = part.numbers
    assert math.exp(part.log_odds) == pytest.approx(numbers["odds"]) == evidence.odds
    assert numbers["odds"] == max(numbers[watch.kind] for watch in SELLER_WATCHES) == numbers["seller.flips"]
    assert (numbers["raises"], numbers["earlier_raises"]) == (evidence.flips, evidence.expected)
    assert numbers["events"] + numbers["earlier_events"] == alert.patterns["adwin_width"]
    assert numbers["stars"] == evidence.stars_moved
    assert numbers["seller_flips"] == evidence.linked[0].flips == evidence.upgraded
    assert "(seller.flips)" in part.text
    assert f"{evidence.flips} of the product's latest {numbers['events']:.0f} rating events" in part.text
    assert evidence.products == []
    assert 0 < numbers["seller_flips"] <= evidence.flips


def _older(key: bytes, value: bytes) -> bytes:
    """Return a row as versions before `look_ups` and `creation_seen` wrote it."""
    fields = msgspec.msgpack.decode(value)
    if key[:2] == codec.FLIP:
        fields[-1] = fields[-1][:-2]
    elif key[:2] == codec.REVIEW:
        fields = fields[:-1]
    return msgspec.msgpack.encode(fields)


def test_rows_of_earlier_versions_are_read_and_lack_the_times() -> None:
    first = Detector(_BUDGET, "digest")
    look_ups = [_looked_up(59, "p1/0", "ann"), _looked_up(59, "p1/1", "bob")]
    assert _apply(first, [*_peers(), *_reviews(1, 1, 1), *look_ups, _deleted(60, "p1/0")]) == []
    rows = {key: value for key, value in first.rows.changed() if value is not None}
    older = {key: _older(key, value) for key, value in rows.items()}
    assert {key[:2] for key in rows if older[key] != rows[key]} == {codec.FLIP, codec.REVIEW}
    second = Detector(_BUDGET, "digest")
    second.rows.restore(older.items())
    flips = [_deleted(61, "p1/1"), _written(24 * 61.5, "p1/new"), _upgraded(62, "p1/new")]
    (by_first,), (by_second,) = _apply(first, flips), _apply(second, flips)
    assert by_second.alert_id == by_first.alert_id
    kept, open_then = by_second.evidence.reviews
    assert (kept.looked_up_by, kept.look_ups, kept.written_at) == (["ann"], [], None)
    assert (open_then.look_ups, open_then.written_at) == ([LookUp("bob", 48.0, False)], None)
    assert by_second.evidence.products == by_first.evidence.products


def _displayed(shown: dict[tuple[str, str], tuple[str, int]], product_id: str) -> tuple[int, float | None]:
    stars = [rating for product, rating in shown.values() if product == product_id]
    return len(stars), sum(stars) / len(stars) if stars else None


@pytest.mark.parametrize(("scenario", "seed"), [("bribes", 3), ("access", 5)])
def test_products_agree_with_all_reviews_that_are_displayed(scenario: str, seed: int) -> None:
    """The sums of products and their effects, against a list of every displayed review.

    Every edit names the rating before it: the task keeps none of a review that is not critical.
    """
    detector, shown = Detector(_BUDGET, "digest"), dict[tuple[str, str], tuple[str, int]]()
    effects = 0
    for line in simulate.simulate(scenario, seed, 60, 150).lines:
        event: AnyEvent = msgspec.json.decode(line, type=AnyEvent)
        if isinstance(event, ReviewEdited):
            _, before = shown[event.seller_id, event.review_id]
            event = msgspec.structs.replace(event, previous_rating=before)
        alerts = detector.apply(event, event.occurred_at.timestamp())
        if isinstance(event, ReviewCreated | ReviewEdited):
            shown[event.seller_id, event.review_id] = event.product_id, event.rating
        elif isinstance(event, ReviewDeleted):
            shown.pop((event.seller_id, event.review_id), None)
        for alert in alerts:
            evidence = alert.evidence
            if alert.subject.type != "seller":
                assert evidence.products == []
                continue
            assert sum(effect.flips for effect in evidence.products) == evidence.flips == len(evidence.reviews)
            without = shown | {
                (alert.subject.id, review.review_id): (review.product_id, review.stars_before)
                for review in evidence.reviews
            }
            for effect in evidence.products:
                assert (effect.reviews, effect.rating) == _displayed(shown, effect.product_id)
                assert effect.rating_without == _displayed(without, effect.product_id)[1]
                effects += 1
    assert effects >= 10
