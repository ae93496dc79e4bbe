"""The arena's competitors: all obey the same interface."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from functools import cache
from statistics import median

import msgspec
import pytest
from scipy.stats import gamma, nbinom

from stream.arena.bookkeeping import ReviewTracker
from stream.arena.competitor import Competitor
from stream.arena.contest import _seller_days, sorted_events
from stream.arena.roster import GROUPS, ROSTER, select
from stream.arena.shrinkage import eb05
from stream.contract.events import (
    ContactAccessed,
    OutreachSent,
    ReviewCreated,
    ReviewDeleted,
    ReviewEdited,
    SellerEvent,
    SellerLinked,
)
from stream.market import simulate
from stream.market.cheats import Run
from stream.market.output import Market, MarketBuilder

EMPTY = MarketBuilder(Run("honest", 1, 1, 30)).build()
BEGIN = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


class Events:
    """Makes events with unique ids."""

    def __init__(self) -> None:
        self._count = 0

    def _fields(self, day: float, seller: str) -> dict[str, object]:
        self._count += 1
        return {"event_id": f"e{self._count}", "occurred_at": BEGIN + dt.timedelta(days=day), "seller_id": seller}

    def created(self, day: float, review: str, rating: int = 1, seller: str = "s") -> SellerEvent:
        fields = {"review_id": review, "product_id": "p", "reviewer_id": f"u-{review}", "rating": rating}
        return ReviewCreated(**self._fields(day, seller), **fields)  # type: ignore[arg-type]

    def edited(self, day: float, review: str, rating: int = 5, seller: str = "s") -> SellerEvent:
        fields = {"review_id": review, "product_id": "p", "reviewer_id": f"u-{review}", "rating": rating}
        return ReviewEdited(**self._fields(day, seller), **fields)  # type: ignore[arg-type]

    def deleted(self, day: float, review: str, by: str = "author", seller: str = "s") -> SellerEvent:
        fields = {"review_id": review, "product_id": "p", "reviewer_id": f"u-{review}", "deleted_by": by}
        return ReviewDeleted(**self._fields(day, seller), **fields)  # type: ignore[arg-type]

    def contacted(self, day: float, review: str, seller: str = "s") -> SellerEvent:
        fields = {"review_id": review, "reviewer_id": f"u-{review}", "channel": "gift_card"}
        return OutreachSent(**self._fields(day, seller), **fields)  # type: ignore[arg-type]

    def looked_up(self, day: float, review: str, seller: str = "s") -> SellerEvent:
        fields = {"review_id": review, "reviewer_id": f"u-{review}", "actor_id": "staff"}
        return ContactAccessed(**self._fields(day, seller), **fields)  # type: ignore[arg-type]

    def linked(self, day: float, seller: str = "s") -> SellerEvent:
        return SellerLinked(**self._fields(day, seller), link_id="l", relation="owner")  # type: ignore[arg-type]


def odd_sequences() -> Iterator[list[SellerEvent]]:
    """Yield event sequences that are unlikely in a market, but that a producer may send."""
    make = Events()
    yield [make.deleted(0, "r"), make.created(1, "r"), make.created(2, "r"), make.deleted(3, "r"), make.edited(4, "r")]
    yield [make.contacted(0, "r"), make.looked_up(0, "r"), make.edited(1, "r", 2), make.edited(2, "r", 4)]
    yield [make.created(9, "r"), make.edited(3, "r", 5), make.created(1, "q"), make.deleted(200, "q")]
    yield [make.created(0, "r"), make.edited(1, "r", seller="t"), make.deleted(1, "r", "platform", seller="t")]
    yield [make.edited(number / 10, f"r{number}", 5) for number in range(50)]
    alone = [make.created(number % 90, f"r{number}") for number in range(450)]
    turned = [make.deleted(number % 90 + 0.1, f"r{number}") for number in range(0, 450, 2)]
    yield sorted([*alone, *turned], key=lambda event: event.occurred_at)
    at_once = [make.created(400, f"x{number}") for number in range(300)]
    yield [*at_once, *(make.edited(400, f"x{number}") for number in range(300))]


def scores(competitor: Competitor, events: list[SellerEvent]) -> list[float]:
    found = []
    for event in events:
        competitor.learn_one(event)
        found.append(competitor.score_one(event))
    return found


@cache
def small_market() -> tuple[Market, list[SellerEvent]]:
    market = simulate.simulate("bribes", 5, 20, 120)
    return market, sorted_events(market)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in GROUPS["ablations"] else ()) for name in ROSTER]
)
def test_scores_of_odd_sequences_are_numbers_and_the_same_again(name: str) -> None:
    first, second = ROSTER[name](EMPTY), ROSTER[name](EMPTY)
    other_seller = Events().created(0, "other", seller="other")
    untouched = first.score_one(other_seller)
    assert math.isfinite(untouched)
    for events in odd_sequences():
        found = scores(first, events)
        assert all(map(math.isfinite, found))
        assert found == scores(second, events)
        assert first.score_one(other_seller) == untouched


@pytest.mark.parametrize("name", [name for name in ROSTER if name not in GROUPS["ablations"]])
def test_a_blatant_cheat_is_more_suspicious_than_most(name: str) -> None:
    market, events = small_market()
    competitor = ROSTER[name](market)
    best: dict[str, float] = {}
    for event, score in zip(events, scores(competitor, events), strict=True):
        best[event.seller_id] = max(score, best.get(event.seller_id, score))
    cheats = {cheat.seller_id: cheat.paid_flips for cheat in market.truth}
    largest = max(cheats, key=cheats.__getitem__)
    assert cheats[largest] >= 20, "the market needs a large cheat"
    assert best[largest] > median(score for seller, score in best.items() if seller not in cheats)


@pytest.mark.parametrize("name", [name for name in ROSTER if name not in GROUPS["ablations"]])
def test_links_change_no_score(name: str) -> None:
    plain, make = list(odd_sequences())[-2], Events()
    with_links: list[SellerEvent] = []
    for event in plain:
        links = [make.linked(0, seller) for seller in ("s", "t")]
        with_links += [event, *(msgspec.structs.replace(link, occurred_at=event.occurred_at) for link in links)]
    found = scores(ROSTER[name](EMPTY), with_links)
    expected = scores(ROSTER[name](EMPTY), plain)
    assert found[::3] == found[1::3] == expected
    assert set(found[2::3]) == {ROSTER[name](EMPTY).score_one(make.linked(0, "t"))}


def test_links_are_no_time_in_which_a_seller_is_active() -> None:
    make = Events()
    events = [make.linked(0), make.created(10, "r"), make.edited(12, "r"), make.linked(50), make.linked(60, "t")]
    assert _seller_days(events) == 2


def test_the_tracker_reports_flips_and_standing_reviews() -> None:
    make, tracker = Events(), ReviewTracker()
    events = [
        *(make.created(day, f"r{day}") for day in range(4)),
        make.contacted(4, "r0"),
        make.looked_up(4, "r1"),
        make.edited(5, "r0", 4),
        make.deleted(6, "r1"),
        make.deleted(7, "r2", "platform"),
        make.edited(40, "r3", 5),
    ]
    first, second, stood, late = [outcome for event in events for outcome in tracker.learn_one(event)]
    assert (first.flipped, first.contact_hours, first.incentive, first.stars) == (True, 24, True, 3)
    assert (second.looked_up, second.retracted, second.contact_hours, second.age_days) == (True, True, None, 5)
    assert (stood.flipped, late.flipped) == (False, True)
    counts = tracker.sellers["s"]
    assert (counts.flips, counts.fresh, counts.flips_within_month(tracker.clock)) == (3, 0, 1)
    # Days of reviews younger than a month; the fourth is settled only by the event of the fortieth day.
    assert counts.exposure(tracker.clock) == 5 + 5 + 5 + 37


def test_eb05_is_the_quantile_of_the_posterior_mixture() -> None:
    # With equal gammas, or with a weight of only the first, the posterior is one gamma of shape 12 + 1 and rate 4 + 1.
    alone = gamma.ppf(0.05, 13, scale=1 / 5)
    assert eb05((1, 1, 1, 1, 0.5), 12, 4) == pytest.approx(alone)
    assert eb05((1, 1, 9, 2, 1 - 1e-12), 12, 4) == pytest.approx(alone, rel=1e-6)
    # The posterior weights are proportional to the counts' negative binomials.
    prior, (flips, expected) = (0.5, 0.5, 3.0, 1.0, 0.3), (7, 2.0)
    first, second = (nbinom.pmf(flips, a, b / (b + expected)) for a, b in ((0.5, 0.5), (3.0, 1.0)))
    share = 0.3 * first / (0.3 * first + 0.7 * second)
    low = eb05(prior, flips, expected)
    below = share * gamma.cdf(low, 7.5, scale=1 / 2.5) + (1 - share) * gamma.cdf(low, 10, scale=1 / 3)
    assert below == pytest.approx(0.05, abs=1e-6)


def test_competitors_are_chosen_by_name_and_by_group() -> None:
    assert list(select(["EB05", "products"])) == ["EB05", *GROUPS["products"]]
    with pytest.raises(LookupError, match="no competitor 'EB06'"):
        select(["EB06"])
