"""What the core promises: the norm adds up, a restored state is the state, order does not depend on fetches."""

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

from stream.alerts import Alert
from stream.core import codec
from stream.core.bands import ARM_OF, ARMS, BANDS, CELLS, CONTACTED, DAY, FOLLOW_SECONDS, HOUR, PLACES, locate
from stream.core.detector import Detector
from stream.core.early import LIMIT, Early
from stream.core.evidence import Known
from stream.core.merge import Merge
from stream.core.norm import Norm
from stream.core.past import COLUMNS, LEAD, log_prior
from stream.core.reviews import Review
from stream.core.seen import SEGMENT, SEGMENTS, Seen
from stream.core.subjects import Seller
from stream.core.timers import Timers
from stream.core.watches import SCALES, SELLER_PRIOR
from stream.events import AnyEvent
from stream.market import simulate

DATA = Path(__file__).parent.parent / "data" / "app_store.jsonl.gz"
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
def test_expected_flips_add_up_to_those_seen() -> None:
    """With voices and leaving oneself out the sum is near, not equal; without the norm it would be far off."""
    detector = run(market("honest", 3, 150, 200))
    for seller in detector.sellers.values():
        seller.settle_all(detector.norm, detector.clock)
    seen = sum(sum(seller.flips_by_arm) for seller in detector.sellers.values())
    expected = sum(sum(seller.expected) for seller in detector.sellers.values())
    assert seen > 1000
    assert expected == pytest.approx(seen, rel=0.1)


def test_at_risk_counts_are_those_of_the_open_reviews() -> None:
    detector = run(market("bribes", 4, 30, 150))
    counted = [0] * CELLS
    for review in detector.reviews.values():
        counted[review.cell] += 1
    held = [0] * CELLS
    for seller in detector.sellers.values():
        for band, entry in seller.held.items():
            held[2 * band] += entry.plain
            held[2 * band + 1] += entry.looked_up
    assert held == counted
    assert [band.reviews for band in detector.norm.bands] == [counted[2 * n] + counted[2 * n + 1] for n in range(BANDS)]


def test_the_vigor_is_what_the_bands_expect_of_all_voices() -> None:
    detector = run(market("access", 4, 40, 120))
    norm = detector.norm
    assert norm.vigor == pytest.approx(sum(band.rate * band.voices for band in norm.bands))
    assert norm.looked_up_vigor == pytest.approx(sum(band.rate * band.looked_up for band in norm.bands)) != 0
    voices = [0.0] * BANDS
    for seller in detector.sellers.values():
        for band, held in seller.held.items():
            voices[band] += seller.voice * (held.plain + held.looked_up)
    assert [band.voices for band in norm.bands] == pytest.approx(voices)


def test_rates_begin_with_what_is_usual_and_follow_what_is_seen() -> None:
    norm = Norm()
    norm.start(0.0)
    band, alike, other = norm.bands[2], norm.bands[2 + PLACES], norm.bands[3]
    usual, aside = band.rate, other.rate
    assert usual > aside > 0
    band.reviews, band.voices, band.flips, band.exposure = 100, 50.0, 30.0, 30.0 / (5 * usual)
    norm.roll(DAY)
    assert 4 * usual < band.rate < 5 * usual
    assert 2 * usual < alike.rate < band.rate  # other stars of the same age are like it, but are not it
    assert other.rate == pytest.approx(aside)


@pytest.mark.parametrize("every", [1, 41, 997])
def test_a_restored_state_is_the_state(every: int) -> None:
    events = market("bribes", 1, 20, 90)[: 40 * every]
    rows: dict[bytes, bytes] = {}
    detector = Detector(3, "digest")
    for number, event in enumerate(events):
        apply(detector, event)
        if number % every == 0:
            for key, value in detector.changed():
                if value is None:
                    rows.pop(key, None)  # it may have come and gone since the last checkpoint
                else:
                    rows[key] = value
            detector = Detector(3, "digest")
            detector.restore(rows.items())
    assert detector.digest() == run(events).digest()


@pytest.mark.parametrize(
    "key", [codec.META, codec.NORM, codec.PATTERNS, b"h/1", b"r/x", b"s/x", b"f/0/x", b"p/x", b"d/1", b"e/x"]
)
def test_damaged_rows_are_refused_by_name(key: bytes) -> None:
    for value in (b"", b"\xc1", b"\x93\x01\x02\x03", b"cos\nsystem\n(S'true'\ntR."):
        with pytest.raises(codec.StateError):
            Detector(3, "digest").restore([(b"s/x", codec.seller_row(_seller())), (key, value)])


@pytest.mark.parametrize("left", [None, codec.encode([0.5])])
def test_trees_that_cannot_be_grown_again_are_refused(left: bytes | None) -> None:
    detector = run([event("review.created", 0, rating=1), event("review.edited", 9, rating=5)])
    rows = dict(detector.changed()) | {codec.PATTERNS + b"0": left}
    with pytest.raises(codec.StateError, match="features of earlier flips"):
        Detector(3, "digest").restore((key, value) for key, value in rows.items() if value is not None)


def _seller() -> Any:
    detector = run(market("honest", 1, 1, 30))
    return next(iter(detector.sellers.values()))


def test_app_store_events_raise_no_alarm() -> None:
    decoder = msgspec.json.Decoder(AnyEvent)
    detector = Detector(3, "digest")
    with gzip.open(DATA) as lines:
        alerts = [alert for line in lines for alert in apply(detector, decoder.decode(line))]
    assert detector.counts["applied"] == 73_465
    assert alerts == []


@pytest.mark.slow
def test_cheats_are_accused_before_honest_sellers() -> None:
    events, truth = simulate.market("bribes", 2, 200, 240)
    detector = Detector(3, "digest")
    accused = {a.subject.id for e in events for a in apply(detector, msgspec.convert(e, AnyEvent)) if a.kind[0] == "s"}
    large = {cheat.seller_id for cheat in truth if cheat.paid_flips >= 20}
    assert len(accused & large) * 2 > len(large) > 0
    assert len(accused - {cheat.seller_id for cheat in truth}) <= 1


def test_evidence_grows_with_flips_and_falls_with_what_is_expected() -> None:
    def log_odds(flips: int, expected: float, per_peer_flip: float = 0.0) -> float:
        rows = np.zeros((flips + 1, COLUMNS))
        rows[:, 1] = log_prior(30 * DAY)
        rows[:, 2] = 30 * DAY * np.arange(flips + 1)  # born far from each other
        contacted = LEAD + CONTACTED + ARMS * np.arange(3)  # flips, expected by peers, expected by the long run
        # A past of 20 flips, as many as expected: what its level is, is known.
        rows[:, contacted] = 20 + np.outer(np.arange(flips + 1) / flips, (flips, expected, expected))
        history, totals = vec[float](rows[:-1].ravel()), rows[-1, LEAD:]
        return SCALES.weigh(history, totals.tolist(), Known(*SELLER_PRIOR, 0.2, per_peer_flip=per_peer_flip)).log_odds[
            1
        ]

    assert log_odds(20, 2) > log_odds(10, 2) > log_odds(10, 5) > log_odds(10, 10)
    assert log_odds(10, 10) < 0 < log_odds(20, 2)
    assert np.isfinite(log_odds(60, 0))
    # What is expected of it was counted: of 2000 flips of its peers, of two, and of next to none.
    assert log_odds(20, 2) > log_odds(20, 2, 0.001) > log_odds(20, 2, 0.001) - 0.1 > log_odds(20, 2, 1) > 0
    assert log_odds(20, 2, 1e9) < 0


@given(
    stars=st.integers(1, 3),
    contacted=st.none() | st.floats(0, 800 * DAY),
    looked_up=st.none() | st.floats(0, 800 * DAY),
    age=st.floats(0, FOLLOW_SECONDS, exclude_max=True),
)
@settings(max_examples=200, deadline=None)
def test_a_review_leaves_its_band_exactly_when_its_timer_fires(
    stars: int, contacted: float | None, looked_up: float | None, age: float
) -> None:
    born = START.timestamp()
    contact = None if contacted is None else born + contacted
    look = None if looked_up is None else born + looked_up
    now = max(t for t in (born + age, contact, look) if t is not None)
    cell, due = locate(stars, born, contact, look, now)
    assert 0 <= cell < CELLS
    assert 0 <= ARM_OF[cell] < ARMS
    if now < born + FOLLOW_SECONDS:
        assert due > now
        if due < born + FOLLOW_SECONDS:
            assert locate(stars, born, contact, look, due)[0] != cell


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_order_does_not_depend_on_how_records_were_fetched(data: st.DataObject) -> None:
    streams = data.draw(st.lists(st.lists(st.integers(0, 200), max_size=30), min_size=3, max_size=3))
    cuts = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 7)), max_size=40))

    def merged(pieces: list[tuple[int, int]], limit: int, bound: float) -> list[tuple[float, int, int, bool]]:
        merge: Merge[tuple[float, int, str], str] = Merge(3, 10, lambda _, record: record)
        rest = [[(float(at), n, "") for n, at in enumerate(stream)] for stream in streams]
        out = []
        for index, count in [*pieces, *((i, 99) for i in range(3))]:
            merge.streams[index].inbox.extend(rest[index][:count])
            rest[index] = rest[index][count:]
            while (taken := merge.take(lambda i: not rest[i], limit, bound)) or merge.held is not None:
                bound = bound if merge.held is None else merge.held + 1  # held back until others have come as far
                out += [(at, stream, offset, late) for at, stream, offset, _, late in taken]
                merge.finish(taken)
        assert all(not stream.open and not stream.done for stream in merge.streams)
        return out

    limit, bound = data.draw(st.integers(1, 9)), data.draw(st.integers(0, 200))
    assert merged(cuts, limit, bound) == merged([], 1, math.inf)


def test_duplicates_are_known_within_the_window_and_after_a_restore() -> None:
    seen = Seen()
    total = SEGMENT * SEGMENTS + 10
    assert all(seen.add(str(number)) for number in range(total))
    assert not seen.add(str(total - 1))
    assert not seen.add(str(SEGMENT))
    assert seen.add("0")  # the oldest segment has made room
    back = Seen()
    for name in seen.changed:
        back.load(name, seen.row(name))
    back.loaded(seen.count)
    assert not back.add(str(total - 1))


def event(kind: str, at_seconds: float, **fields: Any) -> AnyEvent:
    own = {"type": kind, "event_id": f"{kind}{at_seconds}{fields}"[:64].replace(" ", ""), "seller_id": "s"}
    about = {"review_id": "r", "reviewer_id": "u"} | ({"product_id": "p"} if kind.startswith("review.") else {})
    when = (START + dt.timedelta(seconds=at_seconds)).isoformat()
    made: AnyEvent = msgspec.convert({**own, **about, "occurred_at": when, **fields}, AnyEvent)
    return made


def test_an_edit_for_a_review_never_seen_is_counted_and_no_flip() -> None:
    detector = run([event("review.edited", 0, rating=5, previous_rating=1)])
    assert detector.counts == {"applied": 1, "unseen_edit": 1}


def test_an_edit_that_makes_an_unknown_review_critical_is_followed_and_aged_when_its_creation_comes() -> None:
    detector = run([event("review.edited", 100, rating=2)])
    assert detector.reviews["r"].created_at == START.timestamp() + 100
    apply(detector, event("review.created", 50, rating=5))
    assert detector.reviews["r"].created_at == START.timestamp() + 50
    assert detector.reviews["r"].rating == 2
    assert detector.products["p"].reviews == 1
    apply(detector, event("review.edited", 200, rating=5))
    assert detector.counts["upgraded"] == 1


def test_what_was_overtaken_is_remembered_up_to_a_limit() -> None:
    early = Early()
    for number in range(LIMIT + 1):
        early.remember(str(number), 9.0, None, number)
    assert early.take("0", 5.0) is None
    assert early.take("1", 10.0) is None  # of before the review was written: another story
    assert early.take("1", 5.0) is not None
    assert early.row("0") is None


def test_a_deletion_before_its_creation_leaves_nothing_at_risk() -> None:
    deleted = event("review.deleted", 100, deleted_by="author")
    detector = run([deleted, event("review.created", 50, rating=1)])
    assert detector.counts["overtaken_review"] == detector.counts["unseen_deletion"] == 1
    assert not detector.reviews


def test_a_removal_by_the_platform_is_no_flip() -> None:
    detector = run([event("review.created", 0, rating=1), event("review.deleted", 9, deleted_by="platform")])
    assert detector.counts == {"applied": 2, "removed": 1}
    assert not detector.reviews


def test_outreach_without_a_review_concerns_the_reviewers_reviews() -> None:
    sent = event("outreach.sent", 50, channel="refund", review_id=None)
    detector = run([event("review.created", 0, rating=2), sent])
    assert detector.reviews["r"].incentive
    assert detector.reviews["r"].contacted_at == START.timestamp() + 50


def test_another_sellers_review_is_not_touched() -> None:
    foreign = event("review.deleted", 9, deleted_by="author", seller_id="other")
    detector = run([event("review.created", 0, rating=1), foreign])
    assert "r" in detector.reviews
    assert detector.counts["unseen_deletion"] == 1


def test_asking_for_the_digest_takes_no_change_away() -> None:
    detector = run(market("bribes", 1, 10, 30))
    digest = detector.digest()
    rows = {key: value for key, value in detector.changed() if value is not None}
    assert detector.digest() == digest
    restored = Detector(3, "digest")
    restored.restore(rows.items())
    assert restored.digest() == digest


def test_who_was_silent_for_long_is_forgotten_in_the_rows_too() -> None:
    first = [event("review.created", 0, rating=1), event("review.edited", 9, rating=5, product_id="other")]
    detector = run([*first, event("review.created", 10, rating=1, review_id="r2", seller_id="s2", product_id="p2")])
    rows = dict(detector.changed())
    assert {name for name in rows if name[:2] in {b"s/", b"f/", b"p/"}} >= {b"s/s", b"f/0/s", b"p/p", b"s/s2", b"p/p2"}
    late = event("review.created", FOLLOW_SECONDS - DAY, rating=1, review_id="r3", seller_id="s3", product_id="p3")
    apply(detector, late)
    apply(detector, event("review.edited", FOLLOW_SECONDS + 40 * DAY, rating=2, review_id="r3", seller_id="s3"))
    assert detector.sellers.keys() == {"s3"}
    assert "p" not in detector.products
    assert "p3" in detector.products
    rows |= dict(detector.changed())
    kept = {name: row for name, row in rows.items() if row is not None}
    assert not [name for name in kept if name in {b"s/s", b"f/0/s", b"p/p", b"s/s2", b"p/p2"}]
    restored = Detector(3, "digest")
    restored.restore(kept.items())
    assert restored.digest() == detector.digest()


def test_timers_come_out_in_order_however_they_were_set() -> None:
    chance = random.Random(5)
    seller, timers, expected = Seller("s", 0.0), Timers(), []
    for number in range(3000):
        review = Review(f"r{chance.randrange(900)}", seller, "p", "u", 1, 0.0)
        review.cell, review.due = chance.randrange(CELLS), float(chance.randrange(500))
        timers.set(review)
        if chance.random() < 0.3:
            review.due += 1  # moved
            timers.set(review)
        if number % 3 == 0:
            review.due = math.inf  # gone
        else:
            expected.append((review.due, review.review_id))
        if number == 2000:
            timers.sweep(0)
    out = []
    while (popped := timers.pop(400)) is not None:
        out.append((popped.due, popped.review_id))
    assert out == sorted(each for each in expected if each[0] <= 400)
    assert len(out) > 1000


def test_the_trees_are_written_again_only_after_a_flip() -> None:
    detector = run([event("review.created", 0, rating=1)])
    assert codec.PATTERNS not in dict(detector.changed())
    apply(detector, event("review.edited", 9, rating=5))
    assert codec.PATTERNS in dict(detector.changed())


@pytest.mark.parametrize("hours", [1, -1])
def test_what_is_forgotten_at_a_months_end_does_not_depend_on_a_wait_there(hours: int) -> None:
    """A task that was held back passes midnight before its next event; one that was not, with it."""
    month = 30 * DAY * math.ceil((START.timestamp() + FOLLOW_SECONDS + 2 * DAY) / (30 * DAY)) - START.timestamp()
    known = [
        event("review.created", month - FOLLOW_SECONDS + hours * HOUR, rating=5, product_id="old", review_id="r1"),
        # Its timer falls due between that midnight and the next event.
        event("review.created", month - DAY + HOUR, rating=1, product_id="new", review_id="r2"),
    ]
    waited, went_on = run(known), run(known)
    last = event("review.created", month + 2 * HOUR, rating=5, product_id="new", review_id="r3")
    waited.wake(last.occurred_at.timestamp())
    apply(waited, last)
    apply(went_on, last)
    assert ("old" in waited.products) == ("old" in went_on.products) == (hours > 0)
    assert waited.digest() == went_on.digest()


def test_a_seller_is_not_forgotten_while_a_bombs_review_is_open() -> None:
    detector = run([event("review.created", 0, rating=1)])
    seller, review = detector.sellers["s"], detector.reviews["r"]
    seller.leave(review.cell, detector.norm, detector.clock)
    review.outside = True
    assert not seller.silent_since(detector.clock + DAY)
    seller.unfollow(review.reviewer_id, review.review_id)
    assert seller.silent_since(detector.clock + DAY)
