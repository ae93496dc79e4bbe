"""What a task knows, and the rows it is kept in: `changed` gives those that differ since, `restore` takes them back.

Rule of this room: a row is a function of the state, never of when it was asked for, and asking changes nothing but
what counts as changed. What follows from the rest (places, timers, the index of reviewers) is derived, not stored.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from heapq import heappush

from stream.core import codec
from stream.core.norm import Norm
from stream.core.patterns import Display, FlipPatterns
from stream.core.reviews import Review
from stream.core.seen import Seen
from stream.core.subjects import Seller


class State:
    """One task's reviews, sellers, products, norm and models; `_dirty` holds the keys of rows that changed."""

    def __init__(self) -> None:
        self.clock = float("-inf")
        self.counts: Counter[str] = Counter()
        self.norm = Norm()
        self.reviews: dict[str, Review] = {}
        self.sellers: dict[str, Seller] = {}
        self.products: dict[str, Display] = {}
        self.patterns = FlipPatterns()
        self._seen = Seen()
        self._early: dict[str, tuple[float, int | None]] = {}
        self._timers: list[tuple[float, str]] = []
        self._dirty: set[bytes] = set()
        self._writers: dict[bytes, Callable[[str], bytes | None]] = {
            codec.META: lambda _: codec.meta_row(self.clock, self._seen.count, dict(sorted(self.counts.items()))),
            codec.NORM: lambda _: codec.norm_row(self.norm),
            codec.PATTERNS: lambda _: codec.encode([codec.VERSION, *self.patterns.dump()]),
            codec.REVIEW: self._review_row,
            codec.SELLER: lambda name: codec.seller_row(self.sellers[name]),
            codec.HISTORY: lambda name: codec.history_row(self.sellers[name]),
            codec.PRODUCT: lambda name: codec.product_row(self.products[name]),
            codec.SEEN: lambda name: self._seen.row(int(name)),
            codec.EARLY: self._early_row,
        }

    def changed(self) -> list[tuple[bytes, bytes | None]]:
        """The rows that differ since the last call (None: gone), in order of their keys."""
        if not self.counts:
            return []
        keys = sorted(self._dirty | self._seen.changed() | {codec.META, codec.NORM})
        self._dirty.clear()
        return [(key, self._row(key)) for key in keys]

    def digest(self) -> str:
        """Digest of the whole state in order of its keys (32 hex digits); equal states have equal digests."""
        total = hashlib.blake2b(digest_size=16)
        for key in sorted(self._keys()):
            value = self._row(key)
            assert value is not None, "only keys of rows that exist"
            total.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
        return total.hexdigest()

    def _keys(self) -> Iterator[bytes]:
        """The keys of all rows that exist."""
        if not self.counts:
            return
        yield from (codec.META, codec.NORM, codec.PATTERNS)
        yield from self._seen.keys()
        for kind, names in (
            (codec.REVIEW, self.reviews),
            (codec.SELLER, self.sellers),
            (codec.HISTORY, [name for name, seller in self.sellers.items() if seller.flips]),
            (codec.PRODUCT, self.products),
            (codec.EARLY, self._early),
        ):
            yield from (kind + name.encode() for name in names)

    def _row(self, key: bytes) -> bytes | None:
        """The row of a key, None where there is nothing any more."""
        return self._writers[key[:2]](key[2:].decode())

    def _review_row(self, name: str) -> bytes | None:
        review = self.reviews.get(name)
        return None if review is None else codec.review_row(review)

    def _early_row(self, name: str) -> bytes | None:
        early = self._early.get(name)
        return None if early is None else codec.encode(early)

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Take on the state that `changed` gave; raises StateError for a row that cannot be read."""
        histories: list[tuple[str, bytes]] = []
        for key, value in rows:
            kind, name = key[:2], key[2:].decode()
            if kind == codec.REVIEW:
                self.reviews[name] = codec.review_of(name, value)
            elif kind == codec.SELLER:
                self.sellers[name] = codec.seller_of(name, value)
            elif kind == codec.HISTORY:
                histories.append((name, value))
            elif kind == codec.PRODUCT:
                self.products[name] = codec.product_of(value)
            elif kind == codec.SEEN:
                self._seen.load(int(name), value)
            elif kind == codec.EARLY:
                self._early[name] = codec.decode(value, tuple[float, int | None])
            else:
                self._restore_single(key, value)
        for name, value in histories:
            codec.load_history(self.sellers[name], value)
        self._rebuild()

    def _restore_single(self, key: bytes, value: bytes) -> None:
        if key == codec.META:
            meta = codec.decode(value, codec.MetaRow)
            self.clock, self._seen.count, self.counts = meta.clock, meta.seen, Counter(meta.counts)
        elif key == codec.NORM:
            codec.load_norm(self.norm, value)
        elif key == codec.PATTERNS:
            row = codec.decode(value, codec.PatternsRow)
            self.patterns.load([row.counter, row.first_window, row.masses, row.seen])
        else:
            raise codec.StateError(f"the state topic holds a row {key!r} that this version does not know")

    def _rebuild(self) -> None:
        """Derive what is not stored: places, timers, the index of reviewers."""
        for name in sorted(self.reviews):
            review = self.reviews[name]
            review.place(self.clock)
            heappush(self._timers, (review.due, name))
            self.sellers[review.seller_id].reviewers.setdefault(review.reviewer_id, []).append(name)
