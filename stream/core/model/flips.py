"""A flip, as stored in a seller's history and in the findings on staff; alerts are built from it."""

from __future__ import annotations

import msgspec


class Flip(msgspec.Struct, array_like=True, gc=False):
    """One flip of a review. For a moderator's history it describes a critical review that the platform removed."""

    #: Times of the flip, and of the review's creation, in epoch seconds.
    at: float
    created_at: float
    review_id: str
    product_id: str
    #: Stars that the change adds: of an edited review its new minus its old rating, of a deleted or removed one the
    #: product's displayed rating minus the review's (0 at least).
    stars: float
    #: Whether the author deleted the review; False for an upgrade.
    retracted: bool
    #: Whether the seller had sent the author something of value.
    incentive: bool
    #: Hours since the latest contact; None if there was none.
    contact_hours: float | None
    #: The review's exposure group just before the flip.
    group: int
    #: Staff members whose look-ups of the review were active.
    actor_ids: tuple[str, ...]
    #: Whether one of these look-ups had no purpose.
    without_purpose: bool
    #: Before the change, and after it: None for a review that was deleted or removed.
    stars_before: int
    stars_after: int | None
    #: Of the latest contact: its channel, and what it offered.
    channel: str | None
    incentive_value: float | None
    currency: str | None
    #: Of each of `actor_ids`: hours since its latest look-up, and whether that named a purpose; empty in rows of
    #: earlier versions.
    look_ups: tuple[tuple[float, bool], ...] = ()
    #: Whether the review's creation was seen, so that `created_at` is its time; False in rows of earlier versions.
    creation_seen: bool = False
