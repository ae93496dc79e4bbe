"""State as rows: keys and values in bytes, versioned; what the changelog holds and a restore reads.

Rule of this room: msgpack of plain numbers and strings, decoded into declared types. Bytes that come from Kafka
can at worst be refused (StateError); they can never run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
import numpy as np

from stream.core.display import Display, Tape
from stream.core.evidence import COLUMNS, WINDOWS
from stream.core.flips import Flip
from stream.core.norm import Norm
from stream.core.patterns import BINS
from stream.core.reviews import Review
from stream.core.subjects import Held, Seller

VERSION: Final = 1

#: Kinds of rows, and the beginnings of their keys; of the first three there is one row a task.
META, NORM, PATTERNS = b"m/", b"n/", b"h/"
REVIEW, SELLER, FLIP, PRODUCT, SEEN, EARLY = b"r/", b"s/", b"f/", b"p/", b"d/", b"e/"

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
    held: dict[int, tuple[int, int, float, float, float]]  # by band, a `Held`
    flips_by_arm: list[float]
    expected: list[float]
    expected_long: list[float]
    retracted_by_arm: list[float]
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
    counts: dict[str, int]


class PatternsRow(msgspec.Struct, array_like=True, gc=False):
    version: int
    count: int
    scores: Annotated[list[int], msgspec.Meta(min_length=BINS, max_length=BINS)]


class BandRow(msgspec.Struct, array_like=True, gc=False):
    hazard: float
    voices: float
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
            VERSION, review.seller.seller_id, review.product_id, review.reviewer_id, review.rating, review.created_at,
            review.contacted_at, review.looked_up_at, review.incentive,
        )
    )  # fmt: skip


def review_of(review_id: str, value: bytes, sellers: Mapping[str, Seller]) -> Review:
    row = decode(value, ReviewRow)
    seller = sellers.get(row.seller_id)
    if seller is None:
        raise StateError(f"the state topic holds review {review_id} of seller {row.seller_id}, but not the seller")
    return Review(
        review_id, seller, row.product_id, row.reviewer_id, row.rating, row.created_at, row.contacted_at,
        row.looked_up_at, row.incentive,
    )  # fmt: skip


#: Fields of a seller that its row holds as they are.
_PLAIN_FIELDS: Final = tuple(name for name in SellerRow.__struct_fields__ if name not in {"version", "held"})


def seller_row(seller: Seller) -> bytes:
    held = {
        number: (one.plain, one.looked_up, one.hazard, one.long_plain, one.long_looked_up)
        for number, one in sorted(seller.held.items())
    }
    return encode(SellerRow(version=VERSION, held=held, **{name: getattr(seller, name) for name in _PLAIN_FIELDS}))


def seller_of(seller_id: str, value: bytes) -> Seller:
    row = decode(value, SellerRow)
    seller = Seller(seller_id, row.first_seen)
    for name in _PLAIN_FIELDS:
        setattr(seller, name, getattr(row, name))
    seller.held = {number: Held(*one) for number, one in row.held.items()}
    return seller


def flip_name(seller_id: str, number: int) -> str:
    """What a flip's key says after its kind: a slot, so that a seller's oldest kept flip makes room for its latest."""
    return f"{number % WINDOWS}/{seller_id}"


def flip_names(seller: Seller) -> list[str]:
    """The names of all its kept flips."""
    kept = len(seller.flips)
    return [flip_name(seller.seller_id, number) for number in range(seller.flip_count - kept, seller.flip_count)]


def flip_row(seller: Seller, slot: int) -> bytes:
    """The row of the kept flip in this slot."""
    back = (seller.flip_count - 1 - slot) % WINDOWS + 1
    history = seller.history[-back].tolist()
    return encode(FlipRow(VERSION, seller.flip_count - back, history, seller.flips[-back]))


def load_flips(seller: Seller, rows: list[FlipRow]) -> None:
    """Take a seller's kept flips back; raises StateError where some are missing."""
    rows.sort(key=lambda row: row.number)
    kept = min(seller.flip_count, WINDOWS)
    if [row.number for row in rows] != list(range(seller.flip_count - kept, seller.flip_count)):
        raise StateError(f"of the latest {kept} flips of seller {seller.seller_id} the state topic holds {len(rows)}")
    if any(len(row.history) != COLUMNS for row in rows):
        raise StateError(f"the history of seller {seller.seller_id} has not {COLUMNS} columns")
    seller.history = np.array([row.history for row in rows]).reshape(-1, COLUMNS)
    seller.flips = [row.flip for row in rows]


def product_row(display: Display) -> bytes:
    tape = (display.tape.length, display.tape.turns)
    return encode(ProductRow(VERSION, display.reviews, display.stars, display.events, display.last_at, tape))


def product_of(value: bytes) -> Display:
    row = decode(value, ProductRow)
    display = Display()
    display.reviews, display.stars, display.events, display.last_at = row.reviews, row.stars, row.events, row.last_at
    display.load(Tape(*row.tape))
    return display


def meta_row(clock: float, seen: int, counts: dict[str, int]) -> bytes:
    return encode(MetaRow(VERSION, clock, seen, counts))


def norm_row(norm: Norm) -> bytes:
    bands = [BandRow(*(getattr(band, name) for name in BandRow.__struct_fields__)) for band in norm.bands]
    return encode(NormRow(VERSION, bands, norm.day_began, norm.next_day, norm.total_flips, norm.total_retracted))


def load_norm(norm: Norm, value: bytes) -> None:
    row = decode(value, NormRow)
    if len(row.bands) != len(norm.bands):
        raise StateError(
            f"the state topic holds a norm of {len(row.bands)} bands; this Volteface has {len(norm.bands)}"
        )
    for band, saved in zip(norm.bands, row.bands, strict=True):
        for name in BandRow.__struct_fields__:
            setattr(band, name, getattr(saved, name))
    norm.day_began, norm.next_day = row.day_began, row.next_day
    norm.total_flips, norm.total_retracted = row.total_flips, row.total_retracted
