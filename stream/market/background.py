"""Cheats among real reviews: split each seller of a file of real events into many, and plant paid flips in some.

Invariant: real events keep their ids, times and contents. Only the ids of seller and product change, to name the part;
and a review has no events after its paid flip. As in the simulated markets, an author who flips before the payment
comes was not paid.
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

from stream.contract.events import CRITICAL_STARS, AnyEvent, SellerLinked
from stream.market import payments
from stream.market.cheats import KINDS, CheatKind, Run
from stream.market.hazards import DAY
from stream.market.output import Market, MarketBuilder, rfc3339
from stream.market.plans import PlannedFlip, SellerPlan, SimulatedReview, SimulatedSeller
from stream.market.review_events import Fields, outreach_event
from stream.market.run_context import run_context
from stream.market.scenarios import Scenario
from stream.market.worlds import world as find_world

#: Real files have no look-ups: a single one would give a cheat away. The other kinds use the other channels.
_KINDS: Final[dict[str, CheatKind]] = {
    "bribes": KINDS["bribes"],
    "hidden": KINDS["hidden"],
    **{name: replace(KINDS[name], channels=("contact", "none")) for name in ("drip", "burst", "old")},
}
#: Only sellers with this many critical reviews become cheats: others have little to pay for.
_CRITICAL_LEAST: Final = 20
#: Begin and end of a pseudo-seller's plan, as quantiles of the times of its reviews.
_ACTIVE: Final = (0.1, 0.9)
_CONTRACT: Final = msgspec.json.Decoder(AnyEvent)
#: The price of a product, and the marketplace: the files have no prices.
_PRICE: Final = 25.0
_MARKETPLACE: Final = "US"

TimedJson = tuple[float, dict[str, Any]]


@dataclass(slots=True)
class _RealReview:
    """A real review: its events with their times (epoch seconds), and the plans for it."""

    review: SimulatedReview
    events: list[TimedJson] = field(default_factory=list)


@dataclass(slots=True)
class _PseudoSeller:
    """A part of a real seller, by its reviewers."""

    seller_id: str
    reviews: dict[str, _RealReview] = field(default_factory=dict)
    #: Events that cannot be assigned to a review: contacts that name none, and events of a review without a creation.
    unassigned: list[TimedJson] = field(default_factory=list)

    @property
    def critical(self) -> int:
        return sum(each.review.critical for each in self.reviews.values())


def simulate_background(
    path: Path, seed: int, world: int = 0, sellers_per_app: int = 20, cheats_share: float = 0.06
) -> Market:
    """Plant cheats among the events of a JSON lines file; raise msgspec.MsgspecError for lines outside the contract.

    Args:
        sellers_per_app: Into how many pseudo-sellers each real seller is split.
        cheats_share: The share of the pseudo-sellers that cheat.
    """
    sellers = _split(path, seed, sellers_per_app)
    times = [at for seller in sellers for real in seller.reviews.values() for at, _ in real.events]
    start, until = min(times, default=0.0), max(times, default=0.0)
    context = run_context(Scenario(), find_world(world), seed, start, until)
    builder = MarketBuilder(Run("background", seed, len(sellers), math.ceil((until - start) / DAY), world))
    random = np.random.default_rng(seed)
    able = [place for place, seller in enumerate(sellers) if seller.critical >= _CRITICAL_LEAST]
    chosen = random.permutation(able)[: round(cheats_share * len(sellers))]
    kinds = dict(zip(sorted(int(place) for place in chosen), cycle(_KINDS)))
    all_seeds = np.random.SeedSequence(seed).spawn(len(sellers))
    for place, (seller, seeds) in enumerate(zip(sellers, all_seeds, strict=True)):
        deal = None
        if kind := kinds.get(place):
            plan = _plan(place, seller)
            deal = payments.plan_payments(_KINDS[kind], plan, context, np.random.default_rng(seeds))
        paid: list[str] = []
        for at, event in seller.unassigned:
            builder.add_event(event, [int(at * 1000)])
        for review_id, real in seller.reviews.items():
            events, is_paid = _with_payments(real, seller.seller_id, review_id, until)
            paid += [review_id] if is_paid else []
            for at, event in events:
                builder.add_event(event, [int(at * 1000)])
        if kind and deal:
            builder.add_cheat(seller.seller_id, kind, deal, paid)
    return builder.build()


def _split(path: Path, seed: int, sellers_per_app: int) -> list[_PseudoSeller]:
    """Assign the file's events to pseudo-sellers and reviews; a reviewer stays with one pseudo-seller of each app."""
    found: dict[str, _PseudoSeller] = {}
    key = str(seed).encode()
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for line in lines:
            if isinstance(_CONTRACT.decode(line), SellerLinked):
                continue  # the parts of a seller stand for sellers that have nothing in common
            event = msgspec.json.decode(line)
            digest = blake2b(event["reviewer_id"].encode(), key=key, digest_size=8).digest()
            part = int.from_bytes(digest, "big") % sellers_per_app
            event["seller_id"] = f"{event['seller_id']}-{part}"
            if "product_id" in event:
                event["product_id"] = f"{event['product_id']}-{part}"
            seller = found.setdefault(event["seller_id"], _PseudoSeller(event["seller_id"]))
            _add_event(seller, event)
    return [found[seller_id] for seller_id in sorted(found)]


def _add_event(seller: _PseudoSeller, event: dict[str, Any]) -> None:
    at = dt.datetime.fromisoformat(event["occurred_at"]).timestamp()
    review_id = event.get("review_id")
    if review_id is None or (event["type"] != "review.created" and review_id not in seller.reviews):
        seller.unassigned.append((at, event))  # a review without a creation cannot be planned for
        return
    if review_id not in seller.reviews:
        review = SimulatedReview(len(seller.reviews), at, event["rating"], 0, event["reviewer_id"], verified=False)
        seller.reviews[review_id] = _RealReview(review)
    real = seller.reviews[review_id]
    real.events.append((at, event))
    if event["type"] != "review.deleted" and event.get("rating", 5) <= CRITICAL_STARS:
        real.review.critical_from = min(real.review.critical_from, at)


def _plan(number: int, pseudo: _PseudoSeller) -> SellerPlan:
    """Return the plan to which `payments` adds: its reviews only have a creation and a time when they are critical."""
    reviews = [each.review for each in pseudo.reviews.values()]
    # By reviews and not by the calendar: an app may have had no reviews for years.
    begin, end = np.quantile([review.created_at for review in reviews], _ACTIVE)
    per_day = (_ACTIVE[1] - _ACTIVE[0]) * len(reviews) * DAY / max(end - begin, DAY)
    seller = SimulatedSeller(number, per_day, pseudo.critical / len(reviews), 1.0, 0.0, 1, _PRICE, _MARKETPLACE)
    return SellerPlan(seller, reviews, float(begin), float(end), numbers_used=len(reviews))


def _with_payments(real: _RealReview, seller_id: str, review_id: str, until: float) -> tuple[list[TimedJson], bool]:
    """Return the review's events together with those planned for it, and whether its flip was paid."""
    review = real.review
    end = min(until, _real_end(real))
    flip = next((flip for flip in review.flips if flip.at < end), None)
    open_until = flip.at if flip else end
    about: Fields = {"seller_id": seller_id, "review_id": review_id, "reviewer_id": review.reviewer_id}
    added = [(each.at, outreach_event(about, each, _MARKETPLACE)) for each in review.contacts if each.at < open_until]
    kept = [each for each in real.events if flip is None or each[0] < flip.at]
    if flip:
        added.append((flip.at, _flip_event(flip, about, kept)))
    return kept + [(at, _with_id(review_id, place, at, event)) for place, (at, event) in enumerate(added)], bool(flip)


def _real_end(real: _RealReview) -> float:
    """Return the time of its real flip or removal after it became critical; infinity if there is none."""
    for at, event in real.events:
        if at > real.review.critical_from and (
            event["type"] == "review.deleted" or (event["type"] == "review.edited" and event["rating"] > CRITICAL_STARS)
        ):
            return at
    return math.inf


def _flip_event(flip: PlannedFlip, about: Fields, before: list[TimedJson]) -> Fields:
    """Return the event of a paid flip, given the review's events before it."""
    rating = next(event["rating"] for _, event in reversed(before) if "rating" in event)
    described = about | {"product_id": before[0][1]["product_id"]}
    if flip.rating is None:
        return {"type": "review.deleted", **described, "deleted_by": "author", "rating": rating}
    return {"type": "review.edited", **described, "rating": flip.rating, "previous_rating": rating}


def _with_id(review_id: str, place: int, at: float, fields: Fields) -> Fields:
    """Return the event with its time and an id that looks like those of the file."""
    event_id = blake2b(f"{review_id}+{place}".encode(), digest_size=12).hexdigest()
    return {"event_id": event_id, "occurred_at": rfc3339(int(at * 1000)), **fields}
