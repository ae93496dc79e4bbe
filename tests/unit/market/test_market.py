"""The simulated market: a seed gives one file, events are consistent, and shares are as the parameters say."""

from __future__ import annotations

import datetime as dt
import gzip
import math
import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from stream.contract.events import (
    CRITICAL_STARS,
    ContactAccessed,
    OutreachSent,
    ReviewCreated,
    ReviewDeleted,
    ReviewEdited,
    SellerLinked,
)
from stream.intake.identifiers import check_ids
from stream.market import simulate
from stream.market.hazards import DAY
from stream.market.output import Market

#: The event types that the simulator writes, without links.
Event = ReviewCreated | ReviewEdited | ReviewDeleted | OutreachSent | ContactAccessed
_DECODER = msgspec.json.Decoder(Event | SellerLinked)


@cache
def made(scenario: str, seed: int = 7, sellers: int = 80, days: int = 150) -> Market:
    return simulate.simulate(scenario, seed, sellers, days)


def decoded(market: Market) -> list[Event]:
    """Return the events of reviews: all but links."""
    return [event for event in map(_DECODER.decode, market.lines) if not isinstance(event, SellerLinked)]


def links(market: Market) -> list[SellerLinked]:
    return [event for event in map(_DECODER.decode, market.lines) if isinstance(event, SellerLinked)]


@cache
def events(scenario: str) -> list[Event]:
    return decoded(made(scenario))


def by_review(events: list[Event]) -> dict[str, list[Event]]:
    """Group events by review, in order, without contacts that name no review."""
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.review_id:
            found[event.review_id].append(event)
    return found


def reviews(scenario: str) -> dict[str, list[Event]]:
    return by_review(events(scenario))


def flips(history: list[Event]) -> list[Event]:
    """Return the flips of a review, derived from its events alone."""
    found: list[Event] = []
    rating = stars(history)
    for event in history:
        if isinstance(event, ReviewDeleted):
            found += [event] if rating <= CRITICAL_STARS and event.deleted_by == "author" else []
        elif isinstance(event, ReviewEdited):
            found += [event] if rating <= CRITICAL_STARS < event.rating else []
            rating = event.rating
    return found


def honest_criticals() -> list[list[Event]]:
    return [history for history in reviews("honest").values() if stars(history) <= CRITICAL_STARS]


def stars(history: list[Event]) -> int:
    assert isinstance(history[0], ReviewCreated)
    return history[0].rating


@pytest.mark.parametrize(
    ("scenario", "ending"), [("dirty", "jsonl.gz"), *((name, "jsonl") for name in sorted(simulate.SCENARIOS))]
)
def test_a_seed_gives_one_file(tmp_path: Path, scenario: str, ending: str) -> None:
    def write(seed: int, name: str) -> tuple[bytes, bytes]:
        out, truth = tmp_path / f"{name}.{ending}", tmp_path / f"{name}-truth.{ending}"
        count = simulate.write(scenario, seed, 20, 8, out, truth)
        content = out.read_bytes()
        if ending.endswith("gz"):
            assert content[3:8] == bytes(5)  # neither a name nor the time of writing, which would differ between runs
            content = gzip.decompress(content)
        assert content.count(b"\n") == count
        return out.read_bytes(), truth.read_bytes()

    assert write(1, "one") == write(1, "again")
    assert write(1, "one")[0] != write(2, "other")[0]


@pytest.mark.slow
def test_a_sellers_events_depend_on_the_seed_and_its_number_only() -> None:
    small, large = made("bribes", 5, 20, 60), made("bribes", 5, 40, 60)
    assert small.lines == [line for line in large.lines if msgspec.json.decode(line)["seller_id"] < "seller-0020"]
    assert [cheat.paid_review_ids for cheat in small.truth] == [cheat.paid_review_ids for cheat in large.truth]
    cheats = {cheat.seller_id for cheat in made("bribes").truth}
    honest = [event for event in events("bribes") if event.seller_id not in cheats]
    assert honest == [event for event in events("honest") if event.seller_id not in cheats]


def test_an_unknown_scenario_raises_with_all_names() -> None:
    with pytest.raises(ValueError, match=r"no scenario 'brides': there are access, bomb, bribes, .* dirty, "):
        simulate.simulate("brides", 1, 1, 1)


@pytest.mark.parametrize("scenario", ["bribes", pytest.param("cheats", marks=pytest.mark.slow)])
def test_every_line_is_an_event_of_the_contract(scenario: str) -> None:
    ids = [event.event_id for event in events(scenario)]
    assert len(set(ids)) == len(ids)
    for line, event in zip(made(scenario).lines, events(scenario), strict=True):
        written = msgspec.json.decode(line)
        assert set(written) - {"type"} <= set(event.__struct_fields__)
        assert re.fullmatch(r"2025-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", written["occurred_at"])
        named = [name for name in written if name.endswith("_id")]
        check_ids(named, [written[name] for name in named])


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["honest", "bribes", "confounded", "cheats"])
def test_causes_come_before_effects(scenario: str) -> None:
    times = [event.occurred_at for event in events(scenario)]
    assert times == sorted(times)
    assert simulate.START <= times[0].timestamp() < times[-1].timestamp() < simulate.START + 150 * DAY
    for history in reviews(scenario).values():
        rating, flipped = stars(history), flips(history)
        assert len(flipped) <= 1
        for place, event in enumerate(history[1:], 1):
            if isinstance(event, ReviewDeleted):
                assert (place, event.rating) == (len(history) - 1, rating)
            elif isinstance(event, ReviewEdited):
                assert event.previous_rating in {None, rating}
                rating = event.rating
            else:  # contacts and look-ups concern open critical reviews
                assert not isinstance(event, ReviewCreated)
                assert rating <= CRITICAL_STARS
                assert flipped == [] or event.occurred_at < flipped[0].occurred_at


def test_honest_shares() -> None:
    created = [event for event in events("honest") if isinstance(event, ReviewCreated)]
    assert sum(event.rating <= CRITICAL_STARS for event in created) / len(created) == pytest.approx(0.225, abs=0.03)
    assert len({event.reviewer_id for event in created}) > 0.94 * len(created)
    removed = [e for e in events("honest") if isinstance(e, ReviewDeleted) and e.deleted_by == "platform"]
    assert len(removed) / len(created) == pytest.approx(0.012, abs=0.002)
    assert {event.rating for event in removed} == {1, 2, 3, 4, 5}
    edits = [event for event in events("honest") if isinstance(event, ReviewEdited)]
    assert sum(event.previous_rating is not None for event in edits) / len(edits) == pytest.approx(0.7, abs=0.03)
    moves = Counter((event.previous_rating, event.rating) for event in edits)
    assert min(moves[5, 4], moves[4, 5], moves[5, 5], moves[1, 1], moves[5, 2], moves[1, 5]) > 0


def test_honest_flips() -> None:
    criticals = honest_criticals()
    retracted = [isinstance(flip, ReviewDeleted) for history in criticals for flip in flips(history)]
    assert 0.08 < len(retracted) / len(criticals) < 0.15
    assert sum(retracted) / len(retracted) == pytest.approx(0.18, abs=0.03)
    looked_up = sum(isinstance(event, ContactAccessed) for event in events("honest"))
    assert looked_up / len(criticals) == pytest.approx(0.04, abs=0.01)


def test_outreach_differs_by_seller_and_has_no_gift_cards() -> None:
    sent = [event for event in events("honest") if isinstance(event, OutreachSent)]
    channels = Counter(event.channel for event in sent)
    assert set(channels) == {"message", "public_reply", "refund", "replacement", "coupon"}
    assert channels.most_common(1)[0][0] == "message"
    assert all((event.incentive_value is None) == (event.currency is None) for event in sent)
    assert sum(event.review_id is None for event in sent) / len(sent) == pytest.approx(0.1, abs=0.03)
    contacted: dict[str, list[bool]] = defaultdict(list)
    for history in honest_criticals():
        contacted[history[0].seller_id].append(any(isinstance(event, OutreachSent) for event in history))
    shares = sorted(sum(each) / len(each) for each in contacted.values() if len(each) >= 50)
    assert shares[0] < 0.1
    assert 0.4 < shares[-1] < 0.65


def test_sellers_differ_in_how_many_they_win_back() -> None:
    won: dict[str, list[int]] = defaultdict(list)
    for history in honest_criticals():
        won[history[0].seller_id].append(len(flips(history)))
    busy = [(sum(each), len(each)) for each in won.values() if len(each) >= 50]
    mean = sum(n for n, _ in busy) / sum(of for _, of in busy)
    # Without frailty the flips of a seller would be binomial: squared deviations over the variance would average 1.
    assert np.mean([(n - of * mean) ** 2 / (of * mean * (1 - mean)) for n, of in busy]) > 3


def test_cheats_are_few_and_honest_markets_have_none() -> None:
    assert made("honest").truth == []
    assert "gift_card" not in {event.channel for event in events("honest") if isinstance(event, OutreachSent)}
    assert len(made("bribes").truth) == 3
    assert len(made("bribes", 5, 20, 60).truth) == 2
    for cheat in made("bribes").truth:
        started_at = dt.datetime.fromisoformat(cheat.started_at).timestamp()
        assert 0.2 <= (started_at - simulate.START) / (150 * DAY) <= 0.8
        assert msgspec.to_builtins(cheat.run) == {"scenario": "bribes", "seed": 7, "sellers": 80, "days": 150}


def test_paid_flips_follow_a_contact_and_do_not_happen_without_payment() -> None:
    bribed, honest = reviews("bribes"), reviews("honest")
    sent = [event for event in reversed(events("bribes")) if isinstance(event, OutreachSent)]
    first_contact = {(event.seller_id, event.reviewer_id): event.occurred_at for event in sent}
    for cheat in made("bribes").truth:
        assert cheat.paid_flips == len(set(cheat.paid_review_ids)) == len(cheat.paid_review_ids)
        for review_id in cheat.paid_review_ids:
            (flip,) = flips(bribed[review_id])
            assert flip.seller_id == cheat.seller_id
            assert flip.occurred_at > dt.datetime.fromisoformat(cheat.started_at)
            assert all(flip.occurred_at < unpaid.occurred_at for unpaid in flips(honest[review_id]))
            assert first_contact[flip.seller_id, flip.reviewer_id] < flip.occurred_at
        # The truth has all paid flips: the rate of the other flips is the honest rate.
        own = [review_id for review_id, history in bribed.items() if history[0].seller_id == cheat.seller_id]
        unpaid_flips = sum(len(flips(bribed[each])) for each in own) - cheat.paid_flips
        assert abs(unpaid_flips - sum(len(flips(honest[each])) for each in own)) < 4 + 0.2 * len(own) ** 0.5
    paid = {review_id for cheat in made("bribes").truth for review_id in cheat.paid_review_ids}
    assert 5 * len(made("bribes").truth) < len(paid) < 60 * len(made("bribes").truth)
    deleted = sum(isinstance(flips(bribed[review_id])[0], ReviewDeleted) for review_id in paid)
    assert 0.25 < deleted / len(paid) < 0.75


@pytest.mark.slow
def test_dirty_delivery_only_delays_and_repeats() -> None:
    dirty = [(event.event_id, event) for event in events("dirty")]
    assert 1 - len(dict(dirty)) / len(dirty) == pytest.approx(0.01, abs=0.002)
    assert {event.event_id: event for event in events("bribes")} == dict(dirty)
    latest, behind_seconds = -math.inf, []
    for _, event in dirty:
        latest = max(latest, event.occurred_at.timestamp())
        behind_seconds.append(latest - event.occurred_at.timestamp())
    assert sum(0 < behind <= 8 for behind in behind_seconds) > 0.005 * len(dirty)
    assert 0.0001 < sum(behind > 60 for behind in behind_seconds) / len(dirty) < 0.02
