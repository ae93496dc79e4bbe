"""State as rows: keys and values in bytes, versioned; what the changelog holds and a restore reads.

Rule of this room: msgpack of plain numbers and strings, decoded into declared types. Bytes that come from Kafka
can at worst be refused (StateError); they can never run code.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from stream.core.evidence import COLUMNS
from stream.core.norm import Norm
from stream.core.patterns import Display
from stream.core.reviews import Review
from stream.core.subjects import Flip, Seller

VERSION: Final = 1

META, NORM, PATTERNS = b"m", b"n", b"h"
REVIEW, SELLER, HISTORY, PRODUCT, SEEN, EARLY = b"r/", b"s/", b"f/", b"p/", b"d/", b"e/"

T = TypeVar("T")
encode = msgspec.msgpack.Encoder().encode


class StateError(Exception):
    """A row of the state topic that this version cannot read."""


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


class SellerRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    first_seen: float
    voice: float
    held: list[tuple[int, int, float, float]]
    flips_by_arm: list[float]
    expected: list[float]
    expected_long: list[float]
    retracted_by_arm: list[float]
    spoken: float
    spoken_at: float
    spoken_total: float
    log_odds: list[float]
    alerted_at: dict[str, float]


class HistoryRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    history: bytes
    flips: list[Flip]


class ProductRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    reviews: int
    stars: int
    events: int
    tape: list[list[float]]


class MetaRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    clock: float
    seen: int
    counts: dict[str, int]


class PatternsRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    counter: int
    first_window: bool
    masses: list[int]
    seen: list[int]


class NormRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    hazard: list[float]
    voices: list[float]
    reviews: list[int]
    clock: list[float]
    rate: list[float]
    flips: list[float]
    exposure: list[float]
    touched_at: list[float]
    next_day: float
    total_flips: int
    total_retracted: int


_decoders: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def decode(value: bytes, kind: type[T]) -> T:
    """A row's value as `kind`; raises StateError where it is damaged or of another version."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        row: T = decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError(f"a {kind.__name__} of the state topic cannot be read: {error}") from None
    version = getattr(row, "version", VERSION)
    if version != VERSION:
        raise StateError(f"a {kind.__name__} of the state topic has version {version}; this Volteface reads {VERSION}")
    return row


def review_row(review: Review) -> bytes:
    return encode(
        ReviewRow(
            VERSION, review.seller_id, review.product_id, review.reviewer_id, review.rating, review.created_at,
            review.contacted_at, review.looked_up_at, review.incentive,
        )
    )  # fmt: skip


def review_of(review_id: str, value: bytes) -> Review:
    row = decode(value, ReviewRow)
    review = Review(review_id, row.seller_id, row.product_id, row.reviewer_id, row.rating, row.created_at)
    review.contacted_at, review.looked_up_at, review.incentive = (
        row.contacted_at,
        row.looked_up_at,
        row.incentive,
    )
    return review


#: Fields of a seller that its row holds as they are.
_PLAIN_FIELDS: Final = tuple(name for name in SellerRow.__struct_fields__ if name not in {"version", "held"})


def seller_row(seller: Seller) -> bytes:
    held = [(cell, int(n), hazard, clock) for cell, (n, hazard, clock) in sorted(seller.held.items())]
    return encode(SellerRow(version=VERSION, held=held, **{name: getattr(seller, name) for name in _PLAIN_FIELDS}))


def seller_of(seller_id: str, value: bytes) -> Seller:
    row = decode(value, SellerRow)
    seller = Seller(seller_id, row.first_seen)
    for name in _PLAIN_FIELDS:
        setattr(seller, name, getattr(row, name))
    seller.held = {cell: [n, hazard, clock] for cell, n, hazard, clock in row.held}
    return seller


def history_row(seller: Seller) -> bytes:
    return encode(HistoryRow(VERSION, seller.history.astype("<f8").tobytes(), seller.flips))


def load_history(seller: Seller, value: bytes) -> None:
    row = decode(value, HistoryRow)
    if len(row.history) != 8 * COLUMNS * len(row.flips):
        raise StateError(f"the history of seller {seller.seller_id} does not match its {len(row.flips)} flips")
    seller.history = np.frombuffer(row.history, "<f8").reshape(-1, COLUMNS)
    seller.flips = row.flips


def product_row(display: Display) -> bytes:
    return encode(ProductRow(VERSION, display.reviews, display.stars, display.events, display.tape))


def product_of(value: bytes) -> Display:
    row = decode(value, ProductRow)
    display = Display()
    display.reviews, display.stars, display.events = row.reviews, row.stars, row.events
    display.load(row.tape)
    return display


def meta_row(clock: float, seen: int, counts: dict[str, int]) -> bytes:
    return encode(MetaRow(VERSION, clock, seen, counts))


#: Fields of the norm that its row holds as they are.
_NORM_FIELDS: Final = tuple(name for name in NormRow.__struct_fields__ if name != "version")


def norm_row(norm: Norm) -> bytes:
    return encode(NormRow(version=VERSION, **{name: getattr(norm, name) for name in _NORM_FIELDS}))


def load_norm(norm: Norm, value: bytes) -> None:
    row = decode(value, NormRow)
    for name in _NORM_FIELDS:
        setattr(norm, name, getattr(row, name))
