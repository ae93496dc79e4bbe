"""What a row of the state topic holds, by kind.

Rule of this room: plain numbers and strings under declared types; a change here is a new version of the state.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from stream.core.flips import Flip
from stream.core.patterns import BINS
from stream.core.reports import DayReport, StaffReport, Sums


class ReviewRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    seller_id: str
    product_id: str
    reviewer_id: str
    rating: int
    created_at: float
    contacted_at: float | None
    looked_up_at: float | None
    incentive: bool
    outside: bool
    accesses: list[tuple[str, float, float, float]]  # staff, when, weight, voice


class SellerRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    first_seen: float
    births: tuple[int, int, int, bool, float, float]  # a `Births`
    voice: float
    held: dict[int, tuple[int, int, float, float, float, float]]  # by band, a `Held`
    flips_by_arm: list[float]
    expected: list[float]
    expected_long: list[float]
    unshared: list[float]
    retracted_by_arm: list[float]
    looked_up_flips: float
    looked_up_expected: float
    spoken: float
    spoken_at: float
    spoken_total: float
    flip_count: int
    log_odds: list[float]
    alerted_at: dict[str, float]


class FlipRow(msgspec.Struct, array_like=True, gc=False):
    """A flip and the totals before it: one row for each of a seller's latest flips, written once."""

    version: int
    number: int
    history: list[float]
    flip: Flip


class StaffRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    first_seen: float
    held: dict[int, tuple[int, float, float, float, float, float]]  # by band, a `Portion`
    today: StaffReport


class PendingRow(msgspec.Struct, array_like=True, gc=False):
    """What was told of a day that is not judged yet."""

    version: int
    report: StaffReport | DayReport


class EarlyRow(msgspec.Struct, array_like=True, gc=False):
    """When the change occurred, the rating it left (None: deleted), and its place in the order of remembering."""

    at: float
    rating: int | None
    number: int


class ProductRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    reviews: int
    stars: int
    events: int
    last_at: float
    tape: tuple[int, list[tuple[int, float, float]]]


class MetaRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    clock: float
    seen: int
    told: int
    counts: dict[str, int]
    #: By part, see `model`; rows from before it was told have none.
    model: dict[str, str] = msgspec.field(default_factory=dict)


class PatternsRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    count: int
    scores: Annotated[list[int], msgspec.Meta(min_length=BINS, max_length=BINS)]


class BandRow(msgspec.Struct, array_like=True, gc=False):
    now: float
    voices: float
    looked_up: float
    reviews: int
    clock: float
    rate: float
    flips: float
    exposure: float
    today: float


class NormRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    bands: list[BandRow]
    day_began: float
    next_day: float
    tempo: float
    vigor: float
    looked_up_vigor: float
    looked_up_flips: float
    looked_up_expected: float
    fresh: float
    total_flips: int
    total_retracted: int
    today: Sums
