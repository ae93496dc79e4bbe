"""The core: the baseline adds up, a restored state equals the original, the order does not depend on fetches."""

from __future__ import annotations

import datetime as dt
import gzip
import math
import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from librt.vecs import vec

from stream.contract.alerts import Alert
from stream.contract.events import AnyEvent
from stream.core.baseline.baseline import Baseline
from stream.core.detector import Detector
from stream.core.evidence.watches import SELLER_MODEL, SELLER_PRIOR
from stream.core.evidence.window_factors import Prior
from stream.core.merge import Merge
from stream.core.model.encoding import StateError, encode
from stream.core.model.flip_windows import N_COLUMNS, N_META_COLUMNS, log_start_prior
from stream.core.model.strata import (
    CONTACTED,
    DAY,
    FOLLOW_UP_SECONDS,
    GROUP_OF,
    HOUR,
    N_BUCKETS,
    N_CELLS,
    N_GROUPS,
    N_STRATA,
    cell_at,
)
from stream.core.state import codec
from stream.core.state.pending_changes import MAX_CHANGES, PendingChanges
from stream.core.subjects.reviews import Review
from stream.core.subjects.seller import Seller
from stream.core.subjects.timers import Timers
from stream.market import simulate

DATA = Path(__file__).parents[2] / "data" / "app_store.jsonl.gz"
START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def market(scenario: str, seed: int, sellers: int, days: int) -> list[AnyEvent]:
    events, _ = simulate.market(scenario, seed, sellers, days)
    return [msgspec.convert(event, AnyEvent) for event in events]


def apply(detector: Detector, event: AnyEvent) -> list[Alert]:
    return detector.apply(event, event.occurred_at.timestamp())


def run(events: list[Any]) -> Detector:
    detector = Detector(3, "digest")
    for event in events:
        apply(detector, event)
    return detector


@pytest.mark.slow
def test_expected_flips_add_up_to_the_flips() -> None:
    """The sums are near, not equal, because of weights and of own flips left out; without a baseline they differ."""
    detector = run(market("honest", 3, 150, 200))
    for seller in detector.state.sellers.values():
        seller.settle(detector.state.baseline, detector.state.clock)
    flips = sum(sum(seller.flips_by_group) for seller in detector.state.sellers.values())
    expected = sum(sum(seller.expected) for seller in detector.state.sellers.values())
    assert flips > 1000
    assert expected == pytest.approx(flips, rel=0.1)


def test_exposure_sums_count_the_open_reviews() -> None:
    detector = run(market("bribes", 4, 30, 150))
    counted = [0] * N_CELLS
    for review in detector.state.reviews.values():
        counted[review.cell] += 1
    summed = [0] * N_CELLS
    for seller in detector.state.sellers.values():
        for number, sums in seller.exposure.items():
            summed[2 * number] += sums.plain
            summed[2 * number + 1] += sums.looked_up
    assert summed == counted
    assert [stratum.reviews for stratum in detector.state.baseline.strata] == [
        counted[2 * n] + counted[2 * n + 1] for n in range(N_STRATA)
    ]


def test_market_expected_rate_is_the_sum_over_strata_and_weights() -> None:
    detector = run(market("access", 4, 40, 120))
    baseline = detector.state.baseline
    assert baseline.expected_rate == pytest.approx(sum(stratum.rate * stratum.weight for stratum in baseline.strata))
    assert (
        baseline.looked_up_expected_rate
        == pytest.approx(sum(stratum.rate * stratum.looked_up_weight for stratum in baseline.strata))
        != 0
    )
    weights = [0.0] * N_STRATA
    for seller in detector.state.sellers.values():
        for number, sums in seller.exposure.items():
            weights[number] += seller.weight * (sums.plain + sums.looked_up)
    assert [stratum.weight for stratum in baseline.strata] == pytest.approx(weights)


def test_rates_start_at_the_initial_ones_and_follow_the_flips() -> None:
    baseline = Baseline()
    baseline.start(0.0)
    stratum, same_age, other_age = baseline.strata[2], baseline.strata[2 + N_BUCKETS], baseline.strata[3]
    initial, initial_of_other_age = stratum.rate, other_age.rate
    assert initial > initial_of_other_age > 0
    stratum.reviews, stratum.weight, stratum.flips, stratum.exposure = 100, 50.0, 30.0, 30.0 / (5 * initial)
    baseline.advance_day(DAY)
    assert 4 * initial < stratum.rate < 5 * initial
    assert 2 * initial < same_age.rate < stratum.rate  # other stars of the same age follow in part
    assert other_age.rate == pytest.approx(initial_of_other_age)


@pytest.mark.parametrize("every", [1, 41, 997])
def test_restored_state_equals_the_original(every: int) -> None:
    events = market("bribes", 1, 20, 90)[: 40 * every]
    rows: dict[bytes, bytes] = {}
    detector = Detector(3, "digest")
    for number, event in enumerate(events):
        apply(detector, event)
        if number % every == 0:
            for key, value in detector.rows.changed():
                if value is None:
                    rows.pop(key, None)  # the row may have been added and removed since the last checkpoint
                else:
                    rows[key] = value
            detector = Detector(3, "digest")
            detector.rows.restore(rows.items())
    assert detector.rows.digest() == run(events).rows.digest()


@pytest.mark.parametrize(
    "key", [codec.META, codec.BASELINE, codec.PATTERNS, b"h/1", b"r/x", b"s/x", b"f/0/x", b"p/x", b"d/1", b"e/x"]
)
def test_damaged_rows_are_refused(key: bytes) -> None:
    for value in (b"", b"\xc1", b"\x93\x01\x02\x03", b"cos\nsystem\n(S'true'\ntR."):
        with pytest.raises(StateError):
            Detector(3, "digest").rows.restore([(b"s/x", codec.seller_row(_seller())), (key, value)])


@pytest.mark.parametrize("features", [None, encode([0.5])])
def test_missing_or_other_features_of_the_trees_are_refused(features: bytes | None) -> None:
    detector = run([event("review.created", 0, rating=1), event("review.edited", 9, rating=5)])
    rows = dict(detector.rows.changed()) | {codec.PATTERNS + b"0": features}
    with pytest.raises(StateError, match="features of earlier flips"):
        Detector(3, "digest").rows.restore((key, value) for key, value in rows.items() if value is not None)


def _seller() -> Any:
    detector = run(market("honest", 1, 1, 30))
    return next(iter(detector.state.sellers.values()))


def test_app_store_events_raise_no_alert() -> None:
    decoder = msgspec.json.Decoder(AnyEvent)
    detector = Detector(3, "digest")
    with gzip.open(DATA) as lines:
        alerts = [alert for line in lines for alert in apply(detector, decoder.decode(line))]
    assert detector.state.counts["applied"] == 73_465
    assert alerts == []


@pytest.mark.slow
def test_cheats_are_accused_before_honest_sellers() -> None:
    events, truth = simulate.market("bribes", 2, 200, 240)
    detector = Detector(3, "digest")
    accused = {a.subject.id for e in events for a in apply(detector, msgspec.convert(e, AnyEvent)) if a.kind[0] == "s"}
    large = {cheat.seller_id for cheat in truth if cheat.paid_flips >= 20}
    assert len(accused & large) * 2 > len(large) > 0
    assert len(accused - {cheat.seller_id for cheat in truth}) <= 1


def test_evidence_rises_with_flips_and_falls_with_expected_flips() -> None:
    def log_odds(flips: int, expected: float, per_peer_flip: float = 0.0) -> float:
        rows = np.zeros((flips + 1, N_COLUMNS))
        rows[:, 1] = log_start_prior(30 * DAY)
        rows[:, 2] = 30 * DAY * np.arange(flips + 1)  # created far apart
        contacted = (
            N_META_COLUMNS + CONTACTED + N_GROUPS * np.arange(3)
        )  # flips, expected by peers, expected by the long run
        # A past of 20 flips, as many as expected: the subject's level is known.
        rows[:, contacted] = 20 + np.outer(np.arange(flips + 1) / flips, (flips, expected, expected))
        history, totals = vec[float](rows[:-1].ravel()), rows[-1, N_META_COLUMNS:]
        return SELLER_MODEL.evaluate(
            history, totals.tolist(), Prior(*SELLER_PRIOR, 0.2, expected_per_peer_flip=per_peer_flip)
        ).log_odds[1]

    assert log_odds(20, 2) > log_odds(10, 2) > log_odds(10, 5) > log_odds(10, 10)
    assert log_odds(10, 10) < 0 < log_odds(20, 2)
    assert np.isfinite(log_odds(60, 0))
    # The expectation rests on 2000 flips of peers, on two, and on nearly none.
    assert log_odds(20, 2) > log_odds(20, 2, 0.001) > log_odds(20, 2, 0.001) - 0.1 > log_odds(20, 2, 1) > 0
    assert log_odds(20, 2, 1e9) < 0


@given(
    stars=st.integers(1, 3),
    contacted=st.none() | st.floats(0, 800 * DAY),
    looked_up=st.none() | st.floats(0, 800 * DAY),
    age=st.floats(0, FOLLOW_UP_SECONDS, exclude_max=True),
)
@settings(max_examples=200, deadline=None)
def test_review_leaves_its_cell_exactly_when_its_timer_fires(
    stars: int, contacted: float | None, looked_up: float | None, age: float
) -> None:
    created_at = START.timestamp()
    contacted_at = None if contacted is None else created_at + contacted
    looked_up_at = None if looked_up is None else created_at + looked_up
    now = max(at for at in (created_at + age, contacted_at, looked_up_at) if at is not None)
    cell, due_at = cell_at(stars, created_at, contacted_at, looked_up_at, now)
    assert 0 <= cell < N_CELLS
    assert 0 <= GROUP_OF[cell] < N_GROUPS
    if now < created_at + FOLLOW_UP_SECONDS:
        assert due_at > now
        if due_at < created_at + FOLLOW_UP_SECONDS:
            assert cell_at(stars, created_at, contacted_at, looked_up_at, due_at)[0] != cell


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_merge_order_does_not_depend_on_fetches(data: st.DataObject) -> None:
    streams = data.draw(st.lists(st.lists(st.integers(0, 200), max_size=30), min_size=3, max_size=3))
    fetches = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 7)), max_size=40))

    def merged(fetches: list[tuple[int, int]], limit: int, bound: float) -> list[tuple[float, int, int, bool]]:
        merge: Merge[tuple[float, int, str], str] = Merge(3, 10, lambda _, record: record)
        rest = [[(float(at), n, "") for n, at in enumerate(stream)] for stream in streams]
        out = []
        for index, count in [*fetches, *((i, 99) for i in range(3))]:
            merge.streams[index].inbox.extend(rest[index][:count])
            rest[index] = rest[index][count:]
            while (taken := merge.take(lambda i: not rest[i], limit, bound)) or merge.blocked_at is not None:
                if merge.blocked_at is not None:  # until other tasks have announced more days
                    bound = merge.blocked_at + 1
                out += [(at, stream, offset, late) for at, stream, offset, _, late in taken]
                merge.finish(taken)
        assert all(not stream.open_offsets and not stream.done_offsets for stream in merge.streams)
        return out

    limit, bound = data.draw(st.integers(1, 9)), data.draw(st.integers(0, 200))
    assert merged(fetches, limit, bound) == merged([], 1, math.inf)


@given(
    streams=st.lists(st.lists(st.integers(0, 60), max_size=12), min_size=2, max_size=2),
    held=st.sets(st.tuples(st.integers(0, 1), st.integers(0, 11)), max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_a_record_that_cannot_be_read_yet_changes_no_order(
    streams: list[list[int]], held: set[tuple[int, int]]
) -> None:
    def merged(held: set[tuple[int, int]]) -> list[Any]:
        waiting = set(held)

        def read(index: int, record: tuple[float, int, str]) -> tuple[float, int, str] | None:
            if (index, record[1]) not in waiting:
                return record
            merge.streams[index].inbox.appendleft(record)
            merge.streams[index].held = True
            return None

        merge: Merge[tuple[float, int, str], str] = Merge(2, 10, read)
        for stream, times in zip(merge.streams, streams, strict=True):
            stream.inbox.extend((float(at), number, "") for number, at in enumerate(times))
        out = []
        while (taken := merge.take(lambda _: True, 3, math.inf)) or waiting:
            out += taken
            merge.finish(taken)
            for stream in merge.streams:
                if not taken and stream.held:
                    waiting.discard((stream.index, stream.inbox[0][1]))
                    stream.held = False
            if not taken and not any(stream.inbox for stream in merge.streams):
                waiting.clear()  # of records that the streams do not have
        return out

    assert merged(held) == merged(set())


def event(kind: str, at_seconds: float, **fields: Any) -> AnyEvent:
    required = {"type": kind, "event_id": f"{kind}{at_seconds}{fields}"[:64].replace(" ", ""), "seller_id": "s"}
    ids = {"review_id": "r", "reviewer_id": "u"} | ({"product_id": "p"} if kind.startswith("review.") else {})
    occurred_at = (START + dt.timedelta(seconds=at_seconds)).isoformat()
    converted: AnyEvent = msgspec.convert({**required, **ids, "occurred_at": occurred_at, **fields}, AnyEvent)
    return converted


def test_edit_of_an_unseen_review_is_counted_and_no_flip() -> None:
    detector = run([event("review.edited", 0, rating=5, previous_rating=1)])
    assert detector.state.counts == {"applied": 1, "unseen_edit": 1}


def test_unseen_review_edited_to_critical_enters_the_risk_set_and_gets_its_age_later() -> None:
    detector = run([event("review.edited", 100, rating=2)])
    assert detector.state.reviews["s r"].created_at == START.timestamp() + 100
    apply(detector, event("review.created", 50, rating=5))
    assert detector.state.reviews["s r"].created_at == START.timestamp() + 50
    assert detector.state.reviews["s r"].rating == 2
    assert detector.state.products["p"].reviews == 1
    apply(detector, event("review.edited", 200, rating=5))
    assert detector.state.counts["upgraded"] == 1


def test_pending_changes_are_kept_up_to_a_limit() -> None:
    pending = PendingChanges()
    for number in range(MAX_CHANGES + 1):
        pending.add(str(number), 9.0, None, number)
    assert pending.take("0", 5.0) is None
    assert pending.take("1", 10.0) is None  # the change is older than the review
    assert pending.take("1", 5.0) is not None
    assert pending.row("0") is None


def test_deletion_before_the_creation_leaves_no_review_at_risk() -> None:
    deleted = event("review.deleted", 100, deleted_by="author")
    detector = run([deleted, event("review.created", 50, rating=1)])
    assert detector.state.counts["overtaken_review"] == detector.state.counts["unseen_deletion"] == 1
    assert not detector.state.reviews


def test_removal_by_the_platform_is_no_flip() -> None:
    detector = run([event("review.created", 0, rating=1), event("review.deleted", 9, deleted_by="platform")])
    assert detector.state.counts == {"applied": 2, "removed": 1}
    assert not detector.state.reviews


def test_outreach_without_a_review_id_contacts_all_open_reviews_of_the_reviewer() -> None:
    sent = event("outreach.sent", 50, channel="refund", review_id=None)
    detector = run([event("review.created", 0, rating=2), sent])
    assert detector.state.reviews["s r"].incentive
    assert detector.state.reviews["s r"].contacted_at == START.timestamp() + 50


def test_event_of_another_seller_does_not_change_a_review() -> None:
    foreign = event("review.deleted", 9, deleted_by="author", seller_id="other")
    detector = run([event("review.created", 0, rating=1), foreign])
    assert "s r" in detector.state.reviews
    assert detector.state.counts["unseen_deletion"] == 1


def test_digest_does_not_clear_changed_rows() -> None:
    detector = run(market("bribes", 1, 10, 30))
    digest = detector.rows.digest()
    rows = {key: value for key, value in detector.rows.changed() if value is not None}
    assert detector.rows.digest() == digest
    restored = Detector(3, "digest")
    restored.rows.restore(rows.items())
    assert restored.rows.digest() == digest


def test_inactive_sellers_and_products_are_dropped_with_their_rows() -> None:
    first = [event("review.created", 0, rating=1), event("review.edited", 9, rating=5, product_id="other")]
    detector = run([*first, event("review.created", 10, rating=1, review_id="r2", seller_id="s2", product_id="p2")])
    rows = dict(detector.rows.changed())
    assert {name for name in rows if name[:2] in {b"s/", b"f/", b"p/"}} >= {b"s/s", b"f/0/s", b"p/p", b"s/s2", b"p/p2"}
    late = event("review.created", FOLLOW_UP_SECONDS - DAY, rating=1, review_id="r3", seller_id="s3", product_id="p3")
    apply(detector, late)
    apply(detector, event("review.edited", FOLLOW_UP_SECONDS + 40 * DAY, rating=2, review_id="r3", seller_id="s3"))
    assert detector.state.sellers.keys() == {"s3"}
    assert "p" not in detector.state.products
    assert "p3" in detector.state.products
    rows |= dict(detector.rows.changed())
    kept = {name: row for name, row in rows.items() if row is not None}
    assert not [name for name in kept if name in {b"s/s", b"f/0/s", b"p/p", b"s/s2", b"p/p2"}]
    restored = Detector(3, "digest")
    restored.rows.restore(kept.items())
    assert restored.rows.digest() == detector.rows.digest()


def test_timers_fire_in_order_however_they_were_set() -> None:
    chance = random.Random(5)
    seller, timers, expected = Seller("s", 0.0), Timers(), []
    for number in range(3000):
        review = Review(f"r{chance.randrange(900)}", seller, "p", "u", 1, 0.0)
        review.cell, review.due_at = chance.randrange(N_CELLS), float(chance.randrange(500))
        timers.set(review)
        if chance.random() < 0.3:
            review.due_at += 1  # the review moves
            timers.set(review)
        if number % 3 == 0:
            review.due_at = math.inf  # the review is removed
        else:
            expected.append((review.due_at, review.review_id))
        if number == 2000:
            timers.sweep(0)
    fired = []
    while (popped := timers.pop(400)) is not None:
        fired.append((popped.due_at, popped.review_id))
    assert fired == sorted(timer for timer in expected if timer[0] <= 400)
    assert len(fired) > 1000


def test_trees_are_written_only_after_a_flip() -> None:
    detector = run([event("review.created", 0, rating=1)])
    assert codec.PATTERNS not in dict(detector.rows.changed())
    apply(detector, event("review.edited", 9, rating=5))
    assert codec.PATTERNS in dict(detector.rows.changed())


@pytest.mark.parametrize("hours", [1, -1])
def test_dropped_products_do_not_depend_on_a_wait_at_midnight(hours: int) -> None:
    """A task that had to wait passes midnight before its next event; another task passes it with that event."""
    period = 30 * DAY * math.ceil((START.timestamp() + FOLLOW_UP_SECONDS + 2 * DAY) / (30 * DAY)) - START.timestamp()
    events = [
        event("review.created", period - FOLLOW_UP_SECONDS + hours * HOUR, rating=5, product_id="old", review_id="r1"),
        # Its timer is due between that midnight and the next event.
        event("review.created", period - DAY + HOUR, rating=1, product_id="new", review_id="r2"),
    ]
    waited, did_not_wait = run(events), run(events)
    last = event("review.created", period + 2 * HOUR, rating=5, product_id="new", review_id="r3")
    waited.on_blocked(last.occurred_at.timestamp())
    apply(waited, last)
    apply(did_not_wait, last)
    assert ("old" in waited.state.products) == ("old" in did_not_wait.state.products) == (hours > 0)
    assert waited.rows.digest() == did_not_wait.rows.digest()


def test_seller_is_not_inactive_while_an_excluded_review_is_open() -> None:
    detector = run([event("review.created", 0, rating=1)])
    seller, review = detector.state.sellers["s"], detector.state.reviews["s r"]
    seller.leave(review.cell, detector.state.baseline, detector.state.clock)
    review.excluded = True
    assert not seller.is_inactive_since(detector.state.clock + DAY)
    seller.remove_review(review.reviewer_id, review.name)
    assert seller.is_inactive_since(detector.state.clock + DAY)
