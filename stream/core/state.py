"""What a task knows, and the rows it is kept in: `changed` gives those that differ since, `restore` takes them back.

Rule of this room: a row is a function of the state, never of when it was asked for, and asking changes nothing but
what counts as changed. What follows from the rest (places, timers, the index of reviewers) is derived, not stored.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from stream.core import codec
from stream.core.accusations import Accusations
from stream.core.display import Display
from stream.core.early import Early
from stream.core.model import model_of
from stream.core.norm import Norm
from stream.core.panel import Judge, Panel
from stream.core.patterns import FlipPatterns
from stream.core.reviews import Review
from stream.core.rows import FlipRow, PatternsRow
from stream.core.seen import Seen
from stream.core.staff import Staff
from stream.core.subjects import Seller
from stream.core.timers import Timers


class State:
    """One task's reviews, sellers, products, norm and models, and its part in judging staff.

    number, tasks: which one it is of how many; each is the reader of what all tell of its part of the staff.
    pseudonyms: the fingerprint of their key; see `model`.
    """

    def __init__(self, number: int, tasks: int, judge: Judge, pseudonyms: str) -> None:
        self.model = model_of(pseudonyms)
        self.number = number
        self.tasks = tasks
        self.clock = float("-inf")
        #: The last day that other tasks were told is over here; -1 before anything was.
        self.told = -1
        self.counts: Counter[str] = Counter()
        self.norm = Norm()
        self.reviews: dict[str, Review] = {}
        self.sellers: dict[str, Seller] = {}
        self.products: dict[str, Display] = {}
        self.staff: dict[str, Staff] = {}
        self.patterns = FlipPatterns()
        self.panel = Panel(number, tasks, judge)
        self.accusations = Accusations(version=codec.VERSION)
        self._seen = Seen()
        self._early = Early()
        self._timers = Timers()
        #: Names of the rows that changed, by kind; on the hot path these are plain additions to sets.
        self._changed: dict[bytes, set[str]] = {
            codec.META: set(),
            codec.NORM: set(),
            codec.PATTERNS: self.patterns.changed,
            codec.REVIEW: set(),
            codec.SELLER: set(),
            codec.FLIP: set(),
            codec.PRODUCT: set(),
            codec.SEEN: self._seen.changed,
            codec.EARLY: self._early.changed,
            codec.STAFF: set(),
            codec.PROGRESS: set(),
            codec.ACCUSATIONS: set(),
            codec.PENDING: self.panel.changed_pending,
            codec.DOSSIER: self.panel.changed_dossiers,
        }
        self._writers: dict[bytes, Callable[[str], bytes | None]] = {
            codec.META: self._meta_row,
            codec.NORM: lambda _: codec.norm_row(self.norm),
            codec.PATTERNS: self._pattern_row,
            codec.REVIEW: self._review_row,
            codec.SELLER: self._seller_row,
            codec.FLIP: self._flip_row,
            codec.PRODUCT: self._product_row,
            codec.SEEN: self._seen.row,
            codec.EARLY: self._early.row,
            codec.STAFF: self._staff_row,
            codec.PROGRESS: self.panel.progress_row,
            codec.ACCUSATIONS: lambda _: codec.encode(self.accusations),
            codec.PENDING: self.panel.pending_row,
            codec.DOSSIER: self.panel.dossier_row,
        }

    def changed(self) -> list[tuple[bytes, bytes | None]]:
        """The rows that differ since the last call (None: gone), in order of their kinds and names."""
        if self._blank():
            return []
        for single in (codec.META, codec.NORM, codec.PROGRESS, codec.ACCUSATIONS):
            self._changed[single].add("")
        rows: list[tuple[bytes, bytes | None]] = []
        for kind, names in self._changed.items():
            write = self._writers[kind]
            rows += [(kind + name.encode(), write(name)) for name in sorted(names)]
            names.clear()
        return rows

    def digest(self) -> str:
        """Digest of the whole state in order of its keys (32 hex digits); equal states have equal digests."""
        total = hashlib.blake2b(digest_size=16)
        for kind, names in self._names():
            write = self._writers[kind]
            for name in sorted(names):
                key, value = kind + name.encode(), write(name)
                assert value is not None, "only names of rows that exist"
                total.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big") + value)
        return total.hexdigest()

    def _names(self) -> Iterator[tuple[bytes, Iterable[str]]]:
        """The names of all rows that exist, by kind."""
        if self._blank():
            return
        yield from ((single, [""]) for single in (codec.META, codec.NORM, codec.PROGRESS, codec.ACCUSATIONS))
        yield codec.PATTERNS, self.patterns.names()
        yield codec.REVIEW, self.reviews
        yield codec.SELLER, self.sellers
        yield codec.FLIP, (name for seller in self.sellers.values() for name in codec.flip_names(seller))
        yield codec.PRODUCT, self.products
        yield codec.SEEN, self._seen.names()
        yield codec.EARLY, self._early.names()
        yield codec.STAFF, self.staff
        yield codec.PENDING, self.panel.pending
        yield codec.DOSSIER, self.panel.dossiers

    def _blank(self) -> bool:
        """Whether nothing has happened to the task yet."""
        return not (self.counts or self.panel.progress.through or self.accusations.heard)

    def _meta_row(self, _: str) -> bytes:
        counts = dict(sorted(self.counts.items()))
        return codec.meta_row(self.clock, self._seen.count, self.told, counts, self.model)

    def _pattern_row(self, name: str) -> bytes:
        if name:
            return codec.encode(self.patterns.learned(name))
        return codec.encode(PatternsRow(codec.VERSION, self.patterns.count, self.patterns.scores))

    def _review_row(self, name: str) -> bytes | None:
        review = self.reviews.get(name)
        return None if review is None else codec.review_row(review)

    def _seller_row(self, name: str) -> bytes | None:
        seller = self.sellers.get(name)
        return None if seller is None else codec.seller_row(seller)

    def _product_row(self, name: str) -> bytes | None:
        display = self.products.get(name)
        return None if display is None else codec.product_row(display)

    def _staff_row(self, name: str) -> bytes | None:
        staff = self.staff.get(name)
        return None if staff is None else codec.staff_row(staff)

    def _flip_row(self, name: str) -> bytes | None:
        slot, _, seller_id = name.partition("/")
        seller = self.sellers.get(seller_id)
        return None if seller is None else codec.flip_row(seller, int(slot))

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Take on the state that `changed` gave; raises StateError for a row that cannot be read."""
        found: defaultdict[bytes, list[tuple[str, bytes]]] = defaultdict(list)
        for key, value in rows:
            if key[:2] not in self._writers:
                raise codec.StateError(f"the state topic holds a row {key!r} that this version does not know")
            found[key[:2]].append((key[2:].decode(), value))
        for kind, load in self._loaders().items():
            for name, value in found.pop(kind, ()):
                load(name, value)
        self._load_flips(found[codec.FLIP])
        self._load_patterns(found[codec.PATTERNS])
        self._seen.loaded(self._seen.count)
        self._early.loaded()
        self.reviews = {
            name: codec.review_of(name, value, self.sellers, self.staff) for name, value in sorted(found[codec.REVIEW])
        }
        self._rebuild()

    def _loaders(self) -> dict[bytes, Callable[[str, bytes], None]]:
        """What takes a row back, of the kinds that need no other; see `restore` for the rest."""

        def meta(_: str, value: bytes) -> None:
            row = codec.meta_of(value, self.model)
            self.clock, self._seen.count, self.counts = row.clock, row.seen, Counter(row.counts)
            self.told = row.told

        def accusations(_: str, value: bytes) -> None:
            self.accusations = codec.decode(value, Accusations)

        return {
            codec.META: meta,  # before all others: what a foreign model calls a row may be something else
            codec.NORM: lambda _, value: codec.load_norm(self.norm, value),
            codec.SELLER: lambda name, value: self.sellers.update({name: codec.seller_of(name, value)}),
            codec.PRODUCT: lambda name, value: self.products.update({name: codec.product_of(value)}),
            codec.STAFF: lambda name, value: self.staff.update({name: codec.staff_of(name, value)}),
            codec.SEEN: self._seen.load,
            codec.EARLY: self._early.load,
            codec.ACCUSATIONS: accusations,
            codec.PROGRESS: self.panel.load_progress,
            codec.PENDING: self.panel.load_pending,
            codec.DOSSIER: self.panel.load_dossier,
        }

    def _load_flips(self, rows: list[tuple[str, bytes]]) -> None:
        flips: defaultdict[str, list[FlipRow]] = defaultdict(list)
        for name, value in rows:
            flips[name.partition("/")[2]].append(codec.decode(value, FlipRow))
        for name, seller in self.sellers.items():
            codec.load_flips(seller, flips[name])

    def _load_patterns(self, rows: list[tuple[str, bytes]]) -> None:
        learned: dict[str, list[float]] = {}
        for name, value in rows:
            if name:
                learned[name] = codec.decode(value, list[float])
            else:
                row = codec.decode(value, PatternsRow)
                self.patterns.count, self.patterns.scores = row.count, row.scores
        try:
            self.patterns.learn_again(learned)
        except (KeyError, ValueError) as error:
            raise codec.StateError(
                f"the state topic lacks features of earlier flips, or holds others: {error}"
            ) from None

    def _rebuild(self) -> None:
        """Derive what is not stored: places, timers, the index of reviewers."""
        for name, review in self.reviews.items():
            review.place(self.clock)
            review.seller.follow(review.reviewer_id, name)
        self._timers.fill(self.reviews.values())
