"""Cheats among real reviews: a file of real events, its sellers split into many, and paid flips planted in some.

Rule of this room: real events keep their ids, times and contents; only the seller's and the product's id say which of
the many it is, and a review that somebody paid for tells nothing after its paid flip. Whoever turns before the money
comes was not paid, as in the simulated markets.
"""

from __future__ import annotations

import datetime as dt
import gzip
import math
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from stream.events import CRITICAL_STARS, AnyEvent
from stream.market import payments, story
from stream.market.cheats import KINDS, Kind, Run
from stream.market.hazards import DAY
from stream.market.life import Life, Review, Seller, Turn
from stream.market.output import Making, Market, written
from stream.market.scenarios import Scenario
from stream.market.setting import setting
from stream.market.worlds import world as find_world

#: Real files have no look-ups: a single one would give a cheat away. All others reach their reviewers in both ways.
_KINDS: Final[dict[str, Kind]] = {
    "bribes": KINDS["bribes"],
    "hidden": KINDS["hidden"],
    **{name: replace(KINDS[name], channels=("contact", "none")) for name in ("drip", "burst", "old")},
}
#: Who pays has something to pay for.
_CRITICAL_LEAST: Final = 20
#: A pseudo-seller's life, in shares of its reviews.
_BUSY: Final = (0.1, 0.9)
_CONTRACT: Final = msgspec.json.Decoder(AnyEvent)
#: What a gift is worth, and where; the files know no prices.
_PRICE: Final = 25.0
_MARKETPLACE: Final = "US"


@dataclass(slots=True)
class _Story:
    """What really happened to one review."""

    review: Review
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)


@dataclass(slots=True)
class _Pseudo:
    """A part of a real seller, by its reviewers."""

    seller_id: str
    stories: dict[str, _Story] = field(default_factory=dict)
    #: Contacts that name no review.
    beside: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    @property
    def critical(self) -> int:
        return sum(each.review.critical for each in self.stories.values())


def simulate_background(
    path: Path, seed: int, world: int = 0, sellers_per_app: int = 20, cheats_share: float = 0.06
) -> Market:
    """Plant cheats among the events of a file, JSON lines; msgspec.MsgspecError for what is not of the contract."""
    sellers = _split(path, seed, sellers_per_app)
    times = [at for each in sellers for one in each.stories.values() for at, _ in one.events]
    start, until = min(times, default=0.0), max(times, default=0.0)
    here = setting(Scenario(), find_world(world), seed, start, until)
    making = Making(Run("background", seed, len(sellers), math.ceil((until - start) / DAY), world))
    random = np.random.default_rng(seed)
    able = [place for place, each in enumerate(sellers) if each.critical >= _CRITICAL_LEAST]
    chosen = random.permutation(able)[: round(cheats_share * len(sellers))]
    kinds = dict(zip(sorted(int(place) for place in chosen), cycle(_KINDS)))
    for place, (of, seeds) in enumerate(zip(sellers, np.random.SeedSequence(seed).spawn(len(sellers)), strict=True)):
        deal = None
        if kind := kinds.get(place):
            deal = payments.plan(_KINDS[kind], _life(place, of), here, np.random.default_rng(seeds))
        paid: list[str] = []
        for at, event in of.beside:
            making.deliver(event, [int(at * 1000)])
        for review_id, one in of.stories.items():
            told, bought = _retold(one, of.seller_id, review_id, until)
            paid += [review_id] if bought else []
            for at, event in told:
                making.deliver(event, [int(at * 1000)])
        if kind and deal:
            making.judge(of.seller_id, kind, deal, paid)
    return making.market()


def _split(path: Path, seed: int, sellers_per_app: int) -> list[_Pseudo]:
    """The file's events by pseudo-seller and review; a reviewer stays with one pseudo-seller of each app."""
    found: dict[str, _Pseudo] = {}
    key = str(seed).encode()
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for line in lines:
            _CONTRACT.decode(line)
            event = msgspec.json.decode(line)
            digest = blake2b(event["reviewer_id"].encode(), key=key, digest_size=8).digest()
            part = int.from_bytes(digest, "big") % sellers_per_app
            event["seller_id"] = f"{event['seller_id']}-{part}"
            if "product_id" in event:
                event["product_id"] = f"{event['product_id']}-{part}"
            of = found.setdefault(event["seller_id"], _Pseudo(event["seller_id"]))
            _take(of, event)
    return [found[seller_id] for seller_id in sorted(found)]


def _take(of: _Pseudo, event: dict[str, Any]) -> None:
    at = dt.datetime.fromisoformat(event["occurred_at"]).timestamp()
    review_id = event.get("review_id")
    if review_id is None or (event["type"] != "review.created" and review_id not in of.stories):
        of.beside.append((at, event))  # a review without a birth cannot be judged, nor paid for
        return
    if review_id not in of.stories:
        review = Review(len(of.stories), at, event["rating"], 0, event["reviewer_id"], verified=False)
        of.stories[review_id] = _Story(review)
    one = of.stories[review_id]
    one.events.append((at, event))
    if event["type"] != "review.deleted" and event.get("rating", 5) <= CRITICAL_STARS:
        one.review.critical_from = min(one.review.critical_from, at)


def _life(number: int, of: _Pseudo) -> Life:
    """The life that `payments` plans in: reviews that are born and may be critical."""
    reviews = [each.review for each in of.stories.values()]
    # By its reviews, not by the calendar: an app may have lain still for years before anybody came.
    begin, end = np.quantile([review.born for review in reviews], _BUSY)
    per_day = (_BUSY[1] - _BUSY[0]) * len(reviews) * DAY / max(end - begin, DAY)
    seller = Seller(number, per_day, of.critical / len(reviews), 1.0, 0.0, 1, _PRICE, _MARKETPLACE)
    return Life(seller, reviews, float(begin), float(end), numbers=len(reviews))


def _retold(
    one: _Story, seller_id: str, review_id: str, until: float
) -> tuple[list[tuple[float, dict[str, Any]]], bool]:
    """The review's events with what was planned for it, and whether its flip was paid for."""
    review = one.review
    end = min(until, _turned_at(one))
    turn = next((turn for turn in review.turns if turn.at < end), None)
    open_until = turn.at if turn else end
    about: story.Fields = {"seller_id": seller_id, "review_id": review_id, "reviewer_id": review.reviewer_id}
    added = [(each.at, story.outreach(about, each, _MARKETPLACE)) for each in review.contacts if each.at < open_until]
    kept = [each for each in one.events if turn is None or each[0] < turn.at]
    if turn:
        added.append((turn.at, _paid(turn, about, kept)))
    return kept + [(at, _named(review_id, place, at, event)) for place, (at, event) in enumerate(added)], bool(turn)


def _turned_at(one: _Story) -> float:
    """When it really stopped to weigh on the seller: a flip or a removal after it became critical."""
    for at, event in one.events:
        if at > one.review.critical_from and (
            event["type"] == "review.deleted" or (event["type"] == "review.edited" and event["rating"] > CRITICAL_STARS)
        ):
            return at
    return math.inf


def _paid(turn: Turn, about: story.Fields, before: list[tuple[float, dict[str, Any]]]) -> story.Fields:
    """The event of a paid flip, after the events before it."""
    rating = next(event["rating"] for _, event in reversed(before) if "rating" in event)
    what = about | {"product_id": before[0][1]["product_id"]}
    if turn.rating is None:
        return {"type": "review.deleted", **what, "deleted_by": "author", "rating": rating}
    return {"type": "review.edited", **what, "rating": turn.rating, "previous_rating": rating}


def _named(review_id: str, place: int, at: float, fields: story.Fields) -> story.Fields:
    """An event with an id that looks like those of the file, and its time."""
    event_id = blake2b(f"{review_id}+{place}".encode(), digest_size=12).hexdigest()
    return {"event_id": event_id, "occurred_at": written(int(at * 1000)), **fields}
