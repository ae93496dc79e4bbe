"""The story of one review: its plans carried out in the order of time, as events of the contract.

Rule of this room: whatever ends a review ends all later plans, so a cause always stands before its effect. The
earliest flip wins, organic or paid; it is called paid only if the paid one came first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from stream.market.hazards import Hazards, reached
from stream.market.life import Contact, Life, Review, Turn

#: An event without its id and time; fields as in the contract.
Fields = dict[str, str | int | float | bool]
Told = list[tuple[float, Fields]]

_CURRENCY: Final = {"US": "USD", "UK": "GBP", "DE": "EUR", "FR": "EUR"}


def tell(hazards: Hazards, life: Life, review: Review, until: float) -> tuple[Told, str | None]:
    """Everything that happens to a review before `until`, in order; and its id, if a flip or removal was paid for."""
    end = min(until, review.removed_at)
    flip = turned(hazards, life, review, end)
    removed_at = review.removed_at
    if review.removal_paid and flip:  # nobody pays for the removal of what does no more harm
        removed_at = math.inf
    of = life.seller
    about: Fields = {
        "seller_id": review.seller_id or of.seller_id,
        "review_id": _id(of.number, review, review.born),
        "reviewer_id": review.reviewer_id,
    }
    what = about | {"product_id": f"p{of.number:04d}x{review.product}", "marketplace": of.marketplace}
    created = what | {"rating": review.rating, "verified_purchase": review.verified}
    told: Told = [(review.born, {"type": "review.created", **created})]
    # Only the patience of an open critical review is worth a contact or a look-up.
    open_until = min(flip.at if flip else math.inf, end)
    told += ((each.at, outreach(about, each, of.marketplace)) for each in review.contacts if each.at < open_until)
    told += ((each.at, look_up(about, each.actor_id)) for each in review.look_ups if each.at < open_until)
    told += _changes(review, flip, removed_at, until, what)
    told.sort(key=lambda each: each[0])
    if review.imported_at < until:
        told = _imported(told, created, review.imported_at, _id(of.number, review, review.imported_at))
    paid_at = flip.at if flip and flip.paid else removed_at if review.removal_paid else math.inf
    return told, _id(of.number, review, paid_at) if paid_at < until else None


def _id(number: int, review: Review, at: float) -> str:
    """The review's id at that time."""
    return f"r{number:04d}{'x' if at < review.imported_at else 'y'}{review.number}"


def hazard(hazards: Hazards, life: Life, review: Review, end: float) -> Iterator[tuple[float, float, float]]:
    """The pieces of a critical review's honest hazard, until `end`; none if it is not critical by then."""
    if review.critical_from >= end:
        return iter(())
    contacts = [each.at for each in review.contacts]
    boosts = [*life.boosts, *review.boosts]
    return hazards.pieces(review.born, review.critical_from, contacts, life.seller.frailty, end, boosts)


def turned(hazards: Hazards, life: Life, review: Review, end: float) -> Turn | None:
    """The first flip before `end`, if any."""
    if review.critical_from >= end:
        return None
    at = reached(hazard(hazards, life, review, end), review.budget)
    turns = [turn for turn in review.turns if turn.at < end]
    if at is not None:
        turns.insert(0, Turn(at, review.organic_rating))
    return min(turns, key=lambda turn: turn.at, default=None)


def _changes(
    review: Review, flip: Turn | None, removed_at: float, until: float, what: Fields
) -> Iterator[tuple[float, Fields]]:
    """The edits and the end of a review, as the rating moves on."""
    plans: list[tuple[float, str, int | None]] = [(removed_at, "platform", None)]
    if flip:
        plans.append((flip.at, "edited" if flip.rating else "author", flip.rating))
    if review.edit:
        at, stars = review.edit
        # After a flip only words still change: another change of stars would be another story.
        plans.append((at, "edited", None if flip and flip.at <= at else stars))
    rating = review.rating
    for at, plan, stars in sorted(plans, key=lambda each: each[0]):
        if at >= until:
            return
        if plan != "edited":
            gone: Fields = {"type": "review.deleted", **what, "deleted_by": plan, "rating": rating}
            yield at, gone | ({"actor_id": review.removed_by} if plan == "platform" and review.removed_by else {})
            return
        before: Fields = {"previous_rating": rating} if review.previous_known else {}
        rating = stars or rating
        yield at, {"type": "review.edited", **what, "rating": rating, **before}


def _imported(told: Told, created: Fields, at: float, new_id: str) -> Told:
    """The same story if the review was deleted and created again at some time, with what it was then.

    It looks new; its author's patience is as old as it was.
    """
    before = [each for each in told if each[0] < at]
    if before[-1][1]["type"] == "review.deleted":
        return told
    renamed = [
        (when, fields | {"review_id": new_id} if "review_id" in fields else fields)
        for when, fields in told[len(before) :]
    ]
    rating = next(fields["rating"] for _, fields in reversed(before) if "rating" in fields)
    gone = {name: value for name, value in created.items() if name != "verified_purchase"}
    deleted: Fields = {"type": "review.deleted", **gone, "deleted_by": "platform", "rating": rating}
    again: Fields = {"type": "review.created", **created, "review_id": new_id, "rating": rating}
    return [*before, (at, deleted), (at, again), *renamed]


def outreach(about: Fields, contact: Contact, marketplace: str) -> Fields:
    """The event of a contact about a review."""
    event: Fields = {"type": "outreach.sent", **about, "channel": contact.channel}
    if not contact.named:
        del event["review_id"]
    if contact.incentive_value is not None:
        event |= {"incentive_value": contact.incentive_value, "currency": _CURRENCY[marketplace]}
    return event


def look_up(about: Fields, actor_id: str) -> Fields:
    """The event of a look-up; whatever it was for, it says that it was for support."""
    return {"type": "contact.accessed", **about, "actor_id": actor_id, "purpose": "support"}
