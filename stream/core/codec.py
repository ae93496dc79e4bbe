"""State as rows: keys and values in bytes, versioned; what the changelog holds and a restore reads.

Rule of this room: msgpack of plain numbers and strings, decoded into declared types. Bytes that come from Kafka
can at worst be refused (StateError); they can never run code.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final, TypeVar

import msgspec
from librt.vecs import vec

from stream.core.births import Births
from stream.core.display import Display, Tape
from stream.core.model import difference
from stream.core.norm import Norm
from stream.core.past import COLUMNS, WINDOWS
from stream.core.reviews import Review
from stream.core.rows import (
    BandRow,
    FlipRow,
    MetaRow,
    NormRow,
    ProductRow,
    ReviewRow,
    SellerRow,
    StaffRow,
)
from stream.core.staff import Access, Portion, Staff
from stream.core.subjects import Held, Seller

VERSION: Final = 1

#: Kinds of rows, and the beginnings of their keys; of the first five there is one row a task.
META, NORM, PATTERNS, PROGRESS, ACCUSATIONS = b"m/", b"n/", b"h/", b"g/", b"j/"
REVIEW, SELLER, FLIP, PRODUCT, SEEN, EARLY = b"r/", b"s/", b"f/", b"p/", b"d/", b"e/"
STAFF, PENDING, DOSSIER = b"a/", b"w/", b"b/"

T = TypeVar("T")
encode = msgspec.msgpack.Encoder().encode


#: Nothing of it mends itself, so whoever reads of it is told what to do.
_ADVICE: Final = (
    'go back to what wrote it, or start under another VOLTEFACE_APP_ID: see docs/operations.md, "Upgrade and roll-back"'
)


class StateError(Exception):
    """A row of the state topic that this version cannot read: one line, with what to do."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}; {_ADVICE}")


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
            review.contacted_at, review.looked_up_at, review.incentive, review.outside,
            [(access.staff.actor_id, access.at, access.weight, access.voice) for access in review.accesses],
        )
    )  # fmt: skip


def review_of(review_id: str, value: bytes, sellers: Mapping[str, Seller], staff: Mapping[str, Staff]) -> Review:
    row = decode(value, ReviewRow)
    seller = sellers.get(row.seller_id)
    if seller is None:
        raise StateError(f"the state topic holds review {review_id} of seller {row.seller_id}, but not the seller")
    review = Review(
        review_id, seller, row.product_id, row.reviewer_id, row.rating, row.created_at, row.contacted_at,
        row.looked_up_at, row.incentive, row.outside,
    )  # fmt: skip
    try:
        review.accesses = tuple(Access(staff[actor_id], *rest) for actor_id, *rest in row.accesses)
    except KeyError as error:
        raise StateError(
            f"the state topic holds review {review_id} that {error} looked up, but not the latter"
        ) from None
    return review


def staff_row(staff: Staff) -> bytes:
    held = {
        number: (one.reviews, one.weight, one.voices, one.now, one.heard, one.long)
        for number, one in sorted(staff.held.items())
    }
    return encode(StaffRow(VERSION, staff.first_seen, held, staff.today))


def staff_of(actor_id: str, value: bytes) -> Staff:
    row = decode(value, StaffRow)
    staff = Staff(actor_id, row.first_seen, row.today.writer)
    staff.held = {number: Portion(*one) for number, one in row.held.items()}
    staff.today = row.today
    return staff


def seller_row(seller: Seller) -> bytes:
    """Written out, field by field: it is the largest of rows and changes most often."""
    held = {
        number: (one.plain, one.looked_up, one.now_plain, one.now_looked_up, one.long_plain, one.long_looked_up)
        for number, one in sorted(seller.held.items())
    }
    born = seller.births
    births = (born.day, born.today, born.yesterday, born.bombed, born.usual, born.seen_days)
    return encode(
        SellerRow(
            VERSION, seller.first_seen, births, seller.voice, held, seller.flips_by_arm, seller.expected,
            seller.expected_long, seller.unshared, seller.retracted_by_arm, seller.looked_up_flips,
            seller.looked_up_expected, seller.spoken, seller.spoken_at, seller.spoken_total, seller.flip_count,
            seller.log_odds, seller.alerted_at,
        )
    )  # fmt: skip


#: Fields of a seller that its row holds as they are.
_PLAIN_FIELDS: Final = tuple(name for name in SellerRow.__struct_fields__ if name not in {"version", "held", "births"})


def seller_of(seller_id: str, value: bytes) -> Seller:
    row = decode(value, SellerRow)
    seller = Seller(seller_id, row.first_seen)
    for name in _PLAIN_FIELDS:
        setattr(seller, name, getattr(row, name))
    seller.births = Births(*row.births)
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
    first = len(seller.history) - back * COLUMNS
    history = list(seller.history[first : first + COLUMNS])
    return encode(FlipRow(VERSION, seller.flip_count - back, history, seller.flips[-back]))


def load_flips(seller: Seller, rows: list[FlipRow]) -> None:
    """Take a seller's kept flips back; raises StateError where some are missing."""
    rows.sort(key=lambda row: row.number)
    kept = min(seller.flip_count, WINDOWS)
    if [row.number for row in rows] != list(range(seller.flip_count - kept, seller.flip_count)):
        raise StateError(f"of the latest {kept} flips of seller {seller.seller_id} the state topic holds {len(rows)}")
    if any(len(row.history) != COLUMNS for row in rows):
        raise StateError(f"the history of seller {seller.seller_id} has not {COLUMNS} columns")
    seller.history = vec[float](list(chain.from_iterable(row.history for row in rows)))
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


def meta_row(clock: float, seen: int, told: int, counts: dict[str, int], model: dict[str, str]) -> bytes:
    return encode(MetaRow(VERSION, clock, seen, told, counts, model))


def meta_of(value: bytes, model: dict[str, str]) -> MetaRow:
    row = decode(value, MetaRow)
    foreign = difference(row.model, model)
    if foreign:
        raise StateError(f"the state topic was written {foreign}")
    return row


#: Fields of a norm that its row holds as they are.
_NORM_FIELDS: Final = tuple(name for name in NormRow.__struct_fields__ if name not in {"version", "bands"})


def norm_row(norm: Norm) -> bytes:
    bands = [BandRow(*(getattr(band, name) for name in BandRow.__struct_fields__)) for band in norm.bands]
    return encode(NormRow(version=VERSION, bands=bands, **{name: getattr(norm, name) for name in _NORM_FIELDS}))


def load_norm(norm: Norm, value: bytes) -> None:
    row = decode(value, NormRow)
    if len(row.bands) != len(norm.bands):
        raise StateError(
            f"the state topic holds a norm of {len(row.bands)} bands; this Volteface has {len(norm.bands)}"
        )
    for band, saved in zip(norm.bands, row.bands, strict=True):
        for name in BandRow.__struct_fields__:
            setattr(band, name, getattr(saved, name))
    for name in _NORM_FIELDS:
        setattr(norm, name, getattr(row, name))
