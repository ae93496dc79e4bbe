"""The content of state rows, by kind.

Invariant: rows are plain numbers and strings of declared types, encoded by position. Any change here is a new version
of the state, but for a new last field that older rows do not have.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from stream.core.baseline.day_sums import DaySums
from stream.core.messages.reports import LinkedReport, StaffReport
from stream.core.model.finding import Finding
from stream.core.model.flips import Flip
from stream.core.model.verdict_effect import VerdictEffect
from stream.core.subjects.patterns import BINS


class ReviewRow(msgspec.Struct, array_like=True, gc=False):
    """An open critical review."""

    version: int
    product_id: str
    reviewer_id: str
    rating: int
    created_at: float
    contacted_at: float | None
    looked_up_at: float | None
    incentive: bool
    excluded: bool
    channel: str | None
    incentive_value: float | None
    currency: str | None
    lookups: list[tuple[str, float, float, float, bool]]  # staff member, and the other arguments of `Lookup`
    creation_seen: bool = False


class SellerRow(msgspec.Struct, array_like=True, gc=False):
    """A seller without its flips."""

    version: int
    first_seen: float
    arrivals: tuple[int, int, int, bool, float, float]  # the arguments of `Arrivals`
    weight: float
    exposure: dict[int, tuple[int, int, float, float, float, float]]  # by stratum, the arguments of `ExposureSums`
    flips_by_group: list[float]
    expected: list[float]
    expected_long_run: list[float]
    unsettled: list[float]
    retracted_by_group: list[float]
    looked_up_flips: float
    looked_up_expected: float
    decayed_expected: float
    decayed_at: float
    decayed_total: float
    flip_count: int
    log_odds: list[float]
    alerted_at: dict[str, float]
    finding: Finding | None
    verdict: VerdictEffect | None = None
    links: dict[str, str] = msgspec.field(default_factory=dict)
    linked_report: LinkedReport | None = None


class FlipRow(msgspec.Struct, array_like=True, gc=False):
    """One kept flip of a seller, written once."""

    version: int
    number: int  # among all flips of the seller, from 0
    history: list[float]  # (N_COLUMNS,), the row of `Seller.history`
    flip: Flip


class StaffExposureRow(msgspec.Struct, array_like=True, gc=False):
    """A staff member in one task."""

    version: int
    first_seen: float
    exposure: dict[int, tuple[int, float, float, float, float, float]]  # by stratum, the arguments of `LookupSums`
    today: StaffReport


class ClientExposureRow(msgspec.Struct, array_like=True, gc=False):
    """A seller as a possible client of a staff member; the fields are those of `ClientExposure`."""

    version: int
    exposure: dict[int, tuple[int, float, float, float]]  # by stratum, the arguments of `ClientSums`
    expected: float
    expected_long_run: float
    flips: int
    first_flip_at: float
    last_flip_at: float
    reported: bool


class ClosedReviewRow(msgspec.Struct, array_like=True, gc=False):
    """A critical review that flipped or was removed."""

    version: int
    closed_at: float  # epoch seconds


class PendingChangeRow(msgspec.Struct, array_like=True, gc=False):
    """An edit or deletion that came before its review's creation."""

    at: float  # when it occurred, in epoch seconds
    rating: int | None  # the rating that it left; None for a deletion
    number: int  # order of addition


class ProductRow(msgspec.Struct, array_like=True, gc=False):
    """A product's rating."""

    version: int
    reviews: int
    stars: int
    events: int
    last_at: float
    drift_buffer: tuple[int, list[tuple[int, float, float]]]  # the arguments of `DriftBuffer`


class MetaRow(msgspec.Struct, array_like=True, gc=False):
    """The task's clock, counts and model."""

    version: int
    clock: float  # epoch seconds
    event_id_count: int  # `Deduplicator.count`
    announced_through: int  # the last day that the task announced as over, in days since 1970-01-01
    counts: dict[str, int]
    #: By part, see `model_version`; the oldest rows have none.
    model: dict[str, str] = msgspec.field(default_factory=dict)
    requested_through: int = -1  # the last day that the aggregator has asked for and the task has not announced


class PatternsRow(msgspec.Struct, array_like=True, gc=False):
    """How many flips the pattern model has learned from, and the histogram of their scores."""

    version: int
    count: int
    scores: Annotated[list[int], msgspec.Meta(min_length=BINS, max_length=BINS)]


class StratumRow(msgspec.Struct, array_like=True, gc=False):
    """One stratum of the baseline; the fields are those of `Stratum`."""

    current_clock: float
    weight: float
    looked_up_weight: float
    reviews: int
    long_run_clock: float
    rate: float
    flips: float
    exposure: float
    exposure_today: float


class BaselineRow(msgspec.Struct, array_like=True, gc=False):
    """The task's baseline; the fields are those of `Baseline`."""

    version: int
    strata: list[StratumRow]
    day_started_at: float
    next_midnight: float
    hazard_ratio: float
    expected_rate: float
    looked_up_expected_rate: float
    looked_up_flips: float
    looked_up_expected: float
    day_weight: float
    total_flips: int
    total_retracted: int
    marks: list[float]
    today: DaySums
