"""A flip, as a seller's history keeps it and an alert tells it."""

from __future__ import annotations

import msgspec


class Flip(msgspec.Struct, array_like=True, gc=False):
    """What an alert tells about one flip."""

    at: float
    born_at: float
    review_id: str
    stars: float
    retracted: bool
    incentive: bool
    contact_hours: float | None
    arm: int
    #: Members of staff who answer for it.
    actors: tuple[str, ...]
