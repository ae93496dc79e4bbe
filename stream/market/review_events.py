"""From the plans for one review to its events, in the order of time.

Invariant: an event that ends a review cancels all later plans, so a cause always precedes its effect. The earliest
flip counts, organic or paid, and is paid only if the paid flip came first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from stream.market.hazards import Hazards, time_reached
from stream.market.plans import PlannedContact, PlannedFlip, SellerPlan, SimulatedReview

#: An event without its id and time; fields as in the contract.
Fields = dict[str, str | int | float | bool]
#: Events with their times, epoch seconds.
TimedEvents = list[tuple[float, Fields]]


class SimulatedOutcome(NamedTuple):
    """What becomes of a review before the end of the run."""

    #: In the order of time.
    events: TimedEvents
    #: The review's id at a paid flip or removal; None if there is none.
    paid_id: str | None
    #: Its first flip, its id then, and the time of the event.
    flip: PlannedFlip | None
    flip_id: str
    flip_at: float


_CURRENCY: Final = {"US": "USD", "UK": "GBP", "DE": "EUR", "FR": "EUR"}


def review_events(hazards: Hazards, plan: SellerPlan, review: SimulatedReview, until: float) -> SimulatedOutcome:
    """Return a review's events before `until`, and its paid removal or its flip."""
    end = min(until, review.removed_at)
    flip = first_flip(hazards, plan, review, end)
    removed_at = review.removed_at
    if review.removal_paid and flip:  # a seller does not pay for the removal of a review that has flipped
        removed_at = math.inf
    seller = plan.seller
    about: Fields = {
        "seller_id": review.seller_id or seller.seller_id,
        "review_id": _id_at(seller.number, review, review.created_at),
        "reviewer_id": review.reviewer_id,
    }
    described = about | {"product_id": f"p{seller.number:04d}x{review.product}", "marketplace": seller.marketplace}
    created = described | {"rating": review.rating, "verified_purchase": review.verified}
    events: TimedEvents = [(review.created_at, {"type": "review.created", **created})]
    # Contacts and look-ups concern open critical reviews only.
    open_until = min(flip.at if flip else math.inf, end)
    events += (
        (each.at, outreach_event(about, each, seller.marketplace)) for each in review.contacts if each.at < open_until
    )
    events += ((each.at, access_event(about, each.actor_id)) for each in review.look_ups if each.at < open_until)
    events += _edits_and_deletion(review, flip, removed_at, until, described)
    events.sort(key=lambda each: each[0])
    if review.imported_at < until:
        new_id = _id_at(seller.number, review, review.imported_at)
        events = _imported(events, created, review.imported_at, new_id)
    held = plan.held if review.imported_at == math.inf else ()  # an import comes between changes, and keeps their order
    if held:
        events = _released(events, held, until)
    paid_at = flip.at if flip and flip.paid else removed_at if review.removal_paid else math.inf
    return SimulatedOutcome(
        events,
        _id_at(seller.number, review, paid_at) if paid_at < until else None,
        flip,
        _id_at(seller.number, review, flip.at) if flip else "",
        _release_time(flip.at, held, until) if flip else math.inf,
    )


def _id_at(number: int, review: SimulatedReview, at: float) -> str:
    """Return the review's id at this time."""
    return f"r{number:04d}{'x' if at < review.imported_at else 'y'}{review.number}"


def honest_hazard(
    hazards: Hazards, plan: SellerPlan, review: SimulatedReview, end: float
) -> Iterator[tuple[float, float, float]]:
    """Return the pieces of a review's hazard of an unpaid flip until `end`; none if it is not critical by then."""
    if review.critical_from >= end:
        return iter(())
    contacts = [each.at for each in review.contacts]
    boosts = [*plan.boosts, *review.boosts]
    return hazards.pieces(review.created_at, review.critical_from, contacts, plan.seller.frailty, end, boosts)


def first_flip(hazards: Hazards, plan: SellerPlan, review: SimulatedReview, end: float) -> PlannedFlip | None:
    """Return the first flip before `end`, if any."""
    if review.critical_from >= end:
        return None
    at = time_reached(honest_hazard(hazards, plan, review, end), review.hazard_threshold)
    flips = [flip for flip in review.flips if flip.at < end]
    if at is not None:
        flips.insert(0, PlannedFlip(at, review.organic_rating))
    return min(flips, key=lambda flip: flip.at, default=None)


def _edits_and_deletion(
    review: SimulatedReview, flip: PlannedFlip | None, removed_at: float, until: float, described: Fields
) -> Iterator[tuple[float, Fields]]:
    """Yield the edits and the deletion of a review; each carries the rating that the events before it left."""
    plans: list[tuple[float, str, int | None]] = [(removed_at, "platform", None)]
    if flip:
        plans.append((flip.at, "edited" if flip.rating else "author", flip.rating))
    if review.edit:
        at, stars = review.edit
        # After a flip only the text changes: a further change of stars could be a second flip.
        plans.append((at, "edited", None if flip and flip.at <= at else stars))
    if review.closed_at < until and not (flip and flip.rating is None):
        plans.append((review.closed_at, "author", None))
    rating = review.rating
    for at, change, stars in sorted(plans, key=lambda each: each[0]):
        if at >= until:
            return
        if change != "edited":
            deleted: Fields = {"type": "review.deleted", **described, "deleted_by": change, "rating": rating}
            yield at, deleted | ({"actor_id": review.removed_by} if change == "platform" and review.removed_by else {})
            return
        previous: Fields = {"previous_rating": rating} if review.previous_known else {}
        rating = stars or rating
        yield at, {"type": "review.edited", **described, "rating": rating, **previous}


def _imported(events: TimedEvents, created: Fields, at: float, new_id: str) -> TimedEvents:
    """Return the events of a review that the platform deletes and creates again at a time, with its rating then.

    The review looks new, but its author's hazard continues at the true age.
    """
    before = [each for each in events if each[0] < at]
    if before[-1][1]["type"] == "review.deleted":
        return events
    renamed = [
        (when, fields | {"review_id": new_id} if "review_id" in fields else fields)
        for when, fields in events[len(before) :]
    ]
    rating = next(fields["rating"] for _, fields in reversed(before) if "rating" in fields)
    described = {name: value for name, value in created.items() if name != "verified_purchase"}
    deleted: Fields = {"type": "review.deleted", **described, "deleted_by": "platform", "rating": rating}
    created_again: Fields = {"type": "review.created", **created, "review_id": new_id, "rating": rating}
    return [*before, (at, deleted), (at, created_again), *renamed]


def _released(events: TimedEvents, held: tuple[tuple[float, float], ...], until: float) -> TimedEvents:
    """Return the events with the times at which the platform writes the changes that it held back."""
    moved = [
        (_release_time(at, held, until) if fields["type"] in {"review.edited", "review.deleted"} else at, fields)
        for at, fields in events
    ]
    return sorted(moved, key=lambda each: each[0])


def _release_time(at: float, held: tuple[tuple[float, float], ...], until: float) -> float:
    """Return the end of the span that a change of this time is held back in; the time itself if there is none."""
    return next((end for begin, end in held if begin <= at < end < until), at)


def outreach_event(about: Fields, contact: PlannedContact, marketplace: str) -> Fields:
    """Return the event of a contact about a review."""
    event: Fields = {"type": "outreach.sent", **about, "channel": contact.channel}
    if not contact.named:
        del event["review_id"]
    if contact.incentive_value is not None:
        event |= {"incentive_value": contact.incentive_value, "currency": _CURRENCY[marketplace]}
    return event


def access_event(about: Fields, actor_id: str) -> Fields:
    """Return the event of a look-up; honest and sold look-ups both give the purpose `support`."""
    return {"type": "contact.accessed", **about, "actor_id": actor_id, "purpose": "support"}
