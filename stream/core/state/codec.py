"""State as rows of the state topic: their keys, and the encoding and decoding of their values.

Invariant: a value is msgpack of plain numbers and strings, decoded into declared types. Bytes from Kafka are decoded or
refused (StateError). They never run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Final

from librt.vecs import vec

from stream.core.baseline.arrivals import Arrivals
from stream.core.baseline.baseline import Baseline
from stream.core.model.encoding import ROW_VERSION, StateError, decode, encode
from stream.core.model.flip_windows import MAX_WINDOWS, N_COLUMNS
from stream.core.staff.client_exposure import ClientExposure, ClientSums
from stream.core.staff.exposure import Lookup, LookupSums, StaffExposure
from stream.core.state.model_version import difference
from stream.core.state.rows import (
    BaselineRow,
    ClientExposureRow,
    FlipRow,
    MetaRow,
    ProductRow,
    ReviewRow,
    SellerRow,
    StaffExposureRow,
    StratumRow,
)
from stream.core.subjects.exposure_sums import ExposureSums
from stream.core.subjects.product_rating import DriftBuffer, ProductRating
from stream.core.subjects.reviews import Review
from stream.core.subjects.seller import Seller

#: The kinds of rows, and the prefixes of their keys. A task has one row of each of the first five kinds (of the
#: patterns it has further rows).
META, BASELINE, PATTERNS, PROGRESS, ACCUSED = b"m/", b"n/", b"h/", b"g/", b"j/"
REVIEW, SELLER, FLIP, PRODUCT, EVENT_IDS, PENDING_CHANGE = b"r/", b"s/", b"f/", b"p/", b"d/", b"e/"
CLOSED_REVIEW, STAFF_EXPOSURE, UNCONCLUDED, STAFF_HISTORY = b"c/", b"a/", b"w/", b"b/"
CASE, QUEUE_MODEL, CLIENT_EXPOSURE, CONNECTOR = b"k/", b"q/", b"l/", b"i/"
TASK_REVIEWER, REVIEWER_HISTORY = b"t/", b"u/"


def review_row(review: Review) -> bytes:
    """Encode an open review."""
    return encode(
        ReviewRow(
            ROW_VERSION, review.product_id, review.reviewer_id, review.rating, review.created_at,
            review.contacted_at, review.looked_up_at, review.incentive, review.excluded,
            review.channel, review.incentive_value, review.currency,
            [(lookup.staff.actor_id, lookup.at, lookup.level, lookup.seller_weight, lookup.has_purpose)
             for lookup in review.lookups],
            review.creation_seen,
        )
    )  # fmt: skip


def review_of(name: str, value: bytes, sellers: Mapping[str, Seller], staff: Mapping[str, StaffExposure]) -> Review:
    """Decode an open review; its cell and timer are derived later.

    Raises:
        StateError: The row cannot be read, or its seller or a staff member is missing.
    """
    row = decode(value, ReviewRow)
    seller_id, _, review_id = name.partition(" ")
    seller = sellers.get(seller_id)
    if seller is None:
        raise StateError(f"the state topic holds review {review_id} of seller {seller_id}, but not that seller")
    review = Review(
        review_id, seller, row.product_id, row.reviewer_id, row.rating, row.created_at, row.contacted_at,
        row.looked_up_at, row.incentive, row.excluded, row.channel, row.incentive_value, row.currency,
    )  # fmt: skip
    review.creation_seen = row.creation_seen
    try:
        review.lookups = tuple(
            Lookup(staff[actor_id], staff[actor_id].get_or_add_client(seller_id), at, level, weight, has_purpose)
            for actor_id, at, level, weight, has_purpose in row.lookups
        )
    except KeyError as error:
        raise StateError(
            f"the state topic holds review {review_id}, which {error} looked up, but not that staff member"
        ) from None
    return review


def staff_exposure_row(staff: StaffExposure) -> bytes:
    """Encode a staff member's exposure in this task."""
    exposure = {
        number: (sums.reviews, sums.levels, sums.weights, sums.current, sums.current_weighted, sums.long_run)
        for number, sums in sorted(staff.exposure.items())
    }
    return encode(StaffExposureRow(ROW_VERSION, staff.first_seen, exposure, staff.today))


def staff_exposure_of(actor_id: str, value: bytes) -> StaffExposure:
    """Decode a staff member's exposure; raise StateError if the row cannot be read."""
    row = decode(value, StaffExposureRow)
    staff = StaffExposure(actor_id, row.first_seen)
    staff.exposure = {number: LookupSums(*sums) for number, sums in row.exposure.items()}
    staff.today = row.today
    return staff


def client_exposure_row(client: ClientExposure) -> bytes:
    """Encode a seller as a possible client of a staff member."""
    exposure = {
        number: (sums.reviews, sums.levels, sums.current, sums.long_run)
        for number, sums in sorted(client.exposure.items())
    }
    return encode(
        ClientExposureRow(
            ROW_VERSION, exposure, client.expected, client.expected_long_run, client.flips, client.first_flip_at,
            client.last_flip_at, client.reported,
        )
    )  # fmt: skip


def load_client_exposure(client: ClientExposure, value: bytes) -> None:
    """Restore a possible client from its row; raise StateError if the row cannot be read."""
    row = decode(value, ClientExposureRow)
    client.exposure = {number: ClientSums(*sums) for number, sums in row.exposure.items()}
    client.expected, client.expected_long_run = row.expected, row.expected_long_run
    client.flips, client.reported = row.flips, row.reported
    client.first_flip_at, client.last_flip_at = row.first_flip_at, row.last_flip_at


def seller_row(seller: Seller) -> bytes:
    """Encode a seller without its flips, field by field: no other row is larger or changes more often."""
    exposure = {
        number: (
            sums.plain,
            sums.looked_up,
            sums.current_plain,
            sums.current_looked_up,
            sums.long_run_plain,
            sums.long_run_looked_up,
        )
        for number, sums in sorted(seller.exposure.items())
    }
    arrivals = seller.arrivals
    arrivals_row = (
        arrivals.day,
        arrivals.today,
        arrivals.yesterday,
        arrivals.bombed,
        arrivals.decayed_count,
        arrivals.decayed_days,
    )
    return encode(
        SellerRow(
            ROW_VERSION, seller.first_seen, arrivals_row, seller.weight, exposure, seller.flips_by_group,
            seller.expected, seller.expected_long_run, seller.unsettled, seller.retracted_by_group,
            seller.looked_up_flips, seller.looked_up_expected, seller.decayed_expected, seller.decayed_at,
            seller.decayed_total, seller.flip_count, seller.log_odds, seller.alerted_at,
            seller.finding, seller.verdict, seller.links, seller.linked_report,
        )
    )  # fmt: skip


#: Fields of a seller that its row holds unchanged.
_PLAIN_FIELDS: Final = tuple(
    name for name in SellerRow.__struct_fields__ if name not in {"version", "exposure", "arrivals"}
)


def seller_of(seller_id: str, value: bytes) -> Seller:
    """Decode a seller without its flips; raise StateError if the row cannot be read."""
    row = decode(value, SellerRow)
    seller = Seller(seller_id, row.first_seen)
    for name in _PLAIN_FIELDS:
        setattr(seller, name, getattr(row, name))
    seller.arrivals = Arrivals(*row.arrivals)
    seller.exposure = {number: ExposureSums(*sums) for number, sums in row.exposure.items()}
    return seller


def flip_name(seller_id: str, number: int) -> str:
    """Return the name of a flip's row: a slot and the seller, so that the latest flip overwrites the oldest kept one.

    Args:
        seller_id: The seller.
        number: The number of the flip among all flips of the seller, from 0.
    """
    return f"{number % MAX_WINDOWS}/{seller_id}"


def flip_names(seller: Seller) -> list[str]:
    """Return the names of the rows of all kept flips of a seller."""
    kept = len(seller.flips)
    return [flip_name(seller.seller_id, number) for number in range(seller.flip_count - kept, seller.flip_count)]


def flip_row(seller: Seller, slot: int) -> bytes | None:
    """Encode the kept flip in a slot; None if that flip is not kept any more."""
    back = (seller.flip_count - 1 - slot) % MAX_WINDOWS + 1  # 1: the latest flip
    if back > len(seller.flips):
        return None
    first = len(seller.history) - back * N_COLUMNS
    history = list(seller.history[first : first + N_COLUMNS])
    return encode(FlipRow(ROW_VERSION, seller.flip_count - back, history, seller.flips[-back]))


def load_flips(seller: Seller, rows: list[FlipRow]) -> None:
    """Restore a seller's kept flips; raise StateError if some are missing."""
    rows.sort(key=lambda row: row.number)
    kept = seller.kept_flips()
    if [row.number for row in rows] != list(range(seller.flip_count - kept, seller.flip_count)):
        raise StateError(f"the state topic holds {len(rows)} of the latest {kept} flips of seller {seller.seller_id}")
    if any(len(row.history) != N_COLUMNS for row in rows):
        raise StateError(f"the history of seller {seller.seller_id} does not have {N_COLUMNS} columns")
    seller.history = vec[float](list(chain.from_iterable(row.history for row in rows)))
    seller.flips = [row.flip for row in rows]


def product_row(rating: ProductRating) -> bytes:
    """Encode a product's rating."""
    buffer = (rating.buffer.length, rating.buffer.changes)
    return encode(ProductRow(ROW_VERSION, rating.reviews, rating.stars, rating.events, rating.last_at, buffer))


def product_of(value: bytes) -> ProductRating:
    """Decode a product's rating; raise StateError if the row cannot be read."""
    row = decode(value, ProductRow)
    rating = ProductRating()
    rating.reviews, rating.stars, rating.events, rating.last_at = row.reviews, row.stars, row.events, row.last_at
    rating.load(DriftBuffer(*row.drift_buffer))
    return rating


def meta_row(
    clock: float,
    event_id_count: int,
    announced_through: int,
    counts: dict[str, int],
    model: dict[str, str],
    requested_through: int,
) -> bytes:
    """Encode the task's clock, counts and model version."""
    return encode(MetaRow(ROW_VERSION, clock, event_id_count, announced_through, counts, model, requested_through))


def meta_of(value: bytes, model: dict[str, str]) -> MetaRow:
    """Decode the meta row; raise StateError if another model wrote it."""
    row = decode(value, MetaRow)
    difference_text = difference(row.model, model)
    if difference_text:
        raise StateError(f"the state topic was written {difference_text}")
    return row


#: Fields of a baseline that its row holds unchanged.
_BASELINE_FIELDS: Final = tuple(name for name in BaselineRow.__struct_fields__ if name not in {"version", "strata"})


def baseline_row(baseline: Baseline) -> bytes:
    """Encode the task's baseline."""
    strata = [
        StratumRow(*(getattr(stratum, name) for name in StratumRow.__struct_fields__)) for stratum in baseline.strata
    ]
    return encode(
        BaselineRow(version=ROW_VERSION, strata=strata, **{name: getattr(baseline, name) for name in _BASELINE_FIELDS})
    )


def load_baseline(baseline: Baseline, value: bytes) -> None:
    """Restore the task's baseline; raise StateError if it has other strata."""
    row = decode(value, BaselineRow)
    if len(row.strata) != len(baseline.strata):
        raise StateError(
            f"the state topic holds a baseline of {len(row.strata)} strata; this Volteface has {len(baseline.strata)}"
        )
    for stratum, saved in zip(baseline.strata, row.strata, strict=True):
        for name in StratumRow.__struct_fields__:
            setattr(stratum, name, getattr(saved, name))
    for name in _BASELINE_FIELDS:
        setattr(baseline, name, getattr(row, name))
