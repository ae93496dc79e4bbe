"""The story of one review: its plans carried out in the order of time, as events of the contract.

Rule of this room: whatever ends a review ends all later plans, so a cause always stands before its effect. The
earliest flip wins, organic or paid; it is called paid only if the paid one came first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from stream.market.hazards import flip_at
from stream.market.honest import Contact, Review, Seller, Turn

#: An event without its id and time; fields as in the contract.
Fields = dict[str, str | int | float | bool]
Told = list[tuple[float, Fields]]

_CURRENCY: Final = {"US": "USD", "UK": "GBP", "DE": "EUR", "FR": "EUR"}


def review_id(of: Seller, review: Review) -> str:
    return f"r{of.number:04d}x{review.number}"


def tell(of: Seller, review: Review, until: float, previous_known: bool) -> tuple[Told, bool]:
    """Everything that happens to a review before `until`, in order, and whether its flip was paid for."""
    end = min(until, review.removed_at)
    flip, paid = _flip(of, review, end)
    about: Fields = {
        "seller_id": of.seller_id,
        "review_id": review_id(of, review),
        "reviewer_id": review.reviewer_id,
    }
    what = about | {"product_id": f"p{of.number:04d}x{review.product}", "marketplace": of.marketplace}
    created = what | {"rating": review.rating, "verified_purchase": review.verified}
    told: Told = [(review.born, {"type": "review.created", **created})]
    # Only the patience of an open critical review is worth a contact or a look-up.
    open_until = min(flip.at if flip else math.inf, end)
    told += ((each.at, _outreach(of, about, each)) for each in review.contacts if each.at < open_until)
    if review.looked_up and review.looked_up[0] < open_until:
        at, actor = review.looked_up
        told.append((at, {"type": "contact.accessed", **about, "actor_id": actor, "purpose": "support"}))
    told += _changes(review, flip, until, what, previous_known)
    told.sort(key=lambda each: each[0])
    return told, paid


def _flip(of: Seller, review: Review, end: float) -> tuple[Turn | None, bool]:
    """The first flip before `end`, if any, and whether it was the paid one."""
    if review.critical_from >= end:
        return None, False
    contacts = [each.at for each in review.contacts]
    at = flip_at(review.born, review.critical_from, contacts, of.frailty, review.budget, end)
    if review.paid and review.paid.at < min(at or math.inf, end):
        return review.paid, True
    return (None if at is None else Turn(at, review.organic_rating)), False


def _changes(
    review: Review, flip: Turn | None, until: float, what: Fields, previous_known: bool
) -> Iterator[tuple[float, Fields]]:
    """The edits and the end of a review, as the rating moves on."""
    plans: list[tuple[float, str, int | None]] = [(review.removed_at, "platform", None)]
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
        before: Fields = {"previous_rating": rating} if previous_known else {}
        rating = stars or rating
        yield at, {"type": "review.edited", **what, "rating": rating, **before}


def _outreach(of: Seller, about: Fields, contact: Contact) -> Fields:
    event: Fields = {"type": "outreach.sent", **about, "channel": contact.channel}
    if not contact.named:
        del event["review_id"]
    if contact.incentive_value is not None:
        event |= {"incentive_value": contact.incentive_value, "currency": _CURRENCY[of.marketplace]}
    return event
